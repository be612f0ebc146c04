"""One shape for everything that goes wrong: problem+json (RFC 9457).

Every error of `spotlab.errors` has its status here, and nowhere else.
"""

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
    """A change that has to say, in If-Match, what it was made from."""


class TooLarge(InvalidInput):
    """A body over the limit."""


class UnsupportedMedia(InvalidInput):
    """A body of another type than this operation reads."""


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
"""The first class that an error is an instance of counts; anything else is a 500."""

REDACTED_MESSAGES: Final[dict[type[SpotlabError], str]] = {
    errors.InvalidSetting: "The server is not set up for this.",
    errors.DatabaseDown: "The database does not answer.",
    errors.OnlineStoreDown: "The online store does not answer.",
}
"""Errors whose own words name addresses and files: those are in the log."""

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
    """One thing that is wrong with what was asked."""

    where: str = Field(description="Which part of the request.", examples=["query.limit"])
    message: str = Field(
        description="What is wrong with it.", examples=["Input should be less than or equal to 500"]
    )


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(
        description="Which kind of problem; a page that says more.",
        examples=["/api/docs#not-found"],
    )
    title: str = Field(description="The kind in words.", examples=["Not Found"])
    status: int = Field(description="The HTTP status.", ge=400, le=599, examples=[404])
    detail: str = Field(
        description="What was wrong here, for a person.",
        examples=["Instance 'i-0abc' is not in the fleet."],
    )
    remedy: str = Field(
        description="What would be right, or what to do; empty where nothing is known.",
        examples=["Check its id, or collect its account first."],
    )
    instance: str = Field(description="What was asked for.", examples=["/api/v1/instances/i-0abc"])
    request_id: str = Field(
        description="Its reference in the logs; also the header X-Request-ID.",
        examples=["5b0c2f8e4a91"],
    )
    errors: list[FieldError] = Field(
        description="Each thing that is wrong with the request; empty for other problems.",
        examples=[[]],
    )


def status_of(exc: SpotlabError) -> int:
    """The HTTP status of an error."""
    return next((status for kind, status in STATUS.items() if isinstance(exc, kind)), 500)


def of_error(request: Request, exc: SpotlabError) -> Response:
    """The answer to an error that SpotLab raised on purpose."""
    status = status_of(exc)
    hidden = next((words for kind, words in REDACTED_MESSAGES.items() if isinstance(exc, kind)), "")
    if isinstance(exc, errors.DatabaseDown):
        hidden = f"The database {exc.what}."
    if status >= 500:
        log.error("%s %s: %s", request.method, request.url.path, exc)
    headers = {}
    if isinstance(exc, errors.NotSignedIn):
        headers["WWW-Authenticate"] = 'Bearer realm="SpotLab"'
    if isinstance(exc, errors.TooManyRequests | errors.ModelFailed):
        headers["Retry-After"] = str(max(1, round(exc.retry_after_s)))
    elif status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    remedy = "Ask whoever runs the server; the reference is in its log." if hidden else exc.remedy
    return response(request, status, hidden or exc.message, remedy, headers=headers)


def unexpected(request: Request, exc: BaseException) -> Response:
    """The answer to what nobody foresaw: nothing of it is told, everything is in the log."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=exc)
    return response(
        request,
        500,
        "Something went wrong that SpotLab did not foresee.",
        "Report the request_id; it is in the log.",
    )


def of_validation(request: Request, found: Sequence[Any]) -> Response:
    """The answer to a request that is not as the document says, each thing wrong named."""
    wrong = [
        {"where": ".".join(str(part) for part in each["loc"]), "message": str(each["msg"])}
        for each in found
    ]
    detail = "; ".join(f"{each['where']}: {each['message']}" for each in wrong[:3])
    return response(
        request,
        422,
        f"{detail}.",
        "See /api/docs for what this operation takes.",
        wrong=wrong,
    )


def response(
    request: Request,
    status: int,
    detail: str,
    remedy: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    wrong: Sequence[Mapping[str, str]] = (),
) -> Response:
    """A problem as a response."""
    slug = SLUGS.get(status, "unexpected")
    body = {
        "type": f"/api/docs#{slug}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "remedy": remedy,
        "instance": request.url.path,
        "request_id": request.scope.get("spotlab.request_id", ""),
        "errors": list(wrong),
    }
    return Response(msgspec.json.encode(body), status, dict(headers or {}), MEDIA_TYPE)
