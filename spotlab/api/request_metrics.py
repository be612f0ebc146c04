"""Every request has an id, is counted and timed by its route, and is traced.

A client may name the id itself (X-Request-Id); it is on the answer, and is the correlation id of
every log line that the request leads to.
"""

from __future__ import annotations

import logging
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spotlab.monitoring.health.request_stats import COUNTING
from spotlab.telemetry import logs, metrics, traces

log = logging.getLogger("spotlab.api")

HEADER: Final = b"x-request-id"
SCREENS_ROUTE: Final = "screens"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_MONITORS: Final = frozenset({"/healthz", "/readyz", "/metrics", "/_stcore/health"})
"""Asked by machines all day, and answered from memory: they would hide what people wait for."""
_TRACED_PREFIXES: Final = ("/healthz", "/readyz", "/metrics", "/sign", "/api")


class RequestMetricsMiddleware:
    """ASGI middleware, the outermost one.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _client_request_id(scope) or logs.new_id()
        scope["spotlab.request_id"] = request_id
        began, status = time.perf_counter(), 0
        taken_s: float | None = None

        async def answer(message: Message) -> None:
            nonlocal status, taken_s
            if message["type"] == "http.response.start":
                status, taken_s = message["status"], time.perf_counter() - began
                message["headers"] = [*message["headers"], (HEADER, request_id.encode())]
            await send(message)

        ours = scope["path"].startswith(_TRACED_PREFIXES)
        with logs.inside(correlation_id=request_id, request_id=request_id):
            try:
                if ours:
                    with traces.span("request", method=scope["method"], path=scope["path"]):
                        await self._app(scope, receive, answer)
                else:
                    await self._app(scope, receive, answer)
            finally:
                took_s = time.perf_counter() - began if taken_s is None else taken_s
                _count(scope, status or 500, took_s)


def route_of(scope: Scope) -> str:
    """The template of the route that answered: never an id, so that there are only so many."""
    template = getattr(scope.get("route"), "path", None)
    if template is not None:
        return f"{scope.get('root_path', '')}{template}"
    path = scope["path"]
    if path in ("/healthz", "/readyz", "/metrics"):
        return str(path)
    if path.startswith("/api"):
        return "/api (no such route)"
    return SCREENS_ROUTE


def _count(scope: Scope, status: int, took_s: float) -> None:
    method = scope["method"] if scope["method"] in _METHODS else "other"
    route = route_of(scope)
    metrics.REQUESTS.labels(method=method, route=route, status=str(status)).inc()
    metrics.REQUEST_SECONDS.labels(method=method, route=route).observe(took_s)
    if scope["path"] not in _MONITORS:
        COUNTING.note(ok=status < 500, took_s=took_s)
    if status >= 500 and status != 503:
        fields = {"status": status, "duration_ms": round(took_s * 1e3, 1)}
        log.warning("%s %s: %d", method, route, status, extra={"fields": fields})


def _client_request_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == HEADER:
            return logs.usable_id(value.decode("latin-1"))
    return None
