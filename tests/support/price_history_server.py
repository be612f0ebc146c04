"""DescribeSpotPriceHistory over given rows, as AWS returns them: newest first, in pages.

Tests can make it fail; `spotlab/demo/recorded_history.py` serves recorded histories.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import numpy as np
from botocore.awsrequest import AWSResponse

from tests.support.boto import EC2, ec2_error

Answer = tuple[int, str]


class Row(NamedTuple):
    """A record: zone, type, price as AWS writes it, seconds since 1970."""

    zone: str
    instance_type: str
    price: str
    epoch_s: int


class PriceHistoryServer:
    """Responds to DescribeSpotPriceHistory, for a client or over HTTP.

    Like AWS, it adds the price of each pool at StartTime after the rows of the window.

    Args:
        rows: in any order; more are added by `publish`.
        before: called with the number of each request before it is answered; may return another
            answer.
        tokens_expire_after: a token is refused this many requests after it was issued.
        page_rows: largest number of rows in a page.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        *,
        before: Callable[[int], Answer | None] | None = None,
        tokens_expire_after: int | None = None,
        page_rows: int = 1000,
    ) -> None:
        self.rows: list[Row] = []
        self.requests: list[dict[str, str]] = []
        self.pages = 0
        self.rows_served = 0
        self.before = before
        self._expire_after = tokens_expire_after
        self._page_rows = page_rows
        self.publish(rows)

    def publish(self, rows: Iterable[Row]) -> None:
        """Add rows."""
        self.rows = sorted([*self.rows, *rows], key=lambda row: -row.epoch_s)
        self._times = -np.array([row.epoch_s for row in self.rows])
        self._windows: dict[tuple[int, int], list[Row]] = {}

    def attach(self, ec2: Any) -> None:
        """Answer the requests of a boto3 client."""
        ec2.meta.events.register("before-send.ec2.DescribeSpotPriceHistory", self._respond)

    def _respond(self, request: Any, **_: Any) -> AWSResponse:
        body = request.body.decode() if isinstance(request.body, bytes) else request.body
        status, content = self.answer(body)
        return AWSResponse(request.url, status, {}, _Raw(content.encode()))

    @contextmanager
    def served(self) -> Iterator[str]:
        """Answer requests over HTTP; gives the URL of the endpoint."""
        answer = self.answer

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                status, content = answer(body)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(content.encode())

            def log_message(self, *_: Any) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_address[1]}"
            finally:
                server.shutdown()
                thread.join()

    def answer(self, body: str) -> tuple[int, str]:
        """Status and content for the body of a request."""
        asked = {name: values[0] for name, values in parse_qs(body).items()}
        self.requests.append(asked)
        special = self.before(len(self.requests)) if self.before else None
        return special or self._answer(asked)

    def _answer(self, asked: dict[str, str]) -> tuple[int, str]:
        first = 0
        if "NextToken" in asked:
            token = base64.urlsafe_b64decode(asked["NextToken"]).decode()
            first, issued = (int(each) for each in token.split("."))
            if self._expire_after is not None and len(self.requests) - issued > self._expire_after:
                return _error("InvalidNextToken")
        rows = self._window(_seconds(asked["StartTime"]), _seconds(asked["EndTime"]))
        last = first + min(int(asked["MaxResults"]), self._page_rows)
        token = f"{last}.{len(self.requests)}" if last < len(rows) else ""
        self.pages += 1
        self.rows_served += len(rows[first:last])
        return 200, as_xml(rows[first:last], base64.urlsafe_b64encode(token.encode()).decode())

    def _window(self, since: int, until: int) -> list[Row]:
        if (since, until) not in self._windows:
            first = int(np.searchsorted(self._times, -until, "left"))
            last = int(np.searchsorted(self._times, -since, "right"))
            at_start: dict[tuple[str, str], Row] = {}
            for row in self.rows[last:]:
                at_start.setdefault((row.zone, row.instance_type), row)
            self._windows = {(since, until): [*self.rows[first:last], *at_start.values()]}
        return self._windows[since, until]


def _error(code: str) -> Answer:
    status, content = ec2_error(code)  # type: ignore[misc]
    return status, str(content)


throttled = partial(_error, "RequestLimitExceeded")
"""The answer of an AWS that throttles."""


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp())


def as_xml(rows: Sequence[Row], token: str = "") -> str:
    """A response."""
    items = "".join(
        f"<item><availabilityZone>{escape(row.zone)}</availabilityZone>"
        f"<instanceType>{escape(row.instance_type)}</instanceType>"
        "<productDescription>Linux/UNIX</productDescription>"
        f"<spotPrice>{row.price}</spotPrice>"
        f"<timestamp>{datetime.fromtimestamp(row.epoch_s, UTC):%Y-%m-%dT%H:%M:%S.000Z}</timestamp>"
        "</item>"
        for row in rows
    )
    return (
        f"<DescribeSpotPriceHistoryResponse {EC2}><spotPriceHistorySet>{items}"
        f"</spotPriceHistorySet><nextToken>{token}</nextToken></DescribeSpotPriceHistoryResponse>"
    )


class _Raw:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def stream(self, **_: Any) -> list[bytes]:
        return [self.content]
