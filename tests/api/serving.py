"""A server process with a small lab, for tests that need real sockets. It prints its address and
an administrator's token, and serves until its stdin is closed."""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection

from spotlab.api.application import build
from spotlab.api.mount import LabApi
from spotlab.api.request_middleware import RequestMetricsMiddleware
from spotlab.domain.access import Principal, Role
from spotlab.errors import NotSignedIn
from spotlab.services import Services
from tests.support.lab import save_toy_model, small_lab

BOSS = Principal("boss", Role.ADMIN, via="a test")
TOKEN = secrets.token_urlsafe(16)
PLENTY = {"api_reads_per_minute": 1_000_000, "api_writes_per_minute": 1_000_000}


def known(connection: HTTPConnection) -> Principal:
    """The administrator, for the fixed token, which no request can revoke."""
    if connection.headers.get("authorization") != f"Bearer {TOKEN}":
        raise NotSignedIn("You are not signed in.", remedy="Send the token.")
    return BOSS


def serve(folder: Path) -> None:
    """Serve until stdin is closed."""
    save_toy_model(folder / "models")
    with small_lab(folder / "home", folder / "models") as lab:
        lab.settings = lab.settings.model_copy(update=PLENTY)
        Services(lab, BOSS).instances.evaluate()
        app = Starlette(
            routes=[LabApi(lambda: build(lambda: lab, known))],
            middleware=[Middleware(RequestMetricsMiddleware)],
        )
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning")
        server = uvicorn.Server(config)
        listening = config.bind_socket()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        sys.stdout.write(json.dumps({"url": address, "token": TOKEN}) + "\n")
        sys.stdout.flush()

        def stop() -> None:
            with suppress(OSError):
                sys.stdin.read()
            server.should_exit = True

        threading.Thread(target=stop, daemon=True).start()
        server.run([listening])


if __name__ == "__main__":
    os.environ.pop("SPOTLAB_HOME", None)
    with tempfile.TemporaryDirectory() as folder:
        serve(Path(folder))
