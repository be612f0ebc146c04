"""Conversion between the tables of a MarketData and rows of the online store.

Values are JSON: an unknown number is null; a time is in whole microseconds since 1970. The time of
a row is the event time of its newest value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, repeat
from typing import Any, Final

import numpy as np
import pandas as pd

from spotlab.domain.instance_types import family_of
from spotlab.domain.market import FEED_COLUMNS, LINUX, REGION_LEVEL, FeedKind, MarketData
from spotlab.domain.ports import OnlineRow, OnlineView
from spotlab.features.canonical_tables import COLUMNS, from_micros, ticks, to_micros
from spotlab.features.views import METADATA, ON_DEMAND, POOL, PRICE_HISTORY, SPOT_RISK

Values = dict[str, Any]
_PRICE: Final = "spot_price_usd_per_hour"
_ON_DEMAND_PRICE: Final = "on_demand_price_usd_per_hour"
_SPECS: Final = FEED_COLUMNS[FeedKind.SPECS][1:]


@dataclass(frozen=True, slots=True)
class Codec:
    """Encoder and decoder of one view.

    Args:
        view: the view.
        by_region: whether single regions can be read. False for data that features compare across
            regions: it is always read completely.
        tables: the tables of a MarketData that it is made of.
        encode: rows of a MarketData whose tables are in canonical form; each value begins with the
            items of the second argument.
        decode: tables by name, with rows in any order.
    """

    view: OnlineView
    by_region: bool
    tables: tuple[str, ...]
    encode: Callable[[MarketData, Values], list[OnlineRow]]
    decode: Callable[[Sequence[OnlineRow]], Mapping[str, pd.DataFrame]]


def _encode_risk(data: MarketData, head: Values) -> list[OnlineRow]:
    """Advisor rows; a type that is not in the newest snapshot has only past buckets."""
    past: defaultdict[Any, list[list[Any]]] = defaultdict(list)
    columns = ("event_time", "bucket", "savings_percent")
    for key, *point in _records(data.advisor_past, ("region", "instance_type"), columns):
        past[key].append(point)
    rows = [
        OnlineRow(
            key,
            from_micros(time_us),
            {**head, "bucket": bucket, "savings_percent": savings, "past": past.pop(key, [])},
        )
        for key, time_us, bucket, savings in _records(
            data.advisor, ("region", "instance_type"), columns
        )
    ]
    unlisted = {**head, "bucket": None, "savings_percent": None}
    for key, points in past.items():
        rows.append(OnlineRow(key, from_micros(points[-1][0]), {**unlisted, "past": points}))
    return rows


def _decode_risk(rows: Sequence[OnlineRow]) -> Mapping[str, pd.DataFrame]:
    listed = [row for row in rows if row.value["bucket"] is not None]
    past = [(row.key, *point) for row in rows for point in row.value["past"]]
    keys, times_us, buckets, savings = _columns(past, 4)
    return {
        "advisor": _table(
            "advisor",
            _parts(listed, 0),
            LINUX,
            _parts(listed, 1),
            _column(listed, "bucket"),
            _column(listed, "savings_percent"),
            _micros(listed),
        ),
        "advisor_past": _table(
            "advisor_past",
            [key[0] for key in keys],
            LINUX,
            [key[1] for key in keys],
            buckets,
            savings,
            times_us,
        ),
    }


def _encode_pools(data: MarketData, head: Values) -> list[OnlineRow]:
    key = ("region", "availability_zone", "instance_type")
    return [
        OnlineRow(
            (region, zone or REGION_LEVEL, name, LINUX),
            from_micros(time_us),
            {**head, _PRICE: price},
        )
        for (region, zone, name), time_us, price in _records(
            data.prices, key, ("event_time", _PRICE)
        )
    ]


def _decode_pools(rows: Sequence[OnlineRow]) -> Mapping[str, pd.DataFrame]:
    zones = [None if zone == REGION_LEVEL else zone for zone in _parts(rows, 1)]
    systems, names = _parts(rows, 3), _parts(rows, 2)
    prices = _column(rows, _PRICE)
    return {
        "prices": _table("prices", _parts(rows, 0), zones, systems, names, _micros(rows), prices)
    }


def _encode_on_demand(data: MarketData, head: Values) -> list[OnlineRow]:
    columns = ("event_time", _ON_DEMAND_PRICE, "approximate")
    return [
        OnlineRow(
            key,
            from_micros(time_us),
            {**head, _ON_DEMAND_PRICE: price, "approximate": approximate},
        )
        for key, time_us, price, approximate in _records(
            data.on_demand, ("region", "instance_type"), columns
        )
    ]


def _decode_on_demand(rows: Sequence[OnlineRow]) -> Mapping[str, pd.DataFrame]:
    return {
        "on_demand": _table(
            "on_demand",
            _parts(rows, 0),
            LINUX,
            _parts(rows, 1),
            _column(rows, _ON_DEMAND_PRICE),
            _micros(rows),
            _column(rows, "approximate"),
        )
    }


def specs_time(data: MarketData) -> datetime:
    """The time of specifications, which have none of their own: that of their origin."""
    origin = data.origins.get(FeedKind.SPECS)
    return origin.event_time if origin else data.as_of


def _encode_specs(data: MarketData, head: Values) -> list[OnlineRow]:
    at = specs_time(data)
    return [
        OnlineRow(key, at, {**head, **dict(zip(_SPECS, values, strict=True))})
        for key, *values in _records(data.specs, ("instance_type",), _SPECS)
    ]


def _decode_specs(rows: Sequence[OnlineRow]) -> Mapping[str, pd.DataFrame]:
    columns = ([row.value.get(name) for row in rows] for name in _SPECS)
    return {"specs": _table("specs", _parts(rows, 0), *columns)}


def _encode_history(data: MarketData, head: Values) -> list[OnlineRow]:
    """Price history, one row per region and family; times are stored as differences."""
    history = data.price_history
    if history.empty:
        return []
    types = history["instance_type"].drop_duplicates()
    family = history["instance_type"].map(dict(zip(types, types.map(family_of), strict=True)))
    groups = history.groupby([history["region"], family], sort=False).ngroup().to_numpy()
    order = np.argsort(groups, kind="stable")
    history, groups = history.take(order), groups[order]
    times, prices = ticks(history["event_time"]), history[_PRICE].tolist()
    is_first = np.diff(groups, prepend=-1) != 0
    steps = np.where(is_first, times, np.diff(times, prepend=0))
    columns = ("region", "instance_type", "availability_zone")
    codes = [np.diff(history[name].factorize()[0], prepend=-2) for name in columns]
    starts = np.flatnonzero(np.logical_or.reduce(codes))  # of each pool
    bounds = [*np.flatnonzero(is_first).tolist(), len(history)]  # of each row
    of_row = np.searchsorted(starts, bounds).tolist()
    newest = np.maximum.reduceat(times, bounds[:-1]).tolist()
    regions, names, zones = (_values(history.iloc[starts], name) for name in columns)
    points = np.diff(starts, append=len(history)).tolist()
    steps_us = steps.tolist()
    return [
        OnlineRow(
            (regions[first], family_of(names[first])),
            from_micros(time_us),
            {
                **head,
                "types": names[first:last],
                "zones": zones[first:last],
                "points": points[first:last],
                "time_steps_us": steps_us[start:end],
                "prices_usd_per_hour": prices[start:end],
            },
        )
        for first, last, start, end, time_us in zip(
            of_row[:-1], of_row[1:], bounds[:-1], bounds[1:], newest, strict=True
        )
    ]


def _decode_history(rows: Sequence[OnlineRow]) -> Mapping[str, pd.DataFrame]:
    if not rows:
        return {"price_history": _table("price_history", *([] for _ in COLUMNS["price_history"]))}

    def joined(name: str) -> list[Any]:
        return list(chain.from_iterable(row.value[name] for row in rows))

    points = joined("points")
    regions = chain.from_iterable(repeat(row.key[0], len(row.value["types"])) for row in rows)
    pools = (list(regions), joined("zones"), joined("types"))
    region, zone, name = (np.repeat(np.array(each, dtype=object), points) for each in pools)
    steps = np.array(joined("time_steps_us"), dtype=np.int64)
    lengths = [len(row.value["time_steps_us"]) for row in rows]
    starts = np.cumsum([0, *lengths[:-1]])  # each row begins with a time, not with a difference
    steps[starts[1:]] -= np.add.reduceat(steps, starts)[:-1]
    times_us, prices = np.cumsum(steps), joined("prices_usd_per_hour")
    return {"price_history": _table("price_history", region, zone, LINUX, name, times_us, prices)}


CODECS: Final = (
    Codec(SPOT_RISK, False, ("advisor", "advisor_past"), _encode_risk, _decode_risk),
    Codec(METADATA, False, ("specs",), _encode_specs, _decode_specs),
    Codec(ON_DEMAND, True, ("on_demand",), _encode_on_demand, _decode_on_demand),
    Codec(PRICE_HISTORY, True, ("price_history",), _encode_history, _decode_history),
    Codec(POOL, True, ("prices",), _encode_pools, _decode_pools),
)


def _records(
    frame: pd.DataFrame, key: Sequence[str], names: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    """The rows as tuples of plain Python values: the key's columns as one tuple, and others."""
    keys = zip(*(_values(frame, name) for name in key), strict=True)
    return zip(keys, *(_values(frame, name) for name in names), strict=True)


def _values(frame: pd.DataFrame, name: str) -> list[Any]:
    if name == "event_time":
        return list(ticks(frame["event_time"]).tolist())
    column = frame[name]
    values = list(column.tolist())
    if column.hasnans:
        return [None if value != value else value for value in values]
    return values


def _columns(records: Sequence[tuple[Any, ...]], count: int) -> list[Sequence[Any]]:
    return list(zip(*records, strict=True)) or [()] * count


def _parts(rows: Sequence[OnlineRow], place: int) -> list[str]:
    """One part of each row's key."""
    return [row.key[place] for row in rows]


def _column(rows: Sequence[OnlineRow], name: str) -> list[Any]:
    return [row.value[name] for row in rows]


def _micros(rows: Sequence[OnlineRow]) -> list[int]:
    times = [row.event_time for row in rows]
    known = {time: to_micros(time) for time in set(times)}
    return [known[time] for time in times]


def _table(name: str, *columns: Any) -> pd.DataFrame:
    """A table from its columns, in order; times in microseconds."""
    frame = pd.DataFrame(dict(zip(COLUMNS[name], columns, strict=True)))
    if "event_time" in frame:
        ticks = np.asarray(frame["event_time"], dtype="datetime64[us]")
        frame["event_time"] = pd.DatetimeIndex(ticks, tz=UTC)
    return frame
