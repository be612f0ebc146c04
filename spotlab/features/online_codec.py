"""Conversion between the tables of a MarketData and entries of the online store.

Values are JSON: an unknown number is null; a time is in whole microseconds since 1970. The time of
an entry is the event time of its newest value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from itertools import chain
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.domain.instance_types import family_of
from spotlab.domain.market import FEED_COLUMNS, LINUX, REGION_LEVEL, FeedKind, MarketData
from spotlab.domain.ports import OnlineRow, OnlineView
from spotlab.features.canonical_tables import COLUMNS, ticks, to_micros
from spotlab.features.views import METADATA, ON_DEMAND, POOL, PRICE_HISTORY, SPOT_RISK

Entry = tuple[tuple[str, ...], int, dict[str, Any]]
"""Key, event_time in microseconds, value."""
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
        encode: entries of a MarketData whose tables are in canonical form.
        decode: tables by name, with rows in any order.
    """

    view: OnlineView
    by_region: bool
    encode: Callable[[MarketData], Iterable[Entry]]
    decode: Callable[[Sequence[OnlineRow]], Mapping[str, pd.DataFrame]]


def _encode_risk(data: MarketData) -> Iterator[Entry]:
    """Advisor rows; a type that is not in the newest snapshot has only past buckets."""
    entries: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
    columns = ("region", "instance_type", "event_time", "bucket", "savings_percent")
    for region, name, time_us, *point in _records(data.advisor_past, columns):
        past = entries[region, name][1]["past"] if (region, name) in entries else []
        past.append([time_us, *point])
        entries[region, name] = time_us, {"bucket": None, "savings_percent": None, "past": past}
    for region, name, time_us, bucket, savings in _records(data.advisor, columns):
        past = entries[region, name][1]["past"] if (region, name) in entries else []
        value = {"bucket": bucket, "savings_percent": savings, "past": past}
        entries[region, name] = time_us, value
    for key, (time_us, value) in entries.items():
        yield key, time_us, value


def _decode_risk(rows: Sequence[OnlineRow]) -> Mapping[str, pd.DataFrame]:
    current, past = [], []
    for row in rows:
        head = (row.key[0], LINUX, row.key[1])
        if row.value["bucket"] is not None:
            point = row.value["bucket"], row.value["savings_percent"], to_micros(row.event_time)
            current.append((*head, *point))
        past += [(*head, *values, time_us) for time_us, *values in row.value["past"]]
    return {"advisor": _table("advisor", current), "advisor_past": _table("advisor_past", past)}


def _encode_pools(data: MarketData) -> Iterator[Entry]:
    columns = ("region", "availability_zone", "instance_type", "event_time", _PRICE)
    for region, zone, name, time_us, price in _records(data.prices, columns):
        yield (region, zone or REGION_LEVEL, name, LINUX), time_us, {_PRICE: price}


def _decode_pools(rows: Sequence[OnlineRow]) -> Mapping[str, pd.DataFrame]:
    prices = [
        (region, _zone(zone), system, name, to_micros(row.event_time), row.value[_PRICE])
        for row in rows
        for region, zone, name, system in [row.key]
    ]
    return {"prices": _table("prices", prices)}


def _encode_on_demand(data: MarketData) -> Iterator[Entry]:
    columns = ("region", "instance_type", "event_time", _ON_DEMAND_PRICE, "approximate")
    for region, name, time_us, price, approximate in _records(data.on_demand, columns):
        yield (region, name), time_us, {_ON_DEMAND_PRICE: price, "approximate": approximate}


def _decode_on_demand(rows: Sequence[OnlineRow]) -> Mapping[str, pd.DataFrame]:
    prices = [
        (
            row.key[0],
            LINUX,
            row.key[1],
            row.value[_ON_DEMAND_PRICE],
            to_micros(row.event_time),
            row.value["approximate"],
        )
        for row in rows
    ]
    return {"on_demand": _table("on_demand", prices)}


def _encode_specs(data: MarketData) -> Iterator[Entry]:
    """Specifications; they have no time of their own, so the time of their origin is used."""
    origin = data.origins.get(FeedKind.SPECS)
    time_us = to_micros(origin.event_time if origin else data.as_of)
    for name, *values in _records(data.specs, FEED_COLUMNS[FeedKind.SPECS]):
        yield (name,), time_us, dict(zip(_SPECS, values, strict=True))


def _decode_specs(rows: Sequence[OnlineRow]) -> Mapping[str, pd.DataFrame]:
    specs = [(row.key[0], *(row.value.get(name) for name in _SPECS)) for row in rows]
    return {"specs": _table("specs", specs)}


def _encode_history(data: MarketData) -> Iterator[Entry]:
    """Price history, one entry per region and family; times are stored as differences."""
    history = data.price_history
    family = history["instance_type"].map(family_of)
    regions, families = _values(history, "region"), family.to_list()
    zones, types = _values(history, "availability_zone"), _values(history, "instance_type")
    pool = history.groupby(["instance_type", "availability_zone"], dropna=False).ngroup().to_numpy()
    times, prices = ticks(history["event_time"]), history[_PRICE].to_numpy()
    groups = history.groupby([history["region"], family]).indices.values()
    for place in (np.asarray(group) for group in groups):
        starts = np.flatnonzero(np.diff(pool[place], prepend=-1))
        value = {
            "types": [types[row] for row in place[starts]],
            "zones": [zones[row] for row in place[starts]],
            "points": np.diff(starts, append=len(place)).tolist(),
            "time_steps_us": np.diff(times[place], prepend=0).tolist(),
            "prices_usd_per_hour": prices[place].tolist(),
        }
        yield (regions[place[0]], families[place[0]]), int(times[place].max()), value


def _decode_history(rows: Sequence[OnlineRow]) -> Mapping[str, pd.DataFrame]:
    if not rows:
        return {"price_history": _table("price_history", [])}
    pools = [
        (row.key[0], zone, name)
        for row in rows
        for zone, name in zip(row.value["zones"], row.value["types"], strict=True)
    ]
    points = list(chain.from_iterable(row.value["points"] for row in rows))
    region, zone, name = np.repeat(np.array(pools, dtype=object), points, axis=0).T
    times = [np.cumsum(np.array(row.value["time_steps_us"])) for row in rows]
    prices = list(chain.from_iterable(row.value["prices_usd_per_hour"] for row in rows))
    columns = (region, zone, LINUX, name, _moments(np.concatenate(times)), prices)
    return {
        "price_history": pd.DataFrame(dict(zip(COLUMNS["price_history"], columns, strict=True)))
    }


CODECS: Final = (
    Codec(SPOT_RISK, False, _encode_risk, _decode_risk),
    Codec(METADATA, False, _encode_specs, _decode_specs),
    Codec(ON_DEMAND, True, _encode_on_demand, _decode_on_demand),
    Codec(PRICE_HISTORY, True, _encode_history, _decode_history),
    Codec(POOL, True, _encode_pools, _decode_pools),
)


def _records(frame: pd.DataFrame, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The rows of some columns as tuples of plain Python values."""
    return zip(*(_values(frame, name) for name in names), strict=True)


def _values(frame: pd.DataFrame, name: str) -> list[Any]:
    if name == "event_time":
        return list(ticks(frame["event_time"]).tolist())
    column = frame[name]
    return list(column.astype(object).where(column.notna(), None))


def _moments(ticks: NDArray[np.int64]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(ticks.astype("datetime64[us]"), tz=UTC)


def _zone(text: str) -> str | None:
    return None if text == REGION_LEVEL else text


def _table(name: str, rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(COLUMNS[name]))
    if "event_time" in frame:
        frame["event_time"] = _moments(frame["event_time"].to_numpy(dtype=np.int64))
    return frame
