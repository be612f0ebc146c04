"""Base class of market feeds that are fetched over HTTP.

A feed is fetched with a conditional request (RFC 9110, section 13) and streamed within a size and a
time limit. Temporary errors are retried; an unusable feed is rejected as a whole.
"""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypedDict, Unpack

import httpx

from spotlab.aws.feed_checks import reject
from spotlab.aws.feeds.feed_decoding import MAX_BYTES
from spotlab.domain.market import FeedKind, MarketName, Provenance, Snapshot
from spotlab.domain.ports import Clock
from spotlab.errors import NotAvailable

_MAX_REDIRECTS: Final = 5
_BACKOFF_S: Final = 0.5
_TOO_MANY_REQUESTS: Final = 429


class Limits(TypedDict, total=False):
    """Limits of a fetch.

    Args:
        max_bytes: size of the feed, compressed and uncompressed.
        total_s: time for all attempts, seconds; the client's own timeouts limit each wait.
        attempts: number of attempts if the feed does not answer.
        previous_rows: rows of the last good snapshot; a feed with less than half is rejected.
        sleep: waits between attempts, seconds.
        elapsed_s: a monotonic clock, seconds.
    """

    max_bytes: int
    total_s: float
    attempts: int
    previous_rows: int
    sleep: Callable[[float], None]
    elapsed_s: Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Response:
    content: bytes
    validator: str
    modified_at: datetime | None


class _RetryableError(Exception):
    """The request failed, but may succeed later."""


class HttpFeed(ABC):
    """A market feed at a URL.

    Args:
        http: client, whose timeouts limit each wait.
        url: http or https.
        market: the market the feed belongs to.
        clock: for fetched_at.
        limits: see `Limits`.
    """

    def __init__(
        self,
        http: httpx.Client,
        url: str,
        market: MarketName,
        clock: Clock,
        **limits: Unpack[Limits],
    ) -> None:
        self._http = http
        self._url = url
        self._market = market
        self._clock = clock
        self._max_bytes = limits.get("max_bytes", MAX_BYTES)
        self._total_s = limits.get("total_s", 60.0)
        self._attempts = limits.get("attempts", 3)
        self._previous_rows = limits.get("previous_rows", 0)
        self._sleep = limits.get("sleep", time.sleep)
        self._elapsed_s = limits.get("elapsed_s", time.monotonic)

    @property
    @abstractmethod
    def name(self) -> str:
        """Display name."""

    @property
    @abstractmethod
    def covers(self) -> tuple[tuple[FeedKind, str], ...]:
        """The (kind, scope) of each snapshot; the first one's validator is used for the request."""

    @abstractmethod
    def _parse(self, content: bytes, origin: Provenance) -> tuple[Snapshot, ...]: ...

    def fetch(self, validators: Mapping[FeedKind, str]) -> Sequence[Snapshot]:
        """As `FeedSource.fetch`. The event time is Last-Modified, or else the time of the fetch."""
        response = self._request(validators.get(self.covers[0][0], ""))
        if response is None:
            return ()
        now = self._clock.now()
        event_time = min(response.modified_at or now, now)
        snapshots = self._parse(response.content, Provenance(self.name, event_time, now))
        self._previous_rows = len(snapshots[0].rows)
        return [replace(snapshot, validator=response.validator) for snapshot in snapshots]

    def _request(self, validator: str) -> _Response | None:
        """The feed; None: it has not changed."""
        deadline_s = self._elapsed_s() + self._total_s
        for attempt in range(1, self._attempts + 1):
            try:
                return self._request_once(validator, deadline_s)
            except _RetryableError as exc:
                wait_s = _BACKOFF_S * 2 ** (attempt - 1) * (0.5 + _jitter())
                if attempt == self._attempts or self._elapsed_s() + wait_s > deadline_s:
                    raise self._unavailable(
                        f"{exc} (attempt {attempt} of {self._attempts})"
                    ) from exc.__cause__
                self._sleep(wait_s)
        raise self._unavailable("no attempt was allowed")

    def _request_once(self, validator: str, deadline_s: float) -> _Response | None:
        try:
            request = self._http.build_request("GET", self._url, headers=_headers(validator))
            for _ in range(_MAX_REDIRECTS + 1):
                response = self._http.send(request, stream=True, follow_redirects=False)
                try:
                    if response.next_request is None:
                        return self._read(response, deadline_s)
                    request = self._checked_redirect(request, response.next_request)
                finally:
                    response.close()
        except httpx.TimeoutException as exc:
            raise _RetryableError("it timed out") from exc
        except httpx.UnsupportedProtocol as exc:
            raise self._unavailable("its URL must begin with http:// or https://") from exc
        except httpx.TransportError as exc:
            raise _RetryableError(f"it cannot be read: {exc}") from exc
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            # The error's text may contain the URL with the password.
            raise self._unavailable("its URL is invalid") from exc
        raise self._unavailable(f"it redirects more than {_MAX_REDIRECTS} times")

    def _checked_redirect(self, request: httpx.Request, target: httpx.Request) -> httpx.Request:
        if target.url.scheme not in (request.url.scheme, "https"):
            raise self._unavailable(
                f"it redirects from {request.url.scheme} to {target.url.scheme}"
            )
        return target

    def _read(self, response: httpx.Response, deadline_s: float) -> _Response | None:
        status = response.status_code
        if status == httpx.codes.NOT_MODIFIED:
            return None
        if status == _TOO_MANY_REQUESTS or status >= 500:
            raise _RetryableError(f"it responds with status {status}")
        if status != httpx.codes.OK:
            raise self._unavailable(f"it responds with status {status}")
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        if encoding not in ("gzip", "identity"):
            reject(self.name, f"its encoding is {encoding!r}", "gzip or no compression")
        modified = response.headers.get("Last-Modified", "")
        validator = response.headers.get("ETag") or modified
        return _Response(
            content=self._body(response, deadline_s),
            validator=validator if validator.isascii() else "",
            modified_at=_date(modified),
        )

    def _body(self, response: httpx.Response, deadline_s: float) -> bytes:
        # Raw bytes, because httpx would decompress a chunk to any size.
        body = bytearray()
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > self._max_bytes:
                limit = f"{self._max_bytes / 1e6:g} MB"
                reject(self.name, f"it is over {limit}", "a feed within the size limit")
            if self._elapsed_s() > deadline_s:
                raise self._unavailable(f"it took longer than {self._total_s:g} s")
        return bytes(body)

    def _unavailable(self, reason: str) -> NotAvailable:
        return NotAvailable(
            f"{self.name} is not available at {_without_secrets(self._url)}: {reason}.",
            remedy="Check the network and the URL; the last good one stays in use.",
        )


def _headers(validator: str) -> dict[str, str]:
    headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
    if validator.startswith(('"', "W/")):
        headers["If-None-Match"] = validator
    elif validator:
        headers["If-Modified-Since"] = validator
    return headers


def _date(header: str) -> datetime | None:
    try:
        return parsedate_to_datetime(header).astimezone(UTC) if header else None
    except (ValueError, OverflowError):
        return None


def _without_secrets(url: str) -> str:
    """The URL without its user, password and query, which may be secret."""
    try:
        return str(httpx.URL(url).copy_with(userinfo=b"", query=None))
    except httpx.InvalidURL:
        return "an invalid URL"


def _jitter() -> float:
    return random.random()  # noqa: S311 - spreads retries, not for security
