"""DescribeSpotPriceHistory from the simulated market.

moto returns 0.00001 USD in 2006 for everything, and ignores paging and times.
Source: EC2 API reference, DescribeSpotPriceHistory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import numpy as np

from spotlab.demo.catalogue import POOLS
from spotlab.demo.history_pages import HistoryRequest, Row, as_xml, matches, read_request
from spotlab.demo.market import Market
from spotlab.demo.noise import FloatArray, IntArray
from spotlab.demo.recorded_history import recorded_price_history
from spotlab.demo.world import World

HISTORY_DAYS: Final = 90
PRODUCTS: Final = ("Linux/UNIX", "Windows")
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
    if world.recorded is not None:
        return recorded_price_history(world.recorded, world.clock.now)
    rows_of = lru_cache(maxsize=8)(lambda query: history_rows(world.market, query))

    def describe_spot_price_history(self: Any) -> tuple[int, dict[str, str], str]:
        self.error_on_dryrun()
        now = world.clock.now()
        request = read_request(self, now, now - timedelta(days=HISTORY_DAYS))
        products = tuple(each for each in PRODUCTS if matches(each, request.products))
        query = HistoryQuery(_requested_pools(request), products, request.start_s, request.end_s)
        rows = rows_of(query)
        return 200, {}, as_xml(_page(rows, request), request.token(len(rows.pool)))

    return describe_spot_price_history


def _requested_pools(request: HistoryRequest) -> tuple[int, ...]:
    return tuple(
        index
        for index, pool in enumerate(POOLS)
        if pool.region.name == request.region
        and matches(pool.spec.name, request.types)
        and matches(pool.zone, request.zones)
    )


def _page(rows: HistoryRows, request: HistoryRequest) -> Iterator[Row]:
    page = slice(request.offset, request.offset + request.size)
    columns = (rows.product[page], rows.pool[page], rows.usd_per_hour[page], rows.epoch_s[page])
    for product, pool, price, epoch_s in zip(*(each.tolist() for each in columns), strict=True):
        yield POOLS[pool].zone, POOLS[pool].spec.name, PRODUCTS[product], price, epoch_s
