"""The real nginx with our configuration, in front of two real app processes on loopback."""

from __future__ import annotations

import asyncio
import http.cookies
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import websockets

from tests.conftest import ROOT

CONFIGURATION = ROOT / "deploy" / "nginx.conf"
START_S = 60.0


@pytest.fixture(scope="module")
def nginx() -> str:
    path = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        pytest.skip("no nginx on PATH")
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def on_loopback(folder: Path, port: int, apps: tuple[int, int]) -> Path:
    """Our configuration with the names of this machine, and nothing else changed."""
    text = CONFIGURATION.read_text()
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};")
    for name, app in zip(("app-a", "app-b"), apps, strict=True):
        text = text.replace(f"{name}:8501", f"127.0.0.1:{app}")
    text = text.replace("/tmp/", f"{folder}/")
    file = folder / "nginx.conf"
    file.write_text(text)
    return file


def test_nginx_finds_nothing_wrong(nginx: str, tmp_path: Path) -> None:
    file = on_loopback(tmp_path, free_port(), (free_port(), free_port()))
    done = subprocess.run([nginx, "-t", "-q", "-c", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


APP = """
import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


def who(request: Request) -> JSONResponse:
    return JSONResponse({"port": PORT, "for": request.headers.get("x-forwarded-for")})


app = st.App("page.py", routes=[Route("/who", who)])
"""


@dataclass
class Front:
    """nginx before two Streamlit servers, each of which says which it is."""

    url: str
    ports: tuple[int, int]
    apps: list[subprocess.Popen[bytes]]

    def get(self, path: str, cookie: str = "", **headers: str) -> tuple[int, str, str]:
        """Status, text and the route cookie that was given."""
        request = urllib.request.Request(self.url + path, headers=headers)
        if cookie:
            request.add_header("Cookie", f"spotlab_route={cookie}")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                jar = http.cookies.SimpleCookie(answer.headers.get("Set-Cookie", ""))
                route = jar["spotlab_route"].value if "spotlab_route" in jar else ""
                return answer.status, answer.read().decode(), route
        except urllib.error.HTTPError as exc:
            return exc.code, "", ""


@pytest.fixture(scope="module")
def front(nginx: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    port, ports = free_port(), (free_port(), free_port())
    processes = []
    for app in ports:
        place = folder / str(app)
        place.mkdir()
        (place / "app.py").write_text(APP.replace("PORT", str(app)))
        (place / "page.py").write_text(f"import streamlit as st\nst.write('replica {app}')\n")
        words = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
        words += ["--server.port", str(app), "--server.address", "127.0.0.1"]
        words += ["--server.fileWatcherType", "none", "--browser.gatherUsageStats", "false"]
        with (place / "log").open("wb") as log:
            processes.append(
                subprocess.Popen(words, cwd=place, stdout=log, stderr=subprocess.STDOUT)
            )
    file = on_loopback(folder, port, ports)
    proxy = subprocess.Popen([nginx, "-c", str(file), "-g", "daemon off;"])
    made = Front(f"http://127.0.0.1:{port}", ports, processes)
    try:
        for app in ports:
            _wait(f"http://127.0.0.1:{app}/who")
        _wait(f"{made.url}/who")
        yield made
    finally:
        for process in (proxy, *processes):
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _wait(url: str) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


def test_a_browser_stays_with_its_replica_and_both_are_used(front: Front) -> None:
    reached = set()
    for _ in range(12):
        _, first, route = front.get("/who")
        assert re.fullmatch("[0-9a-f]{32}", route)
        for _ in range(3):
            status, again, given = front.get("/who", cookie=route)
            assert (status, again, given) == (200, first, "")
        reached.add(first)
    assert len(reached) == 2


def test_the_websocket_reaches_the_replica_of_its_route(front: Front) -> None:
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    async def shown(route: str) -> str:
        url = front.url.replace("http", "ws", 1) + "/_stcore/stream"
        async with websockets.connect(
            url,
            subprotocols=[websockets.Subprotocol("streamlit")],
            additional_headers={"Cookie": f"spotlab_route={route}"},
            origin=websockets.Origin(front.url),
        ) as connection:
            message = BackMsg()
            message.rerun_script.query_string = ""
            await connection.send(message.SerializeToString())
            async with asyncio.timeout(20):
                async for data in connection:
                    assert isinstance(data, bytes)
                    heard = ForwardMsg.FromString(data)
                    if heard.delta.new_element.markdown.body:
                        return str(heard.delta.new_element.markdown.body)
        return ""

    for _ in range(2):
        _, text, route = front.get("/who")
        port = re.search(r'"port":(\d+)', text)
        assert port is not None
        assert asyncio.run(shown(route)) == f"replica {port[1]}"


def test_a_visitor_cannot_claim_another_address(front: Front) -> None:
    _, text, _ = front.get("/who", **{"X-Forwarded-For": "203.0.113.7"})
    assert '"for":"127.0.0.1"' in text


def test_figures_are_not_shown_outside(front: Front) -> None:
    assert front.get("/metrics")[0] == 404


def test_when_a_replica_is_gone_its_browsers_go_to_the_other(front: Front) -> None:
    routes = [front.get("/who")[2] for _ in range(6)]
    front.apps[0].send_signal(signal.SIGTERM)
    front.apps[0].wait(20)
    for route in routes:
        status, text, _ = front.get("/who", cookie=route)
        assert status == 200
        assert f'"port":{front.ports[1]}' in text
