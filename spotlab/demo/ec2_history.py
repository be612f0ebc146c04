"""DescribeSpotPriceHistory from the simulated market.

moto returns 0.00001 USD in 2006 for everything, and ignores paging and times.
Source: EC2 API reference, DescribeSpotPriceHistory.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final
from uuid import uuid4
from xml.sax.saxutils import escape

import numpy as np
from moto.ec2.exceptions import EC2ClientError

from spotlab.demo.catalogue import POOLS
from spotlab.demo.market import Market
from spotlab.demo.noise import FloatArray, IntArray
from spotlab.demo.world import World

HISTORY_DAYS: Final = 90
PRODUCTS: Final = ("Linux/UNIX", "Windows")
_MAX_ROWS: Final = 1000
_VPC: Final = " (Amazon VPC)"
_LICENCE: Final = np.array([pool.spec.licence(windows=True) for pool in POOLS])


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Requested change points: indexes into POOLS, products, seconds since 1970."""

    pools: tuple[int, ...]
    products: tuple[str, ...]
    start_s: int
    end_s: int


@dataclass(frozen=True, slots=True)
class HistoryRows:
    """Change points, newest first: product index, pool index, seconds, USD per hour."""

    product: IntArray
    pool: IntArray
    epoch_s: IntArray
    usd_per_hour: FloatArray


def history_rows(market: Market, query: HistoryQuery) -> HistoryRows:
    """The change points in a window and, as in AWS, the last one before it of each pool."""
    start, end = (datetime.fromtimestamp(each, UTC) for each in (query.start_s, query.end_s))
    at_start, inside = market.prices_at(start), market.history(start, end)
    before = at_start.epoch_s < query.start_s
    pool = np.concatenate([at_start.pool[before], inside.pool])
    epoch_s = np.concatenate([at_start.epoch_s[before], inside.epoch_s])
    price = np.concatenate([at_start.usd_per_hour[before], inside.usd_per_hour])
    requested = np.isin(pool, query.pools)
    parts = [
        _product_rows(PRODUCTS.index(name), pool[requested], epoch_s[requested], price[requested])
        for name in query.products
    ]
    parts = parts or [(np.empty(0, int), np.empty(0, int), np.empty(0, int), np.empty(0))]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.lexsort((columns[0], columns[1], -columns[2]))
    return HistoryRows(*(column[order] for column in columns))


def _product_rows(product: int, pool: IntArray, epoch_s: IntArray, price: FloatArray) -> Any:
    if PRODUCTS[product] == "Linux/UNIX":
        return np.full(len(pool), product), pool, epoch_s, price
    has_windows = _LICENCE[pool] > 0
    windows = price[has_windows] + _LICENCE[pool[has_windows]]
    return np.full(len(windows), product), pool[has_windows], epoch_s[has_windows], windows


def price_history(world: World) -> Callable[[Any], tuple[int, dict[str, str], str]]:
    """The method of moto's EC2 that returns changes in [StartTime, EndTime], newest first."""
    rows_of = lru_cache(maxsize=8)(lambda query: history_rows(world.market, query))

    def describe_spot_price_history(self: Any) -> tuple[int, dict[str, str], str]:
        self.error_on_dryrun()
        start_s, end_s, offset = _window(world.clock.now(), self)
        query = HistoryQuery(_requested_pools(self), _requested_products(self), start_s, end_s)
        rows = rows_of(query)
        last = offset + min(int(self._get_param("MaxResults") or _MAX_ROWS), _MAX_ROWS)
        more = last < len(rows.pool)
        return 200, {}, _as_xml(rows, offset, last, _token(start_s, end_s, last) if more else "")

    return describe_spot_price_history


def _window(now: datetime, response: Any) -> tuple[int, int, int]:
    """Start, end and offset. A token holds all three, so that pages do not shift over time."""
    token = response._get_param("NextToken")
    if token:
        try:
            start_s, end_s, offset = base64.urlsafe_b64decode(token.encode()).decode().split(".")
            return int(start_s), int(end_s), int(offset)
        except (binascii.Error, ValueError) as exc:
            raise EC2ClientError("InvalidNextToken", "The NextToken is not valid.") from exc
    oldest = now - timedelta(days=HISTORY_DAYS)
    start = response._get_param("StartTime")
    end = response._get_param("EndTime")
    end = min(now, end.replace(tzinfo=UTC)) if end else now
    start = min(end, max(oldest, start.replace(tzinfo=UTC))) if start else oldest
    return int(start.timestamp()), int(end.timestamp()), 0


def _token(start_s: int, end_s: int, offset: int) -> str:
    return base64.urlsafe_b64encode(f"{start_s}.{end_s}.{offset}".encode()).decode()


def _requested_pools(response: Any) -> tuple[int, ...]:
    types = list(response._get_param("InstanceTypes", []))
    zone = response._get_param("AvailabilityZone")
    zones = [zone] if zone else []
    filters = response._filters_from_querystring()
    for name in filters:
        if name not in {"availability-zone", "instance-type", "product-description"}:
            raise EC2ClientError("InvalidParameterValue", f"The filter '{name}' is invalid.")
    return tuple(
        index
        for index, pool in enumerate(POOLS)
        if pool.region.name == response.region
        and _matches(pool.spec.name, types)
        and _matches(pool.zone, zones)
        and _matches(pool.spec.name, filters.get("instance-type", []))
        and _matches(pool.zone, filters.get("availability-zone", []))
    )


def _requested_products(response: Any) -> tuple[str, ...]:
    named = [each.removesuffix(_VPC) for each in response._get_param("ProductDescriptions", [])]
    filtered = response._filters_from_querystring().get("product-description", [])
    patterns = [each.removesuffix(_VPC) for each in filtered]
    return tuple(
        product for product in PRODUCTS if _matches(product, named) and _matches(product, patterns)
    )


def _matches(value: str, patterns: Collection[str]) -> bool:
    return not patterns or any(fnmatchcase(value, pattern) for pattern in patterns)


def _as_xml(rows: HistoryRows, first: int, last: int, token: str) -> str:
    """The response, without moto's serialiser, which takes seconds for 90 days of a region."""
    page = slice(first, last)
    columns = (rows.product[page], rows.pool[page], rows.epoch_s[page], rows.usd_per_hour[page])
    items = "".join(
        f"<item><availabilityZone>{POOLS[pool].zone}</availabilityZone>"
        f"<instanceType>{POOLS[pool].spec.name}</instanceType>"
        f"<productDescription>{PRODUCTS[product]}</productDescription>"
        f"<spotPrice>{price:.6f}</spotPrice>"
        f"<timestamp>{datetime.fromtimestamp(epoch_s, UTC):%Y-%m-%dT%H:%M:%S.000Z}</timestamp>"
        "</item>"
        for product, pool, epoch_s, price in zip(*(each.tolist() for each in columns), strict=True)
    )
    return (
        '<DescribeSpotPriceHistoryResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        f"<requestId>{uuid4()}</requestId><spotPriceHistorySet>{items}</spotPriceHistorySet>"
        f"<nextToken>{escape(token)}</nextToken></DescribeSpotPriceHistoryResponse>"
    )
