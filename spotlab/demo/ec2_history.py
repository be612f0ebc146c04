"""DescribeSpotPriceHistory from the simulated market.

moto answers 0.00001 USD in 2006 for everything, without paging or times.
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
_MOST_ROWS: Final = 1000
_VPC: Final = " (Amazon VPC)"
_LICENCE: Final = np.array([pool.spec.licence(windows=True) for pool in POOLS])


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which change points are asked for: indexes into POOLS, products, seconds since 1970."""

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
    """The change points in a window and, as AWS does, the one before it that still held."""
    start, end = (datetime.fromtimestamp(each, UTC) for each in (query.start_s, query.end_s))
    held, inside = market.prices_at(start), market.history(start, end)
    earlier = held.epoch_s < query.start_s
    pool = np.concatenate([held.pool[earlier], inside.pool])
    epoch_s = np.concatenate([held.epoch_s[earlier], inside.epoch_s])
    price = np.concatenate([held.usd_per_hour[earlier], inside.usd_per_hour])
    wanted = np.isin(pool, query.pools)
    parts = [
        _of_product(PRODUCTS.index(name), pool[wanted], epoch_s[wanted], price[wanted])
        for name in query.products
    ]
    parts = parts or [(np.empty(0, int), np.empty(0, int), np.empty(0, int), np.empty(0))]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.lexsort((columns[0], columns[1], -columns[2]))
    return HistoryRows(*(column[order] for column in columns))


def _of_product(product: int, pool: IntArray, epoch_s: IntArray, price: FloatArray) -> Any:
    if PRODUCTS[product] == "Linux/UNIX":
        return np.full(len(pool), product), pool, epoch_s, price
    sold = _LICENCE[pool] > 0
    windows = price[sold] + _LICENCE[pool[sold]]
    return np.full(int(sold.sum()), product), pool[sold], epoch_s[sold], windows


def price_history(world: World) -> Callable[[Any], tuple[int, dict[str, str], str]]:
    """The method that answers the call: changes in [StartTime, EndTime], newest first."""
    rows_of = lru_cache(maxsize=8)(lambda query: history_rows(world.market, query))

    def describe_spot_price_history(self: Any) -> tuple[int, dict[str, str], str]:
        self.error_on_dryrun()
        start_s, end_s, offset = _window(world.clock.now(), self)
        query = HistoryQuery(_asked_pools(self), _asked_products(self), start_s, end_s)
        rows = rows_of(query)
        last = offset + min(int(self._get_param("MaxResults") or _MOST_ROWS), _MOST_ROWS)
        more = last < len(rows.pool)
        return 200, {}, _as_xml(rows, offset, last, _token(start_s, end_s, last) if more else "")

    return describe_spot_price_history


def _window(now: datetime, response: Any) -> tuple[int, int, int]:
    """Start, end and offset. A token holds all three, so that pages do not shift as time passes."""
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


def _asked_pools(response: Any) -> tuple[int, ...]:
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


def _asked_products(response: Any) -> tuple[str, ...]:
    named = [each.removesuffix(_VPC) for each in response._get_param("ProductDescriptions", [])]
    filtered = response._filters_from_querystring().get("product-description", [])
    patterns = [each.removesuffix(_VPC) for each in filtered]
    return tuple(
        product for product in PRODUCTS if _matches(product, named) and _matches(product, patterns)
    )


def _matches(value: str, patterns: Collection[str]) -> bool:
    return not patterns or any(fnmatchcase(value, pattern) for pattern in patterns)


def _as_xml(rows: HistoryRows, first: int, last: int, token: str) -> str:
    """The answer, written by hand: moto's serialiser takes seconds for 90 days of a region."""
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
