"""Sending requests: retries, paging and errors."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from spotlab import errors
from spotlab.errors import SpotlabError

T = TypeVar("T")

RETRIED_STATUSES: Final = frozenset({429, 503})
MAX_WAIT_S: Final = 60.0
PREFIX: Final = "/api/v1"
ANY_STATE: Final = {"If-Match": "*"}
"""Header of a change that is based on any state."""
_ERRORS: Final[dict[int, type[SpotlabError]]] = {
    401: errors.NotSignedIn,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    412: errors.ChangedMeanwhile,
    502: errors.AwsError,
    503: errors.NotAvailable,
}


class Page(msgspec.Struct):
    """One page of a list, with its items still encoded."""

    items: list[msgspec.Raw]
    next: str | None = None


class Transport:
    """Sends requests and repeats them if needed.

    Reads can always be repeated, and writes because of their idempotency key.

    Args:
        http: HTTP client with the URL of the server and the token.
        attempts: maximum number of times that a request is sent.
        sleep: waits between attempts, in seconds.
    """

    def __init__(
        self, http: httpx.Client, attempts: int, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.http = http
        self._attempts = attempts
        self._sleep = sleep

    def get(self, path: str, kind: type[T], **query: Any) -> T:
        """Read one resource."""
        return msgspec.json.decode(self.send("GET", path, query=query).content, type=kind)

    def write(
        self,
        method: str,
        path: str,
        kind: type[T],
        body: Mapping[str, Any] | bytes | None = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> T:
        """Send a write, which is executed once even if it is sent several times.

        Args:
            method, path, body: of the request; bytes are sent as a LightGBM text model if they
                begin like one, otherwise as a zip file.
            kind: type of the response.
            key: idempotency key; None for a new one.
            headers, query: additional headers, and query parameters.
            timeout_s: longest wait for a response; None for the client's default.
        """
        sent_headers = dict(headers or {}) | {"Idempotency-Key": key or str(uuid.uuid4())}
        response = self.send(
            method, path, body=body, headers=sent_headers, query=query, timeout_s=timeout_s
        )
        return msgspec.json.decode(response.content, type=kind)

    def pages(self, path: str, kind: type[T], **query: Any) -> Iterator[T]:
        """All items of a list, page by page."""
        cursor = None
        while True:
            page = self.get(path, Page, **query, cursor=cursor)
            for item in page.items:
                yield msgspec.json.decode(item, type=kind)
            if page.next is None:
                return
            cursor = page.next

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        """Send a request, repeatedly if needed.

        Raises:
            SpotlabError: the error that the server reports.
            NotAvailable: the server cannot be reached.
        """
        sent_headers = dict(headers or {})
        content = None
        if isinstance(body, bytes):
            is_text = body.startswith(b"tree")
            content = body
            sent_headers["Content-Type"] = "text/plain" if is_text else "application/zip"
        elif body is not None:
            content, sent_headers["Content-Type"] = msgspec.json.encode(body), "application/json"
        for attempt in range(1, self._attempts + 1):
            last = attempt == self._attempts
            try:
                response = self.http.request(
                    method,
                    f"{PREFIX}{path}",
                    params=params(query or {}),
                    content=content,
                    headers=sent_headers,
                    timeout=httpx.USE_CLIENT_DEFAULT if timeout_s is None else timeout_s,
                )
            except httpx.TransportError as exc:
                self.failed(attempt - 1, exc)
                continue
            if response.is_success:
                return response
            if response.status_code not in RETRIED_STATUSES or last:
                raise error_of(response)
            self._sleep(_wait_s(response, attempt))
        raise AssertionError("the last attempt returns or raises")

    def failed(self, previous: int, exc: httpx.TransportError) -> int:
        """Wait after a failure to reach the server.

        Args:
            previous: number of consecutive failures before this one.
            exc: the failure.
        Returns:
            Number of consecutive failures, including this one.
        Raises:
            NotAvailable: the maximum number of attempts is reached.
        """
        if previous + 1 >= self._attempts:
            raise errors.NotAvailable(
                f"SpotLab at {self.http.base_url} does not respond ({exc}).",
                remedy="Check the URL, and that the server is running.",
            ) from exc
        self._sleep(_backoff_s(previous + 1))
        return previous + 1


class Resource:
    """A resource of the API.

    Args:
        transport: sends its requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport


def path_segment(text: str) -> str:
    """A name, quoted for a URL path."""
    return quote(text, safe="@")


def error_of(response: httpx.Response) -> SpotlabError:
    """The error for a problem response."""
    status = response.status_code
    try:
        problem = response.json()
        message, remedy = str(problem["detail"]), str(problem.get("remedy", ""))
    except (ValueError, KeyError, TypeError):
        message, remedy = (
            f"The server responded with status {status}.",
            "Check that the URL is a SpotLab server.",
        )
    if status == 429:
        return errors.TooManyRequests(message, remedy=remedy, retry_after_s=_wait_s(response, 1))
    if status in _ERRORS:
        return _ERRORS[status](message, remedy=remedy)
    if 400 <= status < 500:
        return errors.InvalidInput(message, remedy=remedy)
    return SpotlabError(message, remedy=remedy)


def params(query: Mapping[str, Any]) -> httpx.QueryParams:
    """Query parameters: none for None, several for a list; times in ISO 8601."""
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        values = value if isinstance(value, list | tuple) else [value]
        pairs += [(name, _to_text(each)) for each in values if each is not None]
    return httpx.QueryParams(tuple(pairs))


def _to_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _wait_s(response: httpx.Response, attempt: int) -> float:
    retry_after = response.headers.get("retry-after", "")
    return min(float(retry_after), MAX_WAIT_S) if retry_after.isdecimal() else _backoff_s(attempt)


def _backoff_s(attempt: int) -> float:
    """Exponential backoff with jitter."""
    return min(0.2 * 2.0**attempt, 10.0) * random.uniform(0.5, 1.0)  # noqa: S311
