"""The route of the Lab API, which builds the API on its first request.

Nothing heavy is imported here, so that the first screen does not wait for the API.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from contextlib import nullcontext
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spotlab.runtime import app_process
from spotlab.runtime.bootstrap import Once
from spotlab.telemetry.logs import correlated

log = logging.getLogger("spotlab.api")

PREFIX: Final = "/api"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def _build() -> ASGIApp:
    from spotlab.api.application import build
    from spotlab.api.identity import is_known, principal_of

    return build(app_process.lab, principal_of, is_known)


class LabApi(BaseRoute):
    """The route of everything under /api.

    Starlette's Mount would leave "/api" itself to the screens.

    Args:
        build: builds the application; called by the first request.
    """

    def __init__(self, build: Any = _build) -> None:
        self._app: Once[ASGIApp] = Once(build)
        self.path = PREFIX

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match every HTTP request below /api."""
        path = scope.get("path", "")
        is_api = scope["type"] == "http" and (path == PREFIX or path.startswith(f"{PREFIX}/"))
        return (Match.FULL if is_api else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        await self(scope, receive, send)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, with its id in the logs and in X-Request-ID."""
        outer_id = scope.get("spotlab.request_id")  # set and sent by RequestMetricsMiddleware
        sent_id = outer_id or Headers(scope=scope).get("x-request-id", "")
        request_id = sent_id if _REQUEST_ID.fullmatch(sent_id) else uuid.uuid4().hex[:12]
        status, started = 0, time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    *(() if outer_id else ((b"x-request-id", request_id.encode()),)),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        with nullcontext() if outer_id else correlated(request_id):
            app = self._app.made()
            opened = app[0] if app else await run_in_threadpool(self._app)
            inner = dict(scope) | {"spotlab.request_id": request_id}
            await opened(inner, receive, send_with_headers)
            scope["route"] = inner.get("route")
            took_ms = (time.perf_counter() - started) * 1e3
            is_read = scope["method"] in ("GET", "HEAD", "OPTIONS")
            level = logging.DEBUG if is_read else logging.INFO  # too many reads
            log.log(level, "%s %s %s in %.1f ms", scope["method"], scope["path"], status, took_ms)
