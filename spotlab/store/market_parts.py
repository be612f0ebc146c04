"""Tables of a market as parts that are stored by the hash of their content.

A table is one part, except the price history: it is split by day, and the last day by spans of a
few hours, so that a run adds only the points that came since the run before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd

from spotlab.store.frame_codec import pack_frame, unpack_frame

TABLES: Final = ("advisor", "advisor_past", "prices", "price_history", "on_demand", "specs")
"""The tables of a MarketData, by name."""
HISTORY: Final = "price_history"
_ORDER: Final = ("region", "instance_type", "availability_zone", "event_time")
_TIME: Final = "event_time"
_SPAN: Final = "3h"


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a table.

    Args:
        digest: hash of its content, 32 hexadecimal digits.
        payload: called for its bytes.
    """

    digest: str
    payload: Callable[[], bytes]


def split(name: str, table: pd.DataFrame, as_of: datetime) -> list[Part]:
    """The parts of a table, in order.

    Args:
        name: of the table in MarketData.
        table: its rows.
        as_of: the time of the market.
    """
    if name != HISTORY or not len(table) or not _is_sorted(table):
        return [_part(table)]
    times = table[_TIME]
    midnight = pd.Timestamp(as_of).floor("D")
    spans = times.dt.floor("D").where(times < midnight, times.dt.floor(_SPAN))
    return [_part(rows) for _, rows in table.groupby(spans, sort=True)]


def join(name: str, payloads: Sequence[bytes]) -> pd.DataFrame:
    """The table whose parts these are, with its rows in the original order."""
    frames = [unpack_frame(payload) for payload in payloads]
    if name != HISTORY:
        assert len(frames) == 1, "only the price history has several parts"
        return frames[0]
    table = pd.concat(frames, ignore_index=True)
    names = {each: "category" for each in table if isinstance(table[each].dtype, pd.StringDtype)}
    table = table.astype(names)
    return table if len(frames) == 1 else table.take(_order(table)).reset_index(drop=True)


def _is_sorted(table: pd.DataFrame) -> bool:
    """Whether `join` would restore the order of the rows, and no two have the same key."""
    order = _order(table)
    unique = not table.duplicated(list(_ORDER)).any()
    return unique and bool((order == np.arange(len(table))).all())


def _order(table: pd.DataFrame) -> np.ndarray:
    codes = [table[name].factorize(sort=True)[0] for name in _ORDER]
    return np.lexsort(codes[::-1])


def _part(rows: pd.DataFrame) -> Part:
    # Categories of the whole table would change the hash of a day with each new name.
    rows = rows.astype(dict.fromkeys(rows.select_dtypes("category"), "str"))
    return Part(_digest(rows), lambda: pack_frame(rows))


def _digest(rows: pd.DataFrame) -> str:
    """Hash of the columns' names, types and values; independent of how they are compressed."""
    content = hashlib.sha256()
    for name in rows:
        column = rows[name]
        content.update(f"{name} {column.dtype} {len(rows)}\n".encode())
        for chunk in _bytes_of(column):
            content.update(chunk)
    return content.hexdigest()[:32]


def _bytes_of(column: pd.Series) -> Iterable[bytes]:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        yield np.ascontiguousarray(column.to_numpy()).tobytes()
        return
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        yield np.ascontiguousarray(column.astype("int64").to_numpy()).tobytes()
        return
    codes, values = column.factorize()
    yield np.ascontiguousarray(codes, dtype=np.int64).tobytes()
    yield "\0".join(map(str, values)).encode()
