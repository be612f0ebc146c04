"""The Lab API beside the screens: opened by its first request, each request with its reference.

Nothing heavy is imported here: the first screen does not wait for the API.
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
    """Everything under /api.

    A route of its own kind: a Mount would leave "/api" itself to the screens.

    Args:
        build: makes the application; called by the first request.
    """

    def __init__(self, build: Any = _build) -> None:
        self._app: Once[ASGIApp] = Once(build)
        self.path = PREFIX

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a request is for the API."""
        path = scope.get("path", "")
        ours = scope["type"] == "http" and (path == PREFIX or path.startswith(f"{PREFIX}/"))
        return (Match.FULL if ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self(scope, receive, send)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, with its reference in the logs and in X-Request-ID."""
        named = scope.get("spotlab.request_id")  # by Observed, which then sends it, too
        given = named or Headers(scope=scope).get("x-request-id", "")
        reference = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex[:12]
        status, began = 0, time.perf_counter()

        async def referred(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    *(() if named else ((b"x-request-id", reference.encode()),)),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        with nullcontext() if named else correlated(reference):
            app = self._app.made()
            opened = app[0] if app else await run_in_threadpool(self._app)
            inner = dict(scope) | {"spotlab.request_id": reference}
            await opened(inner, receive, referred)
            scope["route"] = inner.get("route")
            took_ms = (time.perf_counter() - began) * 1e3
            reads = scope["method"] in ("GET", "HEAD", "OPTIONS")
            level = logging.DEBUG if reads else logging.INFO  # many reads would push out the rest
            log.log(level, "%s %s %s in %.1f ms", scope["method"], scope["path"], status, took_ms)
