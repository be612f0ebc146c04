"""The server answers while it loads, and handles requests as soon as it has."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from spotlab.api import server, startup


class Door:
    """Middleware that refuses one path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/closed":
            await PlainTextResponse("closed\n", 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


async def _says(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"route {request.url.path}\n")


async def _screen(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("screen\n")


def test_it_answers_while_it_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    may_load, stopped = threading.Event(), threading.Event()
    monkeypatch.setattr(server, "start", lambda: stopped.set)
    monkeypatch.setattr(startup, "prestart", lambda _settings, _role: None)
    monkeypatch.setattr(server, "ROUTES", [Route("/healthz", _says), Route("/own", _says)])
    monkeypatch.setattr(server, "MIDDLEWARE", [Middleware(Door)])
    starting = startup.Startup()
    starting.prepare_with(lambda: may_load.wait(20) and None)
    monkeypatch.setattr(startup, "STARTUP", starting)
    screens = [Route("/own", _screen), Route("/closed", _screen), Route("/page", _screen)]
    app = Starlette(routes=screens, middleware=startup.MIDDLEWARE)

    async def visit() -> None:
        starting.begin()
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
            assert (await client.get("/healthz")).text == "ok\n"
            ready = await client.get("/readyz")
            assert ready.status_code == 503
            assert ready.json() == {
                "ready": False,
                "reasons": {"server": "The server is starting."},
            }
            early = asyncio.create_task(client.get("/page"))
            await asyncio.sleep(0.05)
            assert not early.done()
            may_load.set()
            assert (await early).text == "screen\n"
            assert (await client.get("/own")).text == "route /own\n"
            assert (await client.get("/healthz")).text == "route /healthz\n"
            assert (await client.get("/closed")).status_code == 403

    asyncio.run(visit())
    starting.stop()
    assert stopped.is_set()


def test_nothing_heavy_is_imported_before_it_answers() -> None:
    code = (
        "import sys, app\n"
        "heavy = {'pandas', 'pyarrow', 'sqlalchemy', 'redis', 'boto3', 'spotlab.runtime.lab'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
