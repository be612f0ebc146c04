"""Evidence of past days as Parquet files, by region and day, later by region and month.

    home/evidence/<market>/<region>/2026-11-03.parquet      a day that is over
    home/evidence/<market>/<region>/2026-10.parquet         a month that is over, compacted
    home/evidence/set-aside/…                               what could not be read

A file is written beside its place, flushed to the disk and renamed: a crash leaves a whole file or
none. While a day is in a month's file and in one of its own, the month counts. SQL remains the
truth: a file that is lost is written again from it for as long as SQL keeps what it was made of.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spotlab.domain.evidence_points import EvidenceKind, EvidencePoint
from spotlab.domain.market import MarketName, Pool
from spotlab.store.frame_codec import pack_table, unpack_table

log = logging.getLogger("spotlab.store.evidence_archive")
FOLDER: Final = "evidence"
"""Of the archive, in a home."""
SET_ASIDE: Final = "set-aside"
_SCHEMA: Final = pa.schema(
    [
        ("pool", pa.string()),
        ("at_us", pa.int64()),
        ("kind", pa.string()),
        ("value", pa.float64()),
        ("source", pa.string()),
        ("recorded_at_us", pa.int64()),
    ]
)
_UNREADABLE: Final = (pa.ArrowException, ValueError, OSError)
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_MONTH: Final = re.compile(r"\d{4}-\d{2}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class EvidenceArchive:
    """The files of one home.

    Args:
        folder: created when the first file is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(
        self, market: MarketName, region: str, day: date, points: Iterable[EvidencePoint]
    ) -> Path:
        """Write a day, also one without points; one that was written before is replaced."""
        ordered = sorted(points, key=lambda each: (each.at, each.pool.key, each.kind))
        path = self._folder / market.value / region / f"{day.isoformat()}.parquet"
        _write(path, _table(ordered))
        return path

    def read(
        self,
        market: MarketName,
        region: str,
        since: datetime,
        until: datetime,
        pools: Collection[Pool] | None = None,
    ) -> list[EvidencePoint]:
        """The points at since <= at < until, oldest first; files that cannot be read are set aside.

        Args:
            market: of the points.
            region: of the points.
            since, until: aware UTC.
            pools: of the points; None: all.
        """
        keys = None if pools is None else pa.array([each.key for each in pools], pa.string())
        folder = self._folder / market.value / region
        points: list[EvidencePoint] = []
        for path in self._files(folder):
            if since.date().isoformat()[: len(path.stem)] > path.stem or (
                path.stem > until.date().isoformat()
            ):
                continue
            table = self._opened(path)
            if table is not None:
                if keys is not None:
                    table = table.filter(pc.is_in(table["pool"], value_set=keys))
                points += [each for each in _points(table) if since <= each.at < until]
        return sorted(points, key=lambda each: (each.at, each.pool.key, each.kind))

    def days(self, market: MarketName, region: str) -> set[date]:
        """The days that have a file of their own."""
        folder = self._folder / market.value / region
        return {date.fromisoformat(path.stem) for path in _named(folder, _DAY)}

    def months(self, market: MarketName, region: str) -> set[str]:
        """The months that are compacted, such as "2026-10"."""
        return {path.stem for path in _named(self._folder / market.value / region, _MONTH)}

    def compact(self, market: MarketName, region: str, today: date) -> int:
        """Make a file of the days of each month that is over; returns how many months."""
        folder = self._folder / market.value / region
        days: dict[str, list[Path]] = {}
        for path in _named(folder, _DAY):
            if path.stem[:7] < today.isoformat()[:7]:
                days.setdefault(path.stem[:7], []).append(path)
        for month, paths in sorted(days.items()):
            whole = folder / f"{month}.parquet"
            if not whole.exists():
                tables = [each for each in map(self._opened, paths) if each is not None]
                if not tables:
                    continue
                _write(whole, pa.concat_tables(tables))
            for path in paths:
                path.unlink(missing_ok=True)
        return len(days)

    def delete_before(self, day: date, *, dry_run: bool = False) -> int:
        """Delete the files whose days are all before a day; returns how many."""
        old = [
            path
            for path in self._folder.glob("*/*/*.parquet")
            if path.parent.parent.name != SET_ASIDE
            and path.stem < day.isoformat()[: len(path.stem)]
        ]
        if not dry_run:
            for path in old:
                path.unlink(missing_ok=True)
        return len(old)

    def set_aside(self) -> list[str]:
        """Names of the files that could not be read."""
        return sorted(path.name for path in (self._folder / SET_ASIDE).glob("*"))

    def _files(self, folder: Path) -> list[Path]:
        """The files of a region; days of a month that is compacted are left out."""
        months = _named(folder, _MONTH)
        compacted = {path.stem for path in months}
        days = [path for path in _named(folder, _DAY) if path.stem[:7] not in compacted]
        return [*months, *days]

    def check(self) -> tuple[int, list[str]]:
        """Read every file and change none.

        Returns:
            The number of files, and what is wrong with those that cannot be read, set aside or not.
        """
        files = sorted(self._folder.glob("*/*/*.parquet"))
        wrong = [f"{name}: it was set aside" for name in self.set_aside()]
        for path in files:
            try:
                _read(path)
            except FileNotFoundError:  # compacted by another process meanwhile
                continue
            except _UNREADABLE as exc:
                wrong.append(f"{path.relative_to(self._folder)}: {exc}")
        return len(files), wrong

    def _opened(self, path: Path) -> pa.Table | None:
        """The table in a file; None: it was torn or foreign, and is set aside now."""
        try:
            return _read(path)
        except FileNotFoundError:  # compacted by another process meanwhile
            return None
        except _UNREADABLE as exc:
            place = self._folder / SET_ASIDE
            place.mkdir(parents=True, exist_ok=True)
            name = "-".join((path.parent.parent.name, path.parent.name, path.name))
            path.replace(place / name)
            log.warning(
                "the evidence file %s cannot be read and was set aside as %s: %s",
                path.name,
                place / name,
                exc,
            )
            return None


def _read(path: Path) -> pa.Table:
    """The table in a file. Raises one of _UNREADABLE."""
    table = unpack_table(path.read_bytes())
    if table.schema.remove_metadata() != _SCHEMA:
        raise ValueError(f"its columns are {', '.join(table.schema.names)}")
    unknown = set(table["kind"].unique().to_pylist()) - {*EvidenceKind}
    if unknown:
        raise ValueError(f"it has kinds of another version: {', '.join(sorted(unknown))}")
    return table


def _named(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    return sorted(path for path in folder.glob("*.parquet") if pattern.fullmatch(path.stem))


def _table(points: Sequence[EvidencePoint]) -> pa.Table:
    return pa.table(
        {
            "pool": [each.pool.key for each in points],
            "at_us": [_us(each.at) for each in points],
            "kind": [each.kind.value for each in points],
            "value": np.array([each.value for each in points], dtype=np.float64),
            "source": [each.source for each in points],
            "recorded_at_us": [_us(each.recorded_at) for each in points],
        },
        schema=_SCHEMA,
    )


def _points(table: pa.Table) -> Iterable[EvidencePoint]:
    pools: dict[str, Pool] = {}
    columns = (table[name].to_pylist() for name in _SCHEMA.names)
    for key, at_us, kind, value, source, recorded_at_us in zip(*columns, strict=True):
        if key not in pools:
            pools[key] = Pool.parse(key)
        yield EvidencePoint(
            pools[key], _time(at_us), EvidenceKind(kind), value, source, _time(recorded_at_us)
        )


def _us(at: datetime) -> int:
    seconds = at - _EPOCH
    return (seconds.days * 86_400 + seconds.seconds) * 1_000_000 + seconds.microseconds


def _time(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)


def _write(path: Path, table: pa.Table) -> None:
    """Write a file so that a crash leaves it whole or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("wb") as file:
        file.write(pack_table(table))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
