"""Ticks of the two JSON forms of a trace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.market import Pool
from spotlab.recorded.content import reject, utc

FloatArray = NDArray[np.float64]

_REGION: Final = re.compile(r"^([a-z]{2,}(?:-[a-z]+)+-\d)[a-z]$")
MIN_GAP_S: Final = 0.001
MAX_GAP_S: Final = 366 * 86_400.0
MAX_KNOWN_TIMES: Final = 10_000
"""Each is compared with all before it; the recorded traces have a hundred."""
_NUMBER_OR_NULL: Final = {int, float, type(None)}


@dataclass(frozen=True, slots=True)
class Ticks:
    """What a JSON trace comes down to.

    Args:
        nodes: (n,) available at each tick; NaN: no record.
        elapsed_s: (n,) seconds since the first tick.
        started_at: aware UTC; None where the file does not say.
        gap_s: nominal seconds from tick to tick.
        told: how it was read, for a person.
        pool: that the file's own fields name.
    """

    nodes: FloatArray
    elapsed_s: FloatArray
    started_at: datetime | None
    gap_s: float
    description: str
    pool: Pool | None = None


def read_json_ticks(document: Any, path: Path, gap_s: float | None) -> Ticks:
    if not isinstance(document, Mapping):
        reject(path, "it is no JSON object", "{metadata: {gap_seconds}, data: […]}")
    if "data" in document:
        metadata = document.get("metadata", {})
        if not isinstance(metadata, Mapping):
            reject(path, "metadata is no object", "metadata: {gap_seconds}")
        gap = _gap(metadata.get("gap_seconds"), gap_s, path, "metadata.gap_seconds")
        nodes = _numbers(document["data"], path, "data")
        told = f"nodes available every {gap:g} s, times from the gap"
        return Ticks(
            nodes,
            gap * np.arange(len(nodes), dtype=np.float64),
            None,
            gap,
            told,
            _pool(document, path),
        )
    if "available" in document:
        gap = _gap(document.get("gap_seconds"), gap_s, path, "gap_seconds")
        nodes = _numbers(document["available"], path, "available")
        at, elapsed_s, known = _tick_times(document.get("tick_times"), len(nodes), gap, path)
        told = f"rebuilt, a tick every {gap:g} s, {known}"
        return Ticks(nodes, elapsed_s, at, gap, told, _pool(document, path))
    return reject(
        path, "it has neither 'data' nor 'available'", "{metadata: {gap_seconds}, data: […]}"
    )


def _gap(value: Any, declared: float | None, path: Path, key: str) -> float:
    if value is None:
        if declared is None:
            reject(path, f"it has no {key}", "the seconds between ticks: --gap-s")
        return declared
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not MIN_GAP_S <= value <= MAX_GAP_S:
        reject(path, f"{key} is {value!r}", "seconds above 0: a thousandth to a year")
    if declared is not None and declared != value:
        reject(
            path, f"{key} is {value:g}, and {declared:g} was declared", "one gap: leave out --gap-s"
        )
    return float(value)


def _numbers(values: Any, path: Path, key: str) -> FloatArray:
    """(n,) 0 or more, NaN where null."""
    if not isinstance(values, list):
        reject(path, f"{key} is no list", "a list of numbers or null")
    if len(values) < 2:
        reject(path, f"{key} has {len(values)} ticks", "at least 2 ticks")
    if set(map(type, values)) - _NUMBER_OR_NULL:
        place = next(i for i, value in enumerate(values) if type(value) not in _NUMBER_OR_NULL)
        reject(path, f"{key}[{place}] is {values[place]!r}", "a number of nodes, or null")
    try:
        found = np.array(values, dtype=np.float64)
    except OverflowError:
        reject(path, f"{key} holds a number beyond any count", "numbers of nodes")
    whole = np.isfinite(found) & (found >= 0) & (found == np.floor(found))
    for row in np.flatnonzero(~whole & ~np.isnan(found)):
        reject(path, f"{key}[{row}] is {values[row]!r}", "a whole number, 0 or above, or null")
    return found


def _tick_times(
    entries: Any, ticks: int, gap_s: float, path: Path
) -> tuple[datetime | None, FloatArray, str]:
    """When the first tick was, seconds since then, and how far true times are known.

    Between known ticks time runs evenly; before the first and after the last a tick takes the
    nominal gap. A tick that is given several times is ambiguous, and so is one that contradicts
    the others: its time counts as unknown.
    """
    nominal = gap_s * np.arange(ticks, dtype=np.float64)
    if entries is None:
        return None, nominal, "times from the gap"
    if not isinstance(entries, list):
        reject(path, "tick_times is no list", "[{tick, time}, …]")
    if len(entries) > MAX_KNOWN_TIMES:
        reject(path, f"tick_times has {len(entries):,} entries", f"up to {MAX_KNOWN_TIMES:,}")
    told: dict[int, list[datetime]] = {}
    for place, entry in enumerate(entries):
        tick = entry.get("tick") if isinstance(entry, Mapping) else None
        if type(tick) is not int or not 0 <= tick < ticks:
            reject(path, f"tick_times[{place}] has no tick", f"a tick of 0 to {ticks - 1}")
        told.setdefault(tick, []).append(utc(entry.get("time"), path, f"tick_times[{place}].time"))
    known = {tick: times[0] for tick, times in sorted(told.items()) if len(set(times)) == 1}
    if not known:
        return None, nominal, "times from the gap"
    origin = next(iter(known.values()))
    at = np.array([*known])
    seconds = np.array([(time - origin).total_seconds() for time in known.values()])
    agreed = _longest_consistent_chain(at, seconds, gap_s)
    if 2 * len(agreed) <= len(at):
        place = next(i for i in range(1, len(at)) if i not in agreed or i - 1 not in agreed)
        wrong = (
            f"the times of ticks {at[place - 1]} and {at[place]} do not fit a gap of {gap_s:g} s"
        )
        reject(path, wrong, "times that increase with the ticks")
    at, seconds = at[agreed], seconds[agreed]
    since = np.interp(np.arange(ticks), at, seconds)
    since[: at[0]] = seconds[0] + nominal[: at[0]] - nominal[at[0]]
    since[at[-1] :] = seconds[-1] + nominal[at[-1] :] - nominal[at[-1]]
    unclear = len(told) - len(at)
    words = f"the true time of {len(at)} ticks is known" + (
        f", that of {unclear} more is contradictory and left out" if unclear else ""
    )
    return origin + timedelta(seconds=float(since[0])), since - since[0], words


def _longest_consistent_chain(at: NDArray[np.int_], seconds: FloatArray, gap_s: float) -> NDArray[np.intp]:
    """The longest chain of known ticks between which a tick took half to twice the gap."""
    length = np.ones(len(at), dtype=np.intp)
    before = np.full(len(at), -1, dtype=np.intp)
    for i in range(1, len(at)):
        pace = (seconds[i] - seconds[:i]) / (gap_s * (at[i] - at[:i]))
        fits = np.where((pace > 0.5) & (pace < 2.0), length[:i], 0)
        longest = int(np.argmax(fits))
        if fits[longest]:
            length[i], before[i] = fits[longest] + 1, longest
    chain = [int(np.argmax(length))]
    while before[chain[-1]] >= 0:
        chain.append(int(before[chain[-1]]))
    return np.array(chain[::-1], dtype=np.intp)


def _pool(document: Mapping[str, Any], path: Path) -> Pool | None:
    """The pool that the file's own fields name; a file's name is never taken for one."""
    zone, instance_type = document.get("availability_zone"), document.get("instance_type")
    if zone is None or instance_type is None:
        return None
    region = _REGION.match(zone) if isinstance(zone, str) else None
    if region is None:
        reject(path, f"availability_zone is {zone!r}", "a zone such as us-east-1a")
    if not isinstance(instance_type, str) or "." not in instance_type:
        reject(path, f"instance_type is {instance_type!r}", "a type such as p3.2xlarge")
    return Pool(region[1], zone, instance_type)
