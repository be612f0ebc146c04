"""A user's health check over HTTP and TCP, against a server on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from spotlab.domain.ports.switching import InstanceView
from spotlab.domain.switch_moves import HealthCheck
from spotlab.switching.execution.health_checks import check_health

NEW = InstanceView("i-1", "running", "m6a.large", "us-east-1a", private_ip="127.0.0.1")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/up" else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None: ...


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def closed_port() -> int:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.server_close()
    return server.server_port


def test_http(port: int, closed_port: int) -> None:
    assert check_health(HealthCheck("http", port, "/up"), NEW) == ""
    down = check_health(HealthCheck("http", port, "/"), NEW)
    assert down == f"http://127.0.0.1:{port}/ answers 503"
    assert check_health(HealthCheck("http", closed_port), NEW).endswith("ConnectError")


def test_tcp(port: int, closed_port: int) -> None:
    assert check_health(HealthCheck("tcp", port), NEW) == ""
    assert f"TCP port {closed_port} of 127.0.0.1" in check_health(
        HealthCheck("tcp", closed_port), NEW
    )


def test_an_address_that_the_replacement_lacks() -> None:
    check = HealthCheck("tcp", 1, address="public")
    assert check_health(check, NEW) == "it has no public address"
