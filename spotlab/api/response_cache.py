"""Middleware that returns cached responses before routing and validation.

Routing and validation are half the cost of a read. A URL with a cached response was valid when the
response was made, so that only authentication and the rate limit remain.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from spotlab.api import etags
from spotlab.api.request_state import CachedResponse, service_of
from spotlab.errors import SpotlabError


class ResponseCacheMiddleware:
    """ASGI middleware around the API's routes.

    Args:
        app: handles all other requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Return the cached response, or pass the request on."""
        response = None
        if scope["type"] == "http" and scope["method"] == "GET":
            response = await _cached_response(Request(scope))
        await (response or self._app)(scope, receive, send)


async def _cached_response(request: Request) -> Response | None:
    service, scope = service_of(request), request.scope
    if not service.has_cached(scope):
        return None
    try:
        if service.admits_without_waiting(request):
            admitted = service.admit(request, writes=False)
        else:
            admitted = await run_in_threadpool(service.admit, request, False)
    except SpotlabError:
        return None  # the operation returns the problem
    who, quota = admitted
    cached = service.cached(who, scope)
    if cached is None:
        scope["spotlab.admitted"] = admitted  # do not count it twice
        return None
    scope["route"] = cached.route
    response = replay(request, cached)
    response.raw_headers.extend(quota.headers())
    return response


def replay(request: Request, cached: CachedResponse) -> Response:
    """The cached response, or 304."""
    response = Response(cached.body)
    response.raw_headers = list(cached.headers)
    return not_modified_or(request, response)


def not_modified_or(request: Request, response: Response) -> Response:
    """The response, or 304 without a body if If-None-Match matches its ETag."""
    if_none_match = request.headers.get("if-none-match")
    tag = response.headers.get("etag")
    if if_none_match is None or tag is None or not etags.matches(if_none_match, tag):
        return response
    not_modified = Response(status_code=304)
    not_modified.raw_headers = [
        pair for pair in response.raw_headers if pair[0] in (b"etag", b"cache-control", b"link")
    ]
    return not_modified
