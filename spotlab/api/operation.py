"""The processing that all operations of the API share.

In this order: authentication, rate limit, checks of the request (unknown parameters, size, type),
idempotency keys, the operation itself, ETags and caching, and problems.
"""

from __future__ import annotations

import functools
import inspect
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
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
"""Marks a write whose response contains a secret: it is returned once and not stored."""
NOT_FOUND: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "Not found."}}
CONFLICT: Final[dict[int | str, dict[str, Any]]] = {409: {"description": "Conflict."}}
AWS_REFUSED: Final[dict[int | str, dict[str, Any]]] = {502: {"description": "AWS refused."}}
"""Problems of some operations only; the OpenAPI document describes them like the others."""
JSON: Final = "application/json"
ZIP: Final = "application/zip"
TEXT: Final = "text/plain"


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How long a response may be reused.

    Args:
        topics: the response is valid until there is an event on one of these.
        max_age_s: longest time of reuse, because events can be lost.
    """

    topics: tuple[Topic, ...]
    max_age_s: float


def cacheable(*topics: Topic, max_age_s: float = 2.0) -> dict[str, Any]:
    """Marks a read whose response may be reused; see CachePolicy."""
    return {CACHE_POLICY: CachePolicy(topics, max_age_s)}


def is_open(extra: dict[str, Any] | None) -> bool:
    """Whether an operation needs no sign-in."""
    return (extra or {}).get("security") == []


class Operation(APIRoute):
    """A route that processes requests as described at the top of the module.

    The name of the endpoint is the operation id, and its return type the response.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        options["operation_id"] = endpoint.__name__
        super().__init__(path, in_threadpool(endpoint), **options)

    def get_route_handler(self) -> Handler:
        """FastAPI's handler, wrapped."""
        carry_out = super().get_route_handler()
        extra = self.openapi_extra or {}
        policy = extra.get(CACHE_POLICY)
        writes = bool((self.methods or set()) & WRITES)
        media = tuple(extra.get("requestBody", {}).get("content", {})) or (JSON,)
        parameter_names: list[frozenset[str]] = []

        async def answer(request: Request) -> Response:
            service = service_of(request)
            quota = None
            try:
                if not is_open(extra):
                    who, quota = await admit(service, request, writes)
                    request.scope["spotlab.who"] = who
                if not parameter_names:  # not earlier: the route must be complete
                    parameter_names.append(frozenset(query_parameter_names(self)))
                reject_unknown_parameters(request, parameter_names[0])
                if writes:
                    await read_body(request, media)
                    written = IdempotentWrite.from_request(request, service.lab, self.path_format)
                    response = await written.run_once(
                        lambda: carry_out(request), UNREPEATABLE in extra
                    )
                else:
                    response = await respond_to_read(request, policy, carry_out)
            except Exception as exc:  # the last place before the server's own error page
                response = problem(request, exc)
            if quota is not None:
                response.raw_headers.extend(quota.headers())
            return response

        return answer


async def admit(service: Service, request: Request, writes: bool) -> tuple[Principal, Quota]:
    """Authenticate and count the request; see Service.admit. Uses a thread only if it may wait."""
    before: tuple[Principal, Quota] | None = request.scope.get("spotlab.admitted")
    if before is not None:
        return before
    if service.admits_without_waiting(request):
        return service.admit(request, writes)
    return await run_in_threadpool(service.admit, request, writes)


def in_threadpool(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """The endpoint as a coroutine: FastAPI would use a second thread to serialise the response."""
    if inspect.iscoroutinefunction(endpoint):
        return endpoint

    @functools.wraps(endpoint)
    async def call(**values: Any) -> Any:
        return await run_in_threadpool(endpoint, **values)

    return call


async def respond_to_read(
    request: Request, policy: CachePolicy | None, carry_out: Handler
) -> Response:
    """Run a read, cache its response if allowed, and respond 304 if the client has it already."""
    service, who = service_of(request), request.scope.get("spotlab.who")
    versions: tuple[int, ...] = ()
    if policy is not None:
        versions = service.versions(policy.topics)  # before the response is made
    response = await carry_out(request)
    if response.status_code != 200 or not isinstance(getattr(response, "body", None), bytes):
        return response
    if "etag" not in response.headers:
        response.headers["ETag"] = etags.etag(bytes(response.body))
    response.headers.setdefault("Cache-Control", "private, no-cache")
    if who is not None and policy is not None:
        until, route = time.monotonic() + policy.max_age_s, request.scope.get("route")
        headers = tuple(response.raw_headers)
        cached = CachedResponse(
            policy.topics, versions, until, bytes(response.body), headers, route
        )
        service.cache(who, request.scope, cached)
    return not_modified_or(request, response)


def query_parameter_names(route: APIRoute) -> set[str]:
    """The names of an operation's query parameters."""
    names: set[str] = set()
    pending = [route.dependant]
    while pending:
        each = pending.pop()
        names.update(parameter.alias for parameter in each.query_params)
        pending.extend(each.dependencies)
    return names


def reject_unknown_parameters(request: Request, known: frozenset[str]) -> None:
    """Raises InvalidInput: the request has a parameter that the operation does not have."""
    if not request.scope["query_string"]:
        return
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        available = ", ".join(sorted(known)) or "none"
        raise InvalidInput(
            f"This operation has no parameter {unknown[0]!r}.", remedy=f"Available: {available}."
        )


async def read_body(request: Request, media: Sequence[str]) -> None:
    """Read the body of a request into it.

    Raises:
        TooLarge, UnsupportedMedia: it is over the limit, or has a type that is not in `media`.
    """
    max_bytes = MAX_UPLOAD_BYTES if ZIP in media else MAX_BODY_BYTES
    too_large = TooLarge(
        f"The body is larger than {max_bytes:,} bytes.", remedy="Send a smaller body."
    )
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > max_bytes:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise too_large
    request._body = bytes(body)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and content_type not in media:
        raise UnsupportedMedia(
            f"The content type {content_type or '(none)'} is not supported.",
            remedy=f"Send Content-Type: {' or '.join(media)}.",
        )


def problem(request: Request, exc: Exception) -> Response:
    """The problem response for an exception."""
    if isinstance(exc, SpotlabError):
        return problems.of_error(request, exc)
    if isinstance(exc, RequestValidationError):
        return problems.of_validation(request, exc.errors())
    if isinstance(exc, HTTPException):
        return http_problem(request, exc)
    if isinstance(exc, ClientDisconnect):
        return problems.response(request, 400, "The body is incomplete.")
    return problems.unexpected(request, exc)


def http_problem(request: Request, exc: HTTPException) -> Response:
    """The problem response for a path, a method or a body that the framework rejects."""
    headers = dict(exc.headers or {})
    if exc.status_code == 404:
        return problems.response(
            request, 404, f"{request.url.path} does not exist.", "See /api/docs."
        )
    if exc.status_code == 405:
        allowed = {part.strip() for part in headers.pop("Allow", "").split(",")} - {""}
        available = sorted(allowed | allowed_methods(request.app, request.url.path))
        headers["Allow"] = ", ".join(available)
        remedy = f"Available: {', '.join(available)}."
        detail = f"{request.method} is not allowed here."
        return problems.response(request, 405, detail, remedy, headers=headers)
    return problems.response(request, exc.status_code, f"{exc.detail}.", headers=headers)


def allowed_methods(app: FastAPI, path: str) -> set[str]:
    """The methods of a path, over all its routes."""
    methods: set[str] = set()
    for prefix, route in app.state.operations:
        if path.startswith(prefix) and route.path_regex.match(path.removeprefix(prefix)):
            methods |= route.methods or set()
    return methods
