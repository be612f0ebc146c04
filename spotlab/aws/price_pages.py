"""Pages of DescribeSpotPriceHistory: checked records, and their change points.

An odd record does not reject a region: it is set aside with the reason. Source: Amazon EC2 API
Reference, SpotPrice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.aws.feed_checks import MAX_USD_PER_HOUR
from spotlab.domain.instance_types import parse_type
from spotlab.domain.market import FEED_COLUMNS, LINUX, FeedKind
from spotlab.domain.places import is_wavelength_zone, region_of
from spotlab.domain.ports import PricePage

PRODUCT: Final = "Linux/UNIX"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MAX_SHOWN: Final = 60

Columns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


def to_us(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def from_us(time_us: int) -> datetime:
    """The aware UTC time of `to_us`."""
    return _EPOCH + time_us * _MICROSECOND


def checked_page(records: Iterable[Mapping[str, Any]], region: str) -> PricePage:
    """The rows of a page, and why others were set aside.

    Args:
        records: elements of SpotPriceHistory, as boto3 returns them.
        region: that was asked.
    """
    zones, types, times, prices = [], [], [], []
    set_aside = []
    for record in records:
        if record.get("ProductDescription", PRODUCT) != PRODUCT:
            continue
        problem = _problem(record, region)
        if problem:
            set_aside.append(problem)
            continue
        zones.append(record["AvailabilityZone"])
        types.append(record["InstanceType"])
        times.append(to_us(record["Timestamp"].astimezone(UTC)))
        prices.append(float(record["SpotPrice"]))
    return PricePage(
        zones, types, np.array(times, np.int64), np.array(prices, np.float64), tuple(set_aside)
    )


def _problem(record: Mapping[str, Any], region: str) -> str:
    """Why a record cannot be used; "": it can."""
    zone, name = record.get("AvailabilityZone"), record.get("InstanceType")
    at, price = record.get("Timestamp"), record.get("SpotPrice")
    if (
        isinstance(at, datetime)
        and at.tzinfo is not None
        and isinstance(zone, str)
        and region_of(zone) == region
        and isinstance(name, str)
        and _is_type(name)
        and price is not None
        and 0.0 < _number(price) <= MAX_USD_PER_HOUR
    ):
        return ""
    where = f"{_shown(name)} in {_shown(zone)}"
    if not isinstance(at, datetime) or at.tzinfo is None:
        return f"{where} has no time."
    where = f"{where} at {at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    if isinstance(zone, str) and is_wavelength_zone(zone):
        return f"{where}: this is a Wavelength Zone."
    if not isinstance(zone, str) or region_of(zone) != region:
        return f"{where}: this is not a zone of {region}."
    if not isinstance(name, str) or not _is_type(name):
        return f"{where}: this is not an instance type such as m6i.xlarge."
    if price is None:
        return f"{where} has no price."
    limits = f"above 0, at most {MAX_USD_PER_HOUR:g}"
    return f"{where} has price {_shown(price)}; expected USD per hour {limits}."


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan


@lru_cache(maxsize=4096)
def _is_type(name: str) -> bool:
    try:
        parse_type(name)
    except ValueError:
        return False
    return True


def _shown(value: object) -> str:
    """A value of AWS's response, safe for terminals and screens."""
    text = "".join(char if char.isprintable() else "?" for char in str(value)[:_MAX_SHOWN])
    return text or "''"


class ChangePoints:
    """Collects pages, and gives their prices by pool and time, each once.

    Rows take 24 bytes each until they become a table.

    Args:
        region: of every page.
    """

    def __init__(self, region: str) -> None:
        self._region = region
        self._codes: dict[tuple[str, str], int] = {}
        self._parts: list[Columns] = []
        self._listed: set[int] = set()
        self._set_aside: dict[str, None] = {}

    def add(self, page: PricePage) -> None:
        """Add a page; its pools are listed."""
        pools = self._code(page.zones, page.instance_types)
        self._listed.update(pools.tolist())
        self._parts.append((pools, page.times_us, page.usd_per_hour))
        self._set_aside.update(dict.fromkeys(page.set_aside))

    def add_archived(self, rows: pd.DataFrame, since: datetime) -> None:
        """Add rows of an archived snapshot that are needed after `since`; lists no pool."""
        zones, types = rows["availability_zone"].tolist(), rows["instance_type"].tolist()
        moments = rows["event_time"].astype("datetime64[us, UTC]")
        times = np.asarray(moments.astype("int64"), np.int64)
        prices = np.asarray(rows["spot_price_usd_per_hour"], np.float64)
        self._parts.append((self._code(zones, types), times, prices))
        self._parts = [_since(_joined(self._parts), to_us(since))]

    def _code(self, zones: Sequence[str], types: Sequence[str]) -> NDArray[np.int64]:
        codes = self._codes
        keys = zip(zones, types, strict=True)
        found = (codes.setdefault(key, len(codes)) for key in keys)
        return np.fromiter(found, np.int64, len(zones))

    @property
    def set_aside(self) -> tuple[str, ...]:
        """Why records were set aside, each once."""
        return tuple(self._set_aside)

    def table(self) -> pd.DataFrame:
        """Change points with FEED_COLUMNS[PRICE_HISTORY], by zone, type and time.

        Pools that no page lists are left out. A price that repeats the one before it is left out,
        except a pool's newest. Of several prices at one moment the highest is used, so that no
        saving is promised that may not exist; the others are set aside.
        """
        pools, times, prices = _joined(self._parts)
        names = list(self._codes)
        rank = np.empty(len(names), np.int64)
        rank[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
        listed = np.isin(pools, np.fromiter(self._listed, np.int64, len(self._listed)))
        pools, times, prices = pools[listed], times[listed], prices[listed]
        order = np.lexsort((prices, times, rank[pools] if len(pools) else pools))
        pools, times, prices = pools[order], times[order], prices[order]
        same = (pools[1:] == pools[:-1]) & (times[1:] == times[:-1])
        self._note_conflicts(names, pools, times, prices, same)
        last = np.append(~same, np.ones(min(1, len(pools)), bool))
        pools, times, prices = pools[last], times[last], prices[last]
        same_pool = pools[1:] == pools[:-1]
        repeated = np.zeros(len(pools), bool)
        repeated[1:] = same_pool & (prices[1:] == prices[:-1])
        newest = np.ones(len(pools), bool)
        newest[:-1] = ~same_pool
        chosen = ~repeated | newest
        return self._frame(names, pools[chosen], times[chosen], prices[chosen])

    def _note_conflicts(
        self,
        names: Sequence[tuple[str, str]],
        pools: NDArray[np.int64],
        times: NDArray[np.int64],
        prices: NDArray[np.float64],
        same: NDArray[np.bool_],
    ) -> None:
        for index in np.flatnonzero(same & (prices[1:] != prices[:-1])).tolist():
            zone, name = names[pools[index]]
            at = from_us(int(times[index]))
            self._set_aside[
                f"{name} in {zone} at {at:%Y-%m-%d %H:%M:%S} has several prices; "
                f"{prices[index]:g} was set aside, {prices[index + 1]:g} is used."
            ] = None

    def _frame(
        self,
        names: Sequence[tuple[str, str]],
        pools: NDArray[np.int64],
        times: NDArray[np.int64],
        prices: NDArray[np.float64],
    ) -> pd.DataFrame:
        def texts(values: Sequence[str]) -> pd.Series:
            return pd.Series(np.array(values, object).take(pools), dtype="str")

        columns = {
            "region": pd.Series([self._region] * len(pools), dtype="str"),
            "availability_zone": texts([zone for zone, _ in names]),
            "operating_system": pd.Series([LINUX] * len(pools), dtype="str"),
            "instance_type": texts([name for _, name in names]),
            "event_time": pd.to_datetime(times, unit="us", utc=True).as_unit("us"),
            "spot_price_usd_per_hour": prices,
        }
        return pd.DataFrame(columns)[[*FEED_COLUMNS[FeedKind.PRICE_HISTORY]]]


def _joined(parts: Sequence[Columns]) -> Columns:
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    pools, times, prices = zip(*parts, strict=True)
    return np.concatenate(pools), np.concatenate(times), np.concatenate(prices)


def _since(columns: Columns, start_us: int) -> Columns:
    """Rows since a time, and each pool's last row before it."""
    pools, times, prices = columns
    before = np.flatnonzero(times < start_us)
    before = before[np.lexsort((times[before], pools[before]))]
    last = np.ones(len(before), bool)
    last[:-1] = pools[before][1:] != pools[before][:-1]
    chosen = np.concatenate([before[last], np.flatnonzero(times >= start_us)])
    return pools[chosen], times[chosen], prices[chosen]
