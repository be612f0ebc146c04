"""What every operation of the API does the same way.

In this order: who asks, how often, what is asked (unknown parameters, size, type), whether it was
asked before (idempotency keys; answers kept), the operation itself, entity tags, and problems.
"""

from __future__ import annotations

import functools
import inspect
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from spotlab.api import etags, problems
from spotlab.api.idempotency import IdempotentWrite
from spotlab.api.problems import TooLarge, UnsupportedMedia
from spotlab.api.rate_limit import Quota
from spotlab.api.request_state import CachedResponse, Service, service_of
from spotlab.api.response_cache import not_modified_or
from spotlab.domain.access import Principal
from spotlab.domain.ports import Topic
from spotlab.errors import InvalidInput, SpotlabError

log = logging.getLogger("spotlab.api")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
MAX_BODY_BYTES: Final = 256 * 1024
MAX_UPLOAD_BYTES: Final = 64 * 1024 * 1024
WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
CACHE_POLICY: Final = "x-cache-policy"
UNREPEATABLE: Final = "x-unrepeatable"
SECRET: Final[dict[str, Any]] = {UNREPEATABLE: True}
"""Marks a write whose answer holds a secret: it is told once, and not kept."""
NOT_FOUND: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "Not found."}}
AWS_REFUSED: Final[dict[int | str, dict[str, Any]]] = {502: {"description": "AWS refused."}}
"""Problems that not every operation has; the document says them like all others."""
JSON: Final = "application/json"
ZIP: Final = "application/zip"


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How long an answer may be given again.

    Args:
        topics: until there is news of one of these.
        for_s: and no longer than this: news may be lost.
    """

    topics: tuple[Topic, ...]
    max_age_s: float


def cacheable(*topics: Topic, for_s: float = 2.0) -> dict[str, Any]:
    """Marks a read whose answer may be given again; see Keeping."""
    return {CACHE_POLICY: CachePolicy(topics, for_s)}


def is_open(extra: dict[str, Any] | None) -> bool:
    """Whether an operation answers whoever asks."""
    return (extra or {}).get("security") == []


class Operation(APIRoute):
    """A route whose requests are admitted, checked and answered as the module's head says."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, in_threadpool(endpoint), **options)

    def get_route_handler(self) -> Handler:
        """The handler around the one that FastAPI makes."""
        carry_out = super().get_route_handler()
        extra = self.openapi_extra or {}
        keeping = extra.get(CACHE_POLICY)
        writes = bool((self.methods or set()) & WRITES)
        media = ZIP if ZIP in extra.get("requestBody", {}).get("content", {}) else JSON
        known: list[frozenset[str]] = []

        async def answer(request: Request) -> Response:
            service = service_of(request)
            quota = None
            try:
                if not is_open(extra):
                    who, quota = await admit(service, request, writes)
                    request.scope["spotlab.who"] = who
                if not known:  # not before: the route's parameters are known once it is built
                    known.append(frozenset(query_parameter_names(self)))
                reject_unknown_parameters(request, known[0])
                if writes:
                    await read_body(request, media)
                    written = IdempotentWrite.from_request(request, service.lab, self.path_format)
                    response = await written.run_once(
                        lambda: carry_out(request), UNREPEATABLE in extra
                    )
                else:
                    response = await respond_to_read(request, keeping, carry_out)
            except Exception as exc:  # the last place before the server's own words
                response = problem(request, exc)
            if quota is not None:
                response.raw_headers.extend(quota.headers())
            return response

        return answer


async def admit(service: Service, request: Request, writes: bool) -> tuple[Principal, Quota]:
    """Who asks; see Service.admit. In a thread only where there is something to wait for."""
    before: tuple[Principal, Quota] | None = request.scope.get("spotlab.admitted")
    if before is not None:
        return before
    if service.admits_without_waiting(request):
        return service.admit(request, writes)
    return await run_in_threadpool(service.admit, request, writes)


def in_threadpool(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """The same as a coroutine: FastAPI takes a second thread for the answer of what is none."""
    if inspect.iscoroutinefunction(endpoint):
        return endpoint

    @functools.wraps(endpoint)
    async def call(**values: Any) -> Any:
        return await run_in_threadpool(endpoint, **values)

    return call


async def respond_to_read(
    request: Request, keeping: CachePolicy | None, carry_out: Handler
) -> Response:
    """Answer a read, and keep the answer where it may be given again; 304 where the reader has it
    already."""
    service, who = service_of(request), request.scope.get("spotlab.who")
    versions: tuple[int, ...] = ()
    if keeping is not None:
        versions = service.versions(keeping.topics)  # before it is made
    response = await carry_out(request)
    if response.status_code != 200 or not isinstance(getattr(response, "body", None), bytes):
        return response
    if "etag" not in response.headers:
        response.headers["ETag"] = etags.etag(bytes(response.body))
    response.headers.setdefault("Cache-Control", "private, no-cache")
    if who is not None and keeping is not None:
        until, route = time.monotonic() + keeping.max_age_s, request.scope.get("route")
        headers = tuple(response.raw_headers)
        kept = CachedResponse(keeping.topics, versions, until, bytes(response.body), headers, route)
        service.cache(who, request.scope, kept)
    return not_modified_or(request, response)


def query_parameter_names(route: APIRoute) -> set[str]:
    """The query parameters that an operation knows."""
    found: set[str] = set()
    waiting = [route.dependant]
    while waiting:
        each = waiting.pop()
        found.update(parameter.alias for parameter in each.query_params)
        waiting.extend(each.dependencies)
    return found


def reject_unknown_parameters(request: Request, known: frozenset[str]) -> None:
    """Raises InvalidInput: a parameter that this operation does not know; names it."""
    if not request.scope["query_string"]:
        return
    strange = [name for name in request.query_params if name not in known]
    if strange:
        there = ", ".join(sorted(known)) or "none"
        raise InvalidInput(
            f"This operation has no parameter {strange[0]!r}.", remedy=f"It has: {there}."
        )


async def read_body(request: Request, media: str) -> None:
    """Read a body that is not over the limit and of the right type.

    Raises:
        TooLarge, UnsupportedMedia: it is not.
    """
    most = MAX_UPLOAD_BYTES if media == ZIP else MAX_BODY_BYTES
    too_large = TooLarge(f"The body is over {most:,} bytes.", remedy="Send less.")
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > most:
        raise too_large
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise too_large
    request._body = bytes(body)
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and given != media:
        raise UnsupportedMedia(
            f"The body is {given or 'of no type'}.", remedy=f"Send Content-Type: {media}."
        )


def problem(request: Request, exc: Exception) -> Response:
    """The answer to whatever was raised."""
    if isinstance(exc, SpotlabError):
        return problems.of_error(request, exc)
    if isinstance(exc, RequestValidationError):
        return problems.of_validation(request, exc.errors())
    if isinstance(exc, HTTPException):
        return http_problem(request, exc)
    if isinstance(exc, ClientDisconnect):
        return problems.response(request, 400, "The body did not arrive whole.")
    return problems.unexpected(request, exc)


def http_problem(request: Request, exc: HTTPException) -> Response:
    """The answer to what the framework refuses: no such path, no such method, a broken body."""
    headers = dict(exc.headers or {})
    if exc.status_code == 404:
        return problems.response(
            request, 404, f"There is nothing at {request.url.path}.", "See /api/docs."
        )
    if exc.status_code == 405:
        given = {part.strip() for part in headers.pop("Allow", "").split(",")} - {""}
        there = sorted(given | allowed_methods(request.app, request.url.path))
        headers["Allow"] = ", ".join(there)
        remedy = f"Available: {', '.join(there)}."
        detail = f"{request.method} is nothing that is done here."
        return problems.response(request, 405, detail, remedy, headers=headers)
    return problems.response(request, exc.status_code, f"{exc.detail}.", headers=headers)


def allowed_methods(app: FastAPI, path: str) -> set[str]:
    """What may be done with a path, over all its routes."""
    found: set[str] = set()
    for prefix, route in app.state.operations:
        if path.startswith(prefix) and route.path_regex.match(path.removeprefix(prefix)):
            found |= route.methods or set()
    return found
