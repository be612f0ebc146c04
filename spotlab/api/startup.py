"""The start of the server: it responds at once, and loads the lab meanwhile.

Until that is done, /healthz says that the process responds, /readyz that it is starting, and every
other request waits. Nothing heavy is imported here (docs/adr/0038-job-process.md).
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from spotlab.api.graceful_shutdown import handle_sigterm, wait_for_work
from spotlab.api.tcp_nodelay import disable_nagle
from spotlab.scheduling.job_process import prestart
from spotlab.settings import load as load_settings

log = logging.getLogger("spotlab.api")
_NO_STORE: Final = {"Cache-Control": "no-store"}
STARTING: Final = {"server": "The server is starting."}


class Startup:
    """Loads what the server needs in a thread, and stops its background work at the end."""

    def __init__(self) -> None:
        self._preparations: list[Callable[[], None]] = []
        self._loaded: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], None] = lambda: None

    @property
    def loaded(self) -> bool:
        """Whether requests can be handled."""
        return self._loaded is not None and self._loaded.is_set()

    def prepare_with(self, preparation: Callable[[], None]) -> None:
        """Have a function called in the thread before requests are handled."""
        self._preparations.append(preparation)

    async def wait(self) -> None:
        """Wait until requests can be handled."""
        assert self._loaded is not None
        await self._loaded.wait()

    def begin(self) -> None:
        """Start to load; called in the event loop."""
        loop, loaded = asyncio.get_running_loop(), asyncio.Event()
        self._loaded = loaded

        def load() -> None:
            try:
                self._load()
            except BaseException:
                log.critical("the server cannot start", exc_info=True)
                os._exit(1)  # as if the imports had been made before it listened
            loop.call_soon_threadsafe(loaded.set)

        self._thread = threading.Thread(target=load, name="load", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Wait for the current unit of work, then stop."""
        if self._thread is not None:
            self._thread.join()
        wait_for_work()
        self._stop()

    def _load(self) -> None:
        settings = load_settings()
        if settings.scheduler == "on":
            prestart(settings, "app")
        _import_httpx()
        from spotlab.api import server

        for prepare in self._preparations:
            prepare()
        self._stop = server.start()


def _import_httpx() -> None:
    """Import httpx without its command line, whose highlighting of text takes 8 MB."""
    if "pygments" not in sys.modules:
        sys.modules["pygments"] = None  # type: ignore[assignment]
        try:
            import httpx  # noqa: F401
        finally:
            del sys.modules["pygments"]


STARTUP: Final = Startup()


class StartupMiddleware:
    """ASGI middleware: everything that needs the lab, as soon as that is loaded.

    Args:
        app: Streamlit's application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._loaded: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or wait and pass the request on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if self._loaded is None:
            answer = _answer_while_starting(scope)
            if answer is not None:
                await answer(scope, receive, send)
                return
            await STARTUP.wait()
            if self._loaded is None:
                self._loaded = _with_routes(self._app, scope["app"])
        await self._loaded(scope, receive, send)


def _answer_while_starting(scope: Scope) -> Response | None:
    if STARTUP.loaded or scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return None
    if scope["path"] == "/healthz":
        return PlainTextResponse("ok\n", headers=_NO_STORE)
    if scope["path"] == "/readyz":
        return JSONResponse({"ready": False, "reasons": STARTING}, 503, headers=_NO_STORE)
    return None


def _with_routes(app: ASGIApp, application: Any) -> ASGIApp:
    """The application behind SpotLab's middleware, with its routes before Streamlit's."""
    from spotlab.api import server

    application.router.routes[:0] = server.ROUTES
    for middleware in reversed(server.MIDDLEWARE):
        app = middleware.cls(app, *middleware.args, **middleware.kwargs)
    return app


MIDDLEWARE: Final[list[Middleware]] = [Middleware(StartupMiddleware)]


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """Load the lab and run background work while the server runs."""
    disable_nagle()
    handle_sigterm()
    STARTUP.begin()
    try:
        yield
    finally:
        await run_in_threadpool(STARTUP.stop)
