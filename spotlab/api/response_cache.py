"""Answers that are kept are given before anything else is done with a request.

Half of what a read costs is finding its route and checking what it asks for. An answer that is kept
under this very address was checked when it was made: who asks, and how often, is all that is left.
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
        app: answers whatever is not kept.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from what is kept, or pass on."""
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
        return None  # the operation refuses in its own words
    who, quota = admitted
    kept = service.cached(who, scope)
    if kept is None:
        scope["spotlab.admitted"] = admitted  # they are not counted twice
        return None
    scope["route"] = kept.route
    response = replay(request, kept)
    response.raw_headers.extend(quota.headers())
    return response


def replay(request: Request, kept: CachedResponse) -> Response:
    """A kept answer, or 304."""
    response = Response(kept.body)
    response.raw_headers = list(kept.headers)
    return not_modified_or(request, response)


def not_modified_or(request: Request, response: Response) -> Response:
    """304 without a body where If-None-Match names what would be sent."""
    given = request.headers.get("if-none-match")
    tag = response.headers.get("etag")
    if given is None or tag is None or not etags.matches(given, tag):
        return response
    same = Response(status_code=304)
    same.raw_headers = [
        pair for pair in response.raw_headers if pair[0] in (b"etag", b"cache-control", b"link")
    ]
    return same
