"""Middleware that gives each request an id, counts and times it by route, and traces it.

A client may send the id (X-Request-Id). It is in the response, and it is the correlation id of all
log lines of the request.
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
"""Polled by machines and fast; they would hide the latencies that users experience."""
_TRACED_PREFIXES: Final = ("/healthz", "/readyz", "/metrics", "/sign", "/api")


class RequestMetricsMiddleware:
    """ASGI middleware, the outermost one.

    Args:
        app: the application behind the middleware.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on and record it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _client_request_id(scope) or logs.new_id()
        scope["spotlab.request_id"] = request_id
        started, status = time.perf_counter(), 0
        first_byte_s: float | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status, first_byte_s
            if message["type"] == "http.response.start":
                status, first_byte_s = message["status"], time.perf_counter() - started
                message["headers"] = [*message["headers"], (HEADER, request_id.encode())]
            await send(message)

        is_traced = scope["path"].startswith(_TRACED_PREFIXES)
        with logs.log_context(correlation_id=request_id, request_id=request_id):
            try:
                if is_traced:
                    with traces.span("request", method=scope["method"], path=scope["path"]):
                        await self._app(scope, receive, send_with_id)
                else:
                    await self._app(scope, receive, send_with_id)
            finally:
                took_s = time.perf_counter() - started if first_byte_s is None else first_byte_s
                _count(scope, status or 500, took_s)


def route_of(scope: Scope) -> str:
    """The template of the matched route, without ids, so that the number of labels is limited."""
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
        COUNTING.count(ok=status < 500, took_s=took_s)
    if status >= 500 and status != 503:
        fields = {"status": status, "duration_ms": round(took_s * 1e3, 1)}
        log.warning("%s %s: %d", method, route, status, extra={"fields": fields})


def _client_request_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == HEADER:
            return logs.usable_id(value.decode("latin-1"))
    return None
