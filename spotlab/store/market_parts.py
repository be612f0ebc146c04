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
    spans = times.dt.floor("D").where(times < midnight, times.dt.floor(_SPAN)).astype("int64")
    order = np.argsort(spans.to_numpy(), kind="stable")
    starts = np.flatnonzero(np.diff(spans.to_numpy()[order])) + 1
    columns = [_Column.of(table[name]) for name in table]
    return [_part_of(table, columns, rows) for rows in np.split(order, starts)]


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
    columns = [_Column.of(rows[name]) for name in rows]
    return _part_of(rows, columns, np.arange(len(rows)))


def _part_of(table: pd.DataFrame, columns: Sequence[_Column], rows: np.ndarray) -> Part:
    """Some rows of a table; they are copied only if their bytes are asked for."""

    def payload() -> bytes:
        # Categories of the whole table would change the bytes of a day with each new name.
        names = dict.fromkeys(table.select_dtypes("category"), "str")
        return pack_frame(table.take(rows).astype(names))

    return Part(_digest(columns, rows), payload)


@dataclass(frozen=True, slots=True)
class _Column:
    """A table's column as numbers.

    Args:
        name: its name.
        dtype: its type; of categories, that of their names.
        values: (rows,) its numbers, its times as integers, or places in `names`; -1: no name.
        names: distinct names, or None.
    """

    name: str
    dtype: str
    values: np.ndarray
    names: np.ndarray | None

    @classmethod
    def of(cls, column: pd.Series) -> _Column:
        """Convert a column once, for all parts."""
        name = str(column.name)
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
            return cls(name, str(column.dtype), column.to_numpy(), None)
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            return cls(name, str(column.dtype), column.astype("int64").to_numpy(), None)
        if isinstance(column.dtype, pd.CategoricalDtype):
            codes, names = column.cat.codes.to_numpy(), column.cat.categories
            return cls(name, str(names.astype("str").dtype), codes, names.to_numpy())
        codes, found = column.factorize()
        return cls(name, str(column.dtype), codes, np.asarray(found, dtype=object))

    def bytes_of(self, rows: np.ndarray) -> Iterable[bytes]:
        """Numbers; or the names' places in the order of their first appearance, and the names."""
        values = self.values[rows]
        if self.names is None:
            yield np.ascontiguousarray(values).tobytes()
            return
        codes = np.full(len(values), -1, dtype=np.int64)
        named = values >= 0
        places, found = pd.factorize(values[named])
        codes[named] = places
        yield codes.tobytes()
        yield "\0".join(map(str, self.names[np.asarray(found)])).encode()


def _digest(columns: Sequence[_Column], rows: np.ndarray) -> str:
    """Hash of the columns' names, types and values; independent of how they are compressed."""
    content = hashlib.sha256()
    for column in columns:
        content.update(f"{column.name} {column.dtype} {len(rows)}\n".encode())
        for chunk in column.bytes_of(rows):
            content.update(chunk)
    return content.hexdigest()[:32]
