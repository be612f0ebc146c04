"""Canonical form of the tables of a MarketData.

Archive and online store return rows in different orders and types, on which features must not
depend. So both readers call `tidy`: the same columns, types and order, and one row per key.

The price history has many rows of few pools: its names are codes (categories, sorted, all used), so
that sorting and features compare small integers, and a row takes 21 bytes instead of 90.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.domain.coded_texts import Texts
from spotlab.domain.market import FEED_COLUMNS, LINUX, FeedKind, MarketData

_TIME: Final = "datetime64[us, UTC]"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
_TEXT: Final = "str"
_NUMBER: Final = "float64"
_DTYPES: Final[Mapping[str, Any]] = {
    "region": _TEXT,
    "availability_zone": _TEXT,
    "operating_system": _TEXT,
    "instance_type": _TEXT,
    "architecture": _TEXT,
    "gpu_model": _TEXT,
    "accelerator_model": _TEXT,
    "cpu_maker": _TEXT,
    "bucket": "int64",
    "event_time": _TIME,
    "approximate": "bool",
}
_DEFAULTS: Final[Mapping[str, object]] = {
    "availability_zone": None,
    "approximate": False,
    # snapshots that were stored before these columns existed
    "gpu_model": None,
    "gpu_memory_gb": np.nan,
    "accelerator_model": None,
    "cpu_maker": None,
}
_OFFER: Final = ("region", "instance_type")
_POOL: Final = ("region", "instance_type", "availability_zone")

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "advisor": (*FEED_COLUMNS[FeedKind.ADVISOR], "event_time"),
    "advisor_past": (*FEED_COLUMNS[FeedKind.ADVISOR], "event_time"),
    "prices": FEED_COLUMNS[FeedKind.PRICE_HISTORY],
    "price_history": FEED_COLUMNS[FeedKind.PRICE_HISTORY],
    "on_demand": (*FEED_COLUMNS[FeedKind.ON_DEMAND], "event_time", "approximate"),
    "specs": FEED_COLUMNS[FeedKind.SPECS],
}
_CODED: Final = "price_history"
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "advisor": _OFFER,
    "advisor_past": (*_OFFER, "event_time"),
    "prices": _POOL,
    "price_history": (*_POOL, "event_time"),
    "on_demand": _OFFER,
    "specs": ("instance_type",),
}


def tidy(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """One table of a MarketData in canonical form.

    Args:
        table: its name in MarketData.
        frame: its rows; of several rows with the same key, the last one is used.
    Returns:
        A new frame: Linux only, with the columns in COLUMNS and types in _DTYPES, sorted by key.
    """
    if "operating_system" in frame and len(frame):
        linux = frame["operating_system"] == LINUX
        frame = frame if linux.all() else frame[linux]
    typed = _coded if table == _CODED else _typed
    columns = pd.DataFrame({name: typed(frame, name) for name in COLUMNS[table]})
    return _sorted_unique(columns, KEYS[table])


def stack(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows of several frames with the same columns; names that are codes in all stay codes."""
    if len(frames) == 1:
        return frames[0].reset_index(drop=True)
    return pd.DataFrame({name: _stacked([each[name] for each in frames]) for name in frames[0]})


def _stacked(columns: Sequence[pd.Series]) -> pd.Series:
    """The values of several columns, one after the other. Frames are small and many."""
    dtypes = [column.dtype for column in columns]
    if all(isinstance(dtype, pd.CategoricalDtype) for dtype in dtypes):
        return _stacked_codes([column.cat for column in columns])
    if all(dtype == _NUMBER for dtype in dtypes):
        return pd.Series(np.concatenate([column.to_numpy() for column in columns]))
    if all(dtype == _TIME for dtype in dtypes):
        micros = np.concatenate([ticks(column) for column in columns])
        return pd.Series(pd.DatetimeIndex(micros.view("datetime64[us]"), tz=UTC))
    return pd.concat(columns, ignore_index=True)


def _stacked_codes(columns: Sequence[Any]) -> pd.Series:
    names = [Texts.of(column.categories) for column in columns]
    every = dict.fromkeys(names)  # equal names are the same object
    if len(every) == 1:
        dtype = pd.CategoricalDtype(columns[0].categories)
        codes = np.concatenate([column.codes.to_numpy() for column in columns])
    else:
        union = sorted(set().union(*(each.names for each in every)))
        place = {name: code for code, name in enumerate(union)}
        dtype = pd.CategoricalDtype(pd.Index(union, dtype=_TEXT))
        codes_of = {each: np.append(each.places_in(place), -1) for each in every}
        parts = zip(names, columns, strict=True)
        codes = np.concatenate([codes_of[each][column.codes.to_numpy()] for each, column in parts])
    return pd.Series(pd.Categorical.from_codes(codes, dtype=dtype))


def tidy_market(data: MarketData) -> MarketData:
    """The same data with every table in canonical form."""
    return replace(
        data,
        advisor=tidy("advisor", data.advisor),
        advisor_past=tidy("advisor_past", data.advisor_past),
        prices=tidy("prices", data.prices),
        price_history=tidy("price_history", data.price_history),
        on_demand=tidy("on_demand", data.on_demand),
        specs=tidy("specs", data.specs),
    )


def digest(table: pd.DataFrame) -> bytes:
    """Hash of a table in canonical form: equal tables have equal hashes."""
    content = blake2b(digest_size=16)
    for name, column in table.items():
        content.update(f"{name} {column.dtype} {len(column)} ".encode())
        if name == "event_time":
            content.update(ticks(column).tobytes())
        elif isinstance(column.dtype, np.dtype):
            content.update(column.to_numpy().tobytes())
        else:
            codes, values = column.factorize()
            content.update(codes.tobytes())
            content.update("\0".join(map(str, values)).encode())
    return content.digest()


def to_micros(moment: datetime) -> int:
    """Whole microseconds since 1970."""
    return (moment - _EPOCH) // _TICK


@lru_cache(4096)
def from_micros(time_us: int) -> datetime:
    """The aware UTC time of `to_micros`."""
    return _EPOCH + time_us * _TICK


def ticks(times: pd.Series) -> NDArray[np.int64]:
    """(rows,) `to_micros` of a column of aware times; a read-only view if it is canonical."""
    if times.dtype == _TIME:
        canonical: NDArray[np.int64] = times.dt.tz_convert(None).to_numpy().view(np.int64)
        return canonical
    micros: NDArray[np.int64] = np.asarray(_utc_times(times).astype("int64"))
    return micros


def _utc_times(times: pd.Series) -> pd.Series:
    if times.dtype == _TIME:
        return times
    return pd.Series(pd.to_datetime(times, utc=True).astype(_TIME))


def _typed(frame: pd.DataFrame, name: str) -> pd.Series:
    column = frame[name] if name in frame else _default_column(frame, name)
    if name == "event_time":
        return _utc_times(column)
    return pd.Series(column.astype(_DTYPES.get(name, _NUMBER)))


def _coded(frame: pd.DataFrame, name: str) -> pd.Series:
    """A column of the price history: a name as the code of its place among the sorted names."""
    column = frame[name] if name in frame else _default_column(frame, name)
    if _DTYPES.get(name) != _TEXT:
        return _typed(frame, name)
    if not isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(_TEXT).astype("category")
    codes = column.cat.codes.to_numpy()
    names = pd.Index(column.cat.categories.astype(_TEXT))
    used = np.zeros(len(names) + 1, dtype=bool)
    used[codes] = True  # -1, an unknown name, is the last place
    if not used[:-1].all() or not names.is_monotonic_increasing:
        distinct = names[used[:-1]].sort_values()
        codes = np.append(distinct.get_indexer(names), -1)[codes]
        names = distinct
    return pd.Series(pd.Categorical.from_codes(codes, names), index=frame.index)


def _default_column(frame: pd.DataFrame, name: str) -> pd.Series:
    """A column that a table may lack: the zone of a region-level price, or `approximate`."""
    if len(frame) and name not in _DEFAULTS:
        raise KeyError(f"the table has no column {name!r}")
    fill = np.full(len(frame), _DEFAULTS.get(name), dtype=object)
    return pd.Series(fill, index=frame.index)


def _sorted_unique(frame: pd.DataFrame, key: tuple[str, ...]) -> pd.DataFrame:
    if frame.empty:
        return frame.reset_index(drop=True)
    codes = [_ordinals(frame[name]) for name in key]
    if _rises(codes):
        return frame.reset_index(drop=True)
    order = np.lexsort(codes[::-1])
    repeats_next = np.ones(len(order) - 1, dtype=bool)
    for column in codes:
        ordered = column[order]
        repeats_next &= ordered[1:] == ordered[:-1]
    last_of_key = order[np.append(~repeats_next, True)]
    return pd.DataFrame(frame.take(last_of_key).reset_index(drop=True))


def _ordinals(column: pd.Series) -> NDArray[np.signedinteger[Any]]:
    """(rows,) numbers in the order of the column's values."""
    if column.name == "event_time":
        return ticks(column)
    if isinstance(column.dtype, pd.CategoricalDtype):
        return np.asarray(column.cat.codes)  # the categories are sorted
    return np.asarray(column.factorize(sort=True)[0])


def _rises(codes: Sequence[NDArray[np.signedinteger[Any]]]) -> bool:
    """Whether each row's key is greater than that of the row before it."""
    rises = np.zeros(len(codes[0]) - 1, dtype=bool)
    equal = ~rises
    for column in codes:
        rises |= equal & (column[1:] > column[:-1])
        equal &= column[1:] == column[:-1]
    return bool(rises.all())
