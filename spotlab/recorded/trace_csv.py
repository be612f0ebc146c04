"""Reader of traces in CSV, with the columns `tick,time,fail`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.recorded.file_reading import csv_lines, reject, utc

FloatArray = NDArray[np.float64]

COLUMNS: Final = ("tick", "time", "fail")
MAX_TICKS: Final = 20_000_000
_EPOCH_S: Final = 946_684_800.0
"""2000-01-01: larger numbers of seconds are dates, smaller ones the time since the start."""
_MAX_TIME_S: Final = 253_402_300_799.0
"""9999-12-31, the latest date."""
_VALUES: Final = {
    **{"0": 0.0, "0.0": 0.0, "false": 0.0},
    **{"1": 1.0, "1.0": 1.0, "true": 1.0},
    "": math.nan,
}


@dataclass(frozen=True, slots=True)
class CsvTicks:
    """The ticks of a CSV, from its first to its last tick number.

    Args:
        value: (n,) the `fail` column: 1, 0, or NaN if the tick has no line.
        elapsed_s: (n,) seconds since the first tick.
        started_at: aware UTC; None: unknown.
        gap_s: nominal seconds between ticks.
        description: how the times were determined.
    """

    value: FloatArray
    elapsed_s: FloatArray
    started_at: datetime | None
    gap_s: float
    description: str


def read_csv_ticks(
    content: bytes, path: Path, gap_s: float | None, columns: Sequence[str] = ()
) -> CsvTicks:
    """Read the ticks; ticks that are missing between two lines have no record.

    `time` is a date and time, seconds since 1970, or seconds since the start. Of dates without a
    time zone, only the differences are used. Numbers that are not in seconds (their steps differ
    from gap_s) are ignored: the times are then computed from the ticks and the gap.

    Args:
        content: of the file.
        path: of the file.
        gap_s: nominal seconds between ticks; None: from the times.
        columns: names of its columns, in order, if it has no header line.
    Raises:
        InvalidInput: names the line and the expected value.
    """
    if not columns and _has_no_header(content):
        expected = "a header line tick,time,fail, or the names of its columns: --columns"
        reject(path, "its first line is a record, not a header", expected)
    places: list[str] = []
    ticks: list[int] = []
    values: list[float] = []
    times: list[str] = []
    for place, line in csv_lines(content, path, COLUMNS, columns):
        places.append(place)
        ticks.append(_tick(line["tick"], path, place))
        values.append(_value(line["fail"], path, place))
        times.append(line["time"].strip())
    if len(ticks) < 2:
        reject(path, f"it has {len(ticks)} ticks", "at least 2 ticks")
    at = np.array(ticks) - ticks[0]
    for before in np.flatnonzero(np.diff(at) <= 0):
        problem = f"{places[before + 1]} has tick {ticks[before + 1]} after {ticks[before]}"
        reject(path, problem, "ticks that increase")
    if at[-1] >= MAX_TICKS:
        reject(path, f"its ticks span {at[-1]:,}", f"at most {MAX_TICKS:,}")
    value = np.full(int(at[-1]) + 1, np.nan)
    value[at] = values
    return _with_times(value, at, _seconds(times, places, path), gap_s, path)


def _has_no_header(content: bytes) -> bool:
    """Whether the first line begins with a number, as no name does."""
    return content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1].isdigit()


def _with_times(
    value: FloatArray,
    at: NDArray[np.int_],
    times: _Times,
    gap_s: float | None,
    path: Path,
) -> CsvTicks:
    seconds, dated = times.seconds, times.dated
    step_s = float(np.median(np.diff(seconds) / np.diff(at)))
    if gap_s is None and not dated:
        reject(path, "its times are numbers without a unit", "the seconds between ticks: --gap-s")
    gap = step_s if gap_s is None else gap_s
    if not 0.5 < step_s / gap < 2.0:
        if dated:
            reject(
                path,
                f"its ticks are {step_s:g} s apart, but the declared gap is {gap:g} s",
                f"--gap-s {step_s:g}",
            )
        description = f"a tick every {gap:g} s, times from the gap"
        elapsed = gap * np.arange(len(value), dtype=np.float64)
        return CsvTicks(value, elapsed, None, gap, description)
    absolute = times.zoned if dated else _EPOCH_S <= seconds[0] <= _MAX_TIME_S
    started_at = datetime.fromtimestamp(seconds[0], UTC) if absolute else None
    elapsed = np.interp(np.arange(len(value)), at, seconds - seconds[0])
    description = f"a tick every {gap:g} s, times from the file"
    if dated and not times.zoned:
        description += " without time zone"
    return CsvTicks(value, elapsed, started_at, gap, description)


def _tick(text: str, path: Path, place: str) -> int:
    try:
        tick = int(text)
    except ValueError:
        tick = -1
    if tick < 0:
        reject(path, f"{place} has tick {text!r}", "a whole number, 0 or above")
    return tick


def _value(text: str, path: Path, place: str) -> float:
    value = _VALUES.get(text.strip().lower())
    if value is None:
        reject(path, f"{place} has fail {text!r}", "0, 1, or empty if unknown")
    return value


@dataclass(frozen=True, slots=True)
class _Times:
    """(n,) seconds, since 1970 if `dated`; `zoned`: the dates have a time zone."""

    seconds: FloatArray
    dated: bool
    zoned: bool


def _seconds(times: list[str], places: list[str], path: Path) -> _Times:
    dated = not _is_number(times[0])
    zoned = dated and _has_zone(times[0])
    seconds = np.empty(len(times))
    for row, (text, place) in enumerate(zip(times, places, strict=True)):
        if dated:
            if _has_zone(text) != zoned:
                reject(path, f"{place} has time {text!r}", "a time zone on all lines, or on none")
            with_zone = text if zoned else f"{text}+00:00"
            seconds[row] = (utc(with_zone, path, f"{place} time") - _EPOCH).total_seconds()
        elif _is_number(text):
            seconds[row] = float(text)
        else:
            reject(path, f"{place} has time {text!r}", "a finite number, as in the first line")
    for before in np.flatnonzero(np.diff(seconds) <= 0):
        reject(path, f"{places[before + 1]} is not later than the line before", "increasing times")
    return _Times(seconds, dated, zoned)


def _has_zone(text: str) -> bool:
    """Whether a date has a time zone; True for other text, which is rejected later."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return True


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
