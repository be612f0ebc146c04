"""Requests, pages and XML of DescribeSpotPriceHistory, whatever its prices are.

Source: EC2 API reference, DescribeSpotPriceHistory.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final
from uuid import uuid4
from xml.sax.saxutils import escape

from moto.ec2.exceptions import EC2ClientError

_MAX_ROWS: Final = 1000
_VPC: Final = " (Amazon VPC)"
_FILTERS: Final = frozenset({"availability-zone", "instance-type", "product-description"})

Row = tuple[str, str, str, float, int]
"""Zone, instance type, product, USD per hour, seconds since 1970."""


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """The parameters of one call.

    Args:
        region: of the endpoint.
        types, zones, products: required names; each is a list of alternatives, empty: all.
        start_s, end_s: the window, seconds since 1970.
        offset: of the page's first row.
        size: of the page, rows.
    """

    region: str
    types: tuple[tuple[str, ...], ...]
    zones: tuple[tuple[str, ...], ...]
    products: tuple[tuple[str, ...], ...]
    start_s: int
    end_s: int
    offset: int
    size: int

    def token(self, rows: int) -> str:
        """The NextToken if there are `rows` in all; "" on the last page."""
        last = self.offset + self.size
        if last >= rows:
            return ""
        return base64.urlsafe_b64encode(f"{self.start_s}.{self.end_s}.{last}".encode()).decode()


def read_request(response: Any, now: datetime, oldest: datetime) -> HistoryRequest:
    """The parameters of a call to moto's EC2.

    Args:
        response: moto's, with the parameters.
        now, oldest: aware UTC; the window is limited to them.
    Raises:
        EC2ClientError: as EC2 refuses it.
    """
    filters = response._filters_from_querystring()
    for name in filters:
        if name not in _FILTERS:
            raise EC2ClientError("InvalidParameterValue", f"The filter '{name}' is invalid.")
    zone = response._get_param("AvailabilityZone")
    named = _without_vpc(response._get_param("ProductDescriptions", []))
    start_s, end_s, offset = _window(response, now, oldest)
    return HistoryRequest(
        region=response.region,
        types=(
            tuple(response._get_param("InstanceTypes", [])),
            tuple(filters.get("instance-type", [])),
        ),
        zones=((zone,) if zone else (), tuple(filters.get("availability-zone", []))),
        products=(named, _without_vpc(filters.get("product-description", []))),
        start_s=start_s,
        end_s=end_s,
        offset=offset,
        size=min(int(response._get_param("MaxResults") or _MAX_ROWS), _MAX_ROWS),
    )


def matches(value: str, alternatives: Collection[Collection[str]]) -> bool:
    """Whether a name is among the alternatives of each list; an empty list allows all."""
    return all(
        not patterns or any(fnmatchcase(value, pattern) for pattern in patterns)
        for patterns in alternatives
    )


def _without_vpc(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(each.removesuffix(_VPC) for each in names)


def _window(response: Any, now: datetime, oldest: datetime) -> tuple[int, int, int]:
    """Start, end and offset. A token holds all three, so that pages do not shift over time."""
    token = response._get_param("NextToken")
    if token:
        try:
            start_s, end_s, offset = base64.urlsafe_b64decode(token.encode()).decode().split(".")
            return int(start_s), int(end_s), int(offset)
        except (binascii.Error, ValueError) as exc:
            raise EC2ClientError("InvalidNextToken", "The NextToken is not valid.") from exc
    start = response._get_param("StartTime")
    end = response._get_param("EndTime")
    end = min(now, end.replace(tzinfo=UTC)) if end else now
    start = min(end, max(oldest, start.replace(tzinfo=UTC))) if start else oldest
    return int(start.timestamp()), int(end.timestamp()), 0


def as_xml(rows: Iterable[Row], token: str) -> str:
    """The response, without moto's serialiser, which takes seconds for 90 days of a region."""
    items = "".join(
        f"<item><availabilityZone>{zone}</availabilityZone>"
        f"<instanceType>{instance_type}</instanceType>"
        f"<productDescription>{product}</productDescription>"
        f"<spotPrice>{price:.6f}</spotPrice>"
        f"<timestamp>{datetime.fromtimestamp(epoch_s, UTC):%Y-%m-%dT%H:%M:%S.000Z}</timestamp>"
        "</item>"
        for zone, instance_type, product, price, epoch_s in rows
    )
    return (
        '<DescribeSpotPriceHistoryResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        f"<requestId>{uuid4()}</requestId><spotPriceHistorySet>{items}</spotPriceHistorySet>"
        f"<nextToken>{escape(token)}</nextToken></DescribeSpotPriceHistoryResponse>"
    )
