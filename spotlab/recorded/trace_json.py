"""Reader of traces in their two JSON formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.market import Pool
from spotlab.recorded.file_reading import reject, utc
from spotlab.recorded.zone_names import NO_ZONE_IDS, ZoneIds, checked_region, zone_name

FloatArray = NDArray[np.float64]

MIN_GAP_S: Final = 0.001
MAX_GAP_S: Final = 366 * 86_400.0
MAX_KNOWN_TIMES: Final = 10_000
"""Each is compared with all earlier ones; the recorded traces have about a hundred."""
_NUMBER_OR_NULL: Final = {int, float, type(None)}


@dataclass(frozen=True, slots=True)
class Ticks:
    """The ticks of a trace.

    Args:
        nodes: (n,) nodes available at each tick; NaN: no record.
        elapsed_s: (n,) seconds since the first tick.
        started_at: aware UTC; None: unknown.
        gap_s: nominal seconds between ticks.
        description: how it was read.
        pool: as named by the file; None: not named.
    """

    nodes: FloatArray
    elapsed_s: FloatArray
    started_at: datetime | None
    gap_s: float
    description: str
    pool: Pool | None = None


def read_json_ticks(
    document: Any, path: Path, gap_s: float | None, zone_ids: ZoneIds = NO_ZONE_IDS
) -> Ticks:
    """The ticks of a JSON document.

    Args:
        document: as JSON gives it.
        path: of the file.
        gap_s: nominal seconds between ticks, if the document does not contain them.
        zone_ids: the account's names of zone ids.

    Raises:
        InvalidInput: names the place and the expected value.
    """
    if not isinstance(document, Mapping):
        reject(path, "it is not a JSON object", "{metadata: {gap_seconds}, data: […]}")
    pool = _pool(document, path, zone_ids)
    if "data" in document:
        metadata = document.get("metadata", {})
        if not isinstance(metadata, Mapping):
            reject(path, "metadata is not an object", "metadata: {gap_seconds}")
        gap = _gap(metadata.get("gap_seconds"), gap_s, path, "metadata.gap_seconds")
        nodes = _numbers(document["data"], path, "data")
        description = f"nodes available every {gap:g} s, times from the gap"
        elapsed_s = gap * np.arange(len(nodes), dtype=np.float64)
        return Ticks(nodes, elapsed_s, None, gap, description, pool)
    if "available" in document:
        gap = _gap(document.get("gap_seconds"), gap_s, path, "gap_seconds")
        nodes = _numbers(document["available"], path, "available")
        started_at, elapsed_s, basis = _tick_times(
            document.get("tick_times"), len(nodes), gap, path
        )
        description = f"rebuilt, a tick every {gap:g} s, {basis}"
        return Ticks(nodes, elapsed_s, started_at, gap, description, pool)
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
        reject(path, f"{key} is {value!r}", "seconds, from a thousandth to a year")
    if declared is not None and declared != value:
        reject(path, f"{key} is {value:g}, but --gap-s is {declared:g}", "one gap: omit --gap-s")
    return float(value)


def _numbers(values: Any, path: Path, key: str) -> FloatArray:
    """(n,) 0 or more, NaN where null."""
    if not isinstance(values, list):
        reject(path, f"{key} is not a list", "a list of numbers or null")
    if len(values) < 2:
        reject(path, f"{key} has {len(values)} ticks", "at least 2 ticks")
    if set(map(type, values)) - _NUMBER_OR_NULL:
        index = next(i for i, value in enumerate(values) if type(value) not in _NUMBER_OR_NULL)
        reject(path, f"{key}[{index}] is {values[index]!r}", "a number of nodes, or null")
    try:
        nodes = np.array(values, dtype=np.float64)
    except OverflowError:
        reject(path, f"{key} has a number that is too large", "numbers of nodes")
    valid = np.isfinite(nodes) & (nodes >= 0) & (nodes == np.floor(nodes))
    for row in np.flatnonzero(~valid & ~np.isnan(nodes)):
        reject(path, f"{key}[{row}] is {values[row]!r}", "a whole number, 0 or above, or null")
    return nodes


def _tick_times(
    entries: Any, ticks: int, gap_s: float, path: Path
) -> tuple[datetime | None, FloatArray, str]:
    """Time of the first tick, seconds since then, and a description of their basis.

    Times are interpolated between known ticks; before the first and after the last, ticks are the
    nominal gap apart. A tick with several times, or with a time that contradicts the others, counts
    as unknown.
    """
    nominal = gap_s * np.arange(ticks, dtype=np.float64)
    if entries is None:
        return None, nominal, "times from the gap"
    if not isinstance(entries, list):
        reject(path, "tick_times is not a list", "[{tick, time}, …]")
    if len(entries) > MAX_KNOWN_TIMES:
        reject(path, f"tick_times has {len(entries):,} entries", f"up to {MAX_KNOWN_TIMES:,}")
    times_of: dict[int, list[datetime]] = {}
    for index, entry in enumerate(entries):
        tick = entry.get("tick") if isinstance(entry, Mapping) else None
        if type(tick) is not int or not 0 <= tick < ticks:
            reject(path, f"tick_times[{index}] has no tick", f"a tick from 0 to {ticks - 1}")
        time = utc(entry.get("time"), path, f"tick_times[{index}].time")
        times_of.setdefault(tick, []).append(time)
    known = {tick: times[0] for tick, times in sorted(times_of.items()) if len(set(times)) == 1}
    if not known:
        return None, nominal, "times from the gap"
    origin = next(iter(known.values()))
    at = np.array([*known])
    seconds = np.array([(time - origin).total_seconds() for time in known.values()])
    consistent = _longest_consistent_chain(at, seconds, gap_s)
    if 2 * len(consistent) <= len(at):
        index = next(i for i in range(1, len(at)) if not {i - 1, i} <= set(consistent))
        problem = (
            f"the times of ticks {at[index - 1]} and {at[index]} do not fit a gap of {gap_s:g} s"
        )
        reject(path, problem, "times that increase with the ticks")
    at, seconds = at[consistent], seconds[consistent]
    since = np.interp(np.arange(ticks), at, seconds)
    since[: at[0]] = seconds[0] + nominal[: at[0]] - nominal[at[0]]
    since[at[-1] :] = seconds[-1] + nominal[at[-1] :] - nominal[at[-1]]
    contradictory = len(times_of) - len(at)
    basis = f"the true time of {len(at)} ticks is known" + (
        f", that of {contradictory} more is contradictory and ignored" if contradictory else ""
    )
    return origin + timedelta(seconds=float(since[0])), since - since[0], basis


def _longest_consistent_chain(
    at: NDArray[np.int_], seconds: FloatArray, gap_s: float
) -> NDArray[np.intp]:
    """Indexes of the longest chain of known ticks that are half to twice the gap apart."""
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


def _pool(document: Mapping[str, Any], path: Path, zone_ids: ZoneIds) -> Pool | None:
    """The pool that the file's fields name; the file's own name is not used."""
    zone, instance_type = document.get("availability_zone"), document.get("instance_type")
    if zone is None or instance_type is None:
        return None
    if not isinstance(zone, str):
        reject(path, f"availability_zone is {zone!r}", "a zone such as us-east-1a")
    zone = zone_name(zone, zone_ids, path, "availability_zone")
    region = checked_region(zone, path, "availability_zone")
    if not isinstance(instance_type, str) or "." not in instance_type:
        reject(path, f"instance_type is {instance_type!r}", "a type such as p3.2xlarge")
    return Pool(region, zone, instance_type)
