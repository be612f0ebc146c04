"""DescribeSpotPriceHistory over recorded rows, as AWS returns them: newest first, in pages."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import tarfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import numpy as np
from botocore.awsrequest import AWSResponse

from tests.support.boto import EC2, ec2_error


class Row(NamedTuple):
    """A record: zone, type, price as AWS writes it, seconds since 1970."""

    zone: str
    instance_type: str
    price: str
    epoch_s: int


def recorded_rows(path: Path) -> list[Row]:
    """The records of a tar archive of responses; malformed files are skipped."""
    rows = []
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".json") else None
            if file is None:
                continue
            try:
                document = json.load(io.TextIOWrapper(file, "utf-8"))
            except json.JSONDecodeError:
                continue
            rows += [
                Row(
                    each["AvailabilityZone"],
                    each["InstanceType"],
                    each["SpotPrice"],
                    int(datetime.fromisoformat(each["Timestamp"]).timestamp()),
                )
                for each in document["SpotPriceHistory"]
                if each["ProductDescription"].startswith("Linux/UNIX")
            ]
    return rows


class PriceHistoryServer:
    """Responds to a boto3 client's requests; registers itself with the client.

    Like AWS, it adds the price of each pool at StartTime after the rows of the window.

    Args:
        ec2: client.
        rows: in any order; may be changed between requests with `publish`.
        before: called with the number of the request before it is answered; may return another
            answer, or raise.
        tokens_expire_after: a token is refused this many requests after it was issued.
    """

    def __init__(
        self,
        ec2: Any,
        rows: Iterable[Row],
        *,
        before: Callable[[int], tuple[int, str] | None] | None = None,
        tokens_expire_after: int | None = None,
        page_rows: int = 1000,
    ) -> None:
        self.rows: list[Row] = []
        self.requests: list[dict[str, str]] = []
        self.pages = 0
        self.rows_served = 0
        self._before = before
        self._expire_after = tokens_expire_after
        self._page_rows = page_rows
        self.publish(rows)
        ec2.meta.events.register("before-send.ec2.DescribeSpotPriceHistory", self)

    def publish(self, rows: Iterable[Row]) -> None:
        """Add rows."""
        self.rows = sorted([*self.rows, *rows], key=lambda row: -row.epoch_s)
        self._times = -np.array([row.epoch_s for row in self.rows])
        self._windows: dict[tuple[int, int], list[Row]] = {}

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        body = request.body.decode() if isinstance(request.body, bytes) else request.body
        asked = {name: values[0] for name, values in parse_qs(body).items()}
        self.requests.append(asked)
        special = self._before(len(self.requests)) if self._before else None
        status, content = special or self._answer(asked)
        return AWSResponse(request.url, status, {}, _Raw(content.encode()))

    def _answer(self, asked: dict[str, str]) -> tuple[int, str]:
        first = 0
        if "NextToken" in asked:
            token = base64.urlsafe_b64decode(asked["NextToken"]).decode()
            first, issued = (int(each) for each in token.split("."))
            if self._expire_after is not None and len(self.requests) - issued > self._expire_after:
                return ec2_error("InvalidNextToken", "The token has expired.")  # type: ignore[return-value]
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


def kill_this_process_at(number: int) -> Callable[[int], None]:
    """A `before` that ends the process with SIGKILL at a request."""

    def before(request: int) -> None:
        if request == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return before


class _Raw:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def stream(self, **_: Any) -> list[bytes]:
        return [self.content]
