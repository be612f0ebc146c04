"""Problem responses (RFC 9457), and the HTTP status of every error in `spotlab.errors`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from spotlab import errors
from spotlab.errors import InvalidInput, SpotlabError

log = logging.getLogger("spotlab.api")

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 5


class PreconditionRequired(InvalidInput):
    """A change without the required header If-Match."""


class TooLarge(InvalidInput):
    """A body that exceeds the limit."""


class UnsupportedMedia(InvalidInput):
    """A body whose content type the operation does not accept."""


STATUS: Final[dict[type[SpotlabError], int]] = {
    errors.ChangedMeanwhile: 412,
    TooLarge: 413,
    UnsupportedMedia: 415,
    PreconditionRequired: 428,
    errors.NotSignedIn: 401,
    errors.Forbidden: 403,
    errors.TooManyRequests: 429,
    errors.Refused: 403,
    errors.NotFound: 404,
    errors.NoSuchThing: 404,
    errors.Conflict: 409,
    errors.Cancelled: 409,
    errors.InvalidSetting: 503,
    errors.InvalidInput: 422,
    errors.Fenced: 503,
    errors.NotAvailable: 503,
    errors.Throttled: 503,
    errors.QuotaRefused: 503,
    errors.AwsError: 502,
}
"""The first class that matches an error applies; any other error is a 500."""

REDACTED_MESSAGES: Final[dict[type[SpotlabError], str]] = {
    errors.InvalidSetting: "The server is not configured for this.",
    errors.DatabaseDown: "The database does not respond.",
    errors.OnlineStoreDown: "The online store does not respond.",
}
"""Errors whose messages contain addresses and paths, which only the log may show."""

SLUGS: Final = {
    400: "bad-request",
    401: "not-signed-in",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    409: "conflict",
    412: "precondition-failed",
    413: "too-large",
    415: "unsupported-media-type",
    422: "invalid-input",
    428: "precondition-required",
    429: "too-many-requests",
    500: "unexpected",
    502: "aws-refused",
    503: "not-available",
}


class FieldError(BaseModel):
    """One problem of a request."""

    where: str = Field(description="Part of the request.", examples=["query.limit"])
    message: str = Field(
        description="What is wrong with that part.",
        examples=["Input should be less than or equal to 500"],
    )


class Problem(BaseModel):
    """Description of an error (RFC 9457)."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(
        description="Kind of problem, as a URL with an explanation.",
        examples=["/api/docs#not-found"],
    )
    title: str = Field(description="Kind of problem in words.", examples=["Not Found"])
    status: int = Field(description="HTTP status.", ge=400, le=599, examples=[404])
    detail: str = Field(
        description="Description of this problem, for people.",
        examples=["Instance 'i-0abc' is not in the fleet."],
    )
    remedy: str = Field(
        description="What to do; empty if unknown.",
        examples=["Check its id, or collect its account first."],
    )
    instance: str = Field(description="Requested path.", examples=["/api/v1/instances/i-0abc"])
    request_id: str = Field(
        description="Id of the request in the logs; also the header X-Request-ID.",
        examples=["5b0c2f8e4a91"],
    )
    errors: list[FieldError] = Field(
        description="Problems of the request; empty for other errors.",
        examples=[[]],
    )


def status_of(exc: SpotlabError) -> int:
    """The HTTP status of an error."""
    return next((status for kind, status in STATUS.items() if isinstance(exc, kind)), 500)


def of_error(request: Request, exc: SpotlabError) -> Response:
    """The response for an error that SpotLab raised on purpose."""
    status = status_of(exc)
    message = next((text for kind, text in REDACTED_MESSAGES.items() if isinstance(exc, kind)), "")
    if isinstance(exc, errors.DatabaseDown):
        message = f"The database {exc.what}."
    if status >= 500:
        log.error("%s %s: %s", request.method, request.url.path, exc)
    headers = {}
    if isinstance(exc, errors.NotSignedIn):
        headers["WWW-Authenticate"] = 'Bearer realm="SpotLab"'
    if isinstance(exc, errors.TooManyRequests | errors.ModelFailed):
        headers["Retry-After"] = str(max(1, round(exc.retry_after_s)))
    elif status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    remedy = "Ask the operator of the server; its log has details." if message else exc.remedy
    return response(request, status, message or exc.message, remedy, headers=headers)


def unexpected(request: Request, exc: BaseException) -> Response:
    """The response for an unexpected exception; details are only in the log."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=exc)
    return response(
        request,
        500,
        "An unexpected error occurred.",
        "Report the request_id; the log has details.",
    )


def of_validation(request: Request, problems: Sequence[Any]) -> Response:
    """The response for a request that violates the OpenAPI document, with each problem."""
    field_errors = [
        {"where": ".".join(str(part) for part in each["loc"]), "message": str(each["msg"])}
        for each in problems
    ]
    detail = "; ".join(f"{each['where']}: {each['message']}" for each in field_errors[:3])
    return response(
        request,
        422,
        f"{detail}.",
        "See /api/docs for the parameters of this operation.",
        field_errors=field_errors,
    )


def response(
    request: Request,
    status: int,
    detail: str,
    remedy: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    field_errors: Sequence[Mapping[str, str]] = (),
) -> Response:
    """A problem response.

    Args:
        request: the failed request.
        status: HTTP status.
        detail: what went wrong.
        remedy: what to do; "" if unknown.
        headers: additional response headers.
        field_errors: problems of the request.
    """
    slug = SLUGS.get(status, "unexpected")
    body = {
        "type": f"/api/docs#{slug}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "remedy": remedy,
        "instance": request.url.path,
        "request_id": request.scope.get("spotlab.request_id", ""),
        "errors": list(field_errors),
    }
    return Response(msgspec.json.encode(body), status, dict(headers or {}), MEDIA_TYPE)
