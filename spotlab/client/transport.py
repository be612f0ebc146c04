"""Requests, retries and errors."""

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
"""Change it, whatever it is."""
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
    """One page of a list, its items not yet read."""

    items: list[msgspec.Raw]
    next: str | None = None


class Transport:
    """Sends requests, and sends again those that may be.

    A read may always be; a write because of its key. What is told to wait waits.

    Args:
        http: with the server's address and the token.
        attempts: how often a request is sent at most.
        sleep: waits.
    """

    def __init__(
        self, http: httpx.Client, attempts: int, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.http = http
        self._attempts = attempts
        self._sleep = sleep

    def get(self, path: str, kind: type[T], **asked: Any) -> T:
        """Read one thing."""
        return msgspec.json.decode(self.send("GET", path, asked=asked).content, type=kind)

    def write(
        self,
        method: str,
        path: str,
        kind: type[T],
        body: Mapping[str, Any] | bytes | None = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        asked: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> T:
        """Change something, once, however often it has to be sent.

        Args:
            method, path, body: what is asked; bytes are a zip.
            kind: of the answer.
            key: idempotency key; None: a new one.
            headers, asked: more headers, and query parameters.
            timeout_s: longest wait for an answer; None: as for all.
        """
        sent = dict(headers or {}) | {"Idempotency-Key": key or str(uuid.uuid4())}
        answer = self.send(method, path, body=body, headers=sent, asked=asked, timeout_s=timeout_s)
        return msgspec.json.decode(answer.content, type=kind)

    def pages(self, path: str, kind: type[T], **asked: Any) -> Iterator[T]:
        """Everything in a list, a page after the other."""
        cursor = None
        while True:
            page = self.get(path, Page, **asked, cursor=cursor)
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
        asked: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        """Send a request until it is answered.

        Raises:
            SpotlabError: the server's problem, as the error that it was there.
            NotAvailable: the server cannot be reached.
        """
        sent = dict(headers or {})
        content = None
        if isinstance(body, bytes):
            content, sent["Content-Type"] = body, "application/zip"
        elif body is not None:
            content, sent["Content-Type"] = msgspec.json.encode(body), "application/json"
        for attempt in range(1, self._attempts + 1):
            last = attempt == self._attempts
            try:
                answer = self.http.request(
                    method,
                    f"{PREFIX}{path}",
                    params=params(asked or {}),
                    content=content,
                    headers=sent,
                    timeout=httpx.USE_CLIENT_DEFAULT if timeout_s is None else timeout_s,
                )
            except httpx.TransportError as exc:
                self.failed(attempt - 1, exc)
                continue
            if answer.is_success:
                return answer
            if answer.status_code not in RETRIED_STATUSES or last:
                raise error_of(answer)
            self._sleep(_wait_s(answer, attempt))
        raise AssertionError("the last attempt returns or raises")

    def failed(self, before: int, exc: httpx.TransportError) -> int:
        """Wait after a failure to reach the server.

        Args:
            before: how many there were before it, one after the other.
            exc: what happened.
        Returns:
            How many there were now.
        Raises:
            NotAvailable: as many as a request is sent.
        """
        if before + 1 >= self._attempts:
            raise errors.NotAvailable(
                f"SpotLab at {self.http.base_url} does not answer ({exc}).",
                remedy="Check its address, and that it runs.",
            ) from exc
        self._sleep(_backoff_s(before + 1))
        return before + 1


class Resource:
    """A part of the client.

    Args:
        asking: sends its requests.
    """

    def __init__(self, asking: Transport) -> None:
        self._transport = asking


def path_segment(text: str) -> str:
    """A name as it stands in an address."""
    return quote(text, safe="@")


def error_of(answer: httpx.Response) -> SpotlabError:
    """The error that a problem tells of."""
    status = answer.status_code
    try:
        problem = answer.json()
        message, remedy = str(problem["detail"]), str(problem.get("remedy", ""))
    except (ValueError, KeyError, TypeError):
        message, remedy = f"The server answered {status}.", "Check that the address is SpotLab's."
    if status == 429:
        return errors.TooManyRequests(message, remedy=remedy, retry_after_s=_wait_s(answer, 1))
    if status in _ERRORS:
        return _ERRORS[status](message, remedy=remedy)
    if 400 <= status < 500:
        return errors.InvalidInput(message, remedy=remedy)
    return SpotlabError(message, remedy=remedy)


def params(asked: Mapping[str, Any]) -> httpx.QueryParams:
    """Query parameters: none for None, several for a list, times as ISO 8601."""
    found: list[tuple[str, str]] = []
    for name, value in asked.items():
        values = value if isinstance(value, list | tuple) else [value]
        found += [(name, _to_text(each)) for each in values if each is not None]
    return httpx.QueryParams(tuple(found))


def _to_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _wait_s(answer: httpx.Response, attempt: int) -> float:
    given = answer.headers.get("retry-after", "")
    return min(float(given), MAX_WAIT_S) if given.isdecimal() else _backoff_s(attempt)


def _backoff_s(attempt: int) -> float:
    """Longer each time, and never in step with others."""
    return min(0.2 * 2.0**attempt, 10.0) * random.uniform(0.5, 1.0)  # noqa: S311
