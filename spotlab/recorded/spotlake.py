"""Reader of SpotLake exports.

SpotLake (Lee, Hwang and Lee: "SpotLake: Diverse Spot Instance Dataset Archive Service", IISWC 2022)
collects spot prices, placement scores and advisor data several times a day. Its data is licensed
under CC BY-NC 4.0: with attribution, it may be viewed and used for evaluation, but no shipped model
is trained on it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pandas as pd

from spotlab.domain.instance_types import parse_type
from spotlab.domain.odd_records import SetAside
from spotlab.recorded.file_reading import MAX_BYTES, RecordedTable, csv_lines, read_file, reject
from spotlab.recorded.zone_names import NO_ZONE_IDS, ZoneIds, zone_name

NOTICE: Final = (
    "SpotLake data (spotlake.ddps.cloud) is licensed under CC BY-NC 4.0: name SpotLake as the "
    "source, and use it for non-commercial purposes only. No shipped model is trained on it."
)
CSV_COLUMNS: Final = (
    "Time",
    "InstanceType",
    "Region",
    "AZ",
    "SPS",
    "T3",
    "T2",
    "IF",
    "OndemandPrice",
    "SpotPrice",
    "Savings",
)
COLUMNS: Final = (
    "event_time",
    "instance_type",
    "region",
    "availability_zone",
    "placement_score",
    "nodes_at_score_3",
    "nodes_at_score_2",
    "interruption_free_score",
    "on_demand_price_usd_per_hour",
    "spot_price_usd_per_hour",
    "savings_percent",
)
"""Columns of the result, in the order of CSV_COLUMNS.

The placement score is 1..10 or 1..3, the interruption-free score 1.0 (over 20 % a month) to 3.0
(under 5 %); `nodes_at_score_3` is the largest number of nodes with a score of 3.
"""
_MAXIMUM: Final = {
    "SPS": 10.0,
    "T3": 10_000.0,
    "T2": 10_000.0,
    "IF": 3.0,
    "OndemandPrice": 10_000.0,
    "SpotPrice": 10_000.0,
    "Savings": 100.0,
}
_UNKNOWN: Final = re.compile(r"([-\u2212]1(\.0*)?)?")
_REGION: Final = re.compile(r"^[a-z]{2,}(?:-[a-z]+)+-\d+$")


def read_spotlake(
    path: Path,
    *,
    zone_ids: ZoneIds = NO_ZONE_IDS,
    columns: Sequence[str] = (),
    max_bytes: int = MAX_BYTES,
) -> RecordedTable:
    """Read a SpotLake CSV; -1 and empty fields are unknown.

    Columns may be in any order and in upper or lower case. `Time` is in UTC, as SpotLake publishes
    it. `AZ` is preserved as written, unless the account's names of zone ids are given. A line for a
    time and pool that an earlier line has is left out and told; an odd line is set aside.

    Args:
        path: of the file.
        zone_ids: the account's names of zone ids.
        columns: names of its columns, in order, if it has no header line.
        max_bytes: a file that is larger, uncompressed, is rejected.
    Raises:
        InvalidInput: names the file, the line and the expected value.
    """
    content = read_file(path, max_bytes).removeprefix(b"\xef\xbb\xbf")
    header, separator, lines = content.partition(b"\n")
    written = header.decode("utf-8", errors="replace").split(",")
    if not columns or has_spotlake_header(written):
        content = ",".join(_canonical_names(written, path)).encode() + separator + lines
    declared = _canonical_names(columns, path)
    odd, listed = SetAside(), 0
    rows: dict[tuple[object, ...], tuple[tuple[object, ...], str]] = {}
    repeated: list[str] = []
    for place, line in csv_lines(content, path, CSV_COLUMNS, declared):
        listed += 1
        with odd.record():
            row = _row(line, path, place, zone_ids)
            known, at = rows.setdefault(row[:4], (row, place))
            if at == place:
                continue
            if repr(known) == repr(row):  # NaN does not equal itself
                repeated.append(f"{path}: {place} repeats {at}.")
            else:
                what = f"{place} has other values than {at} for the same time and pool"
                reject(path, f"{what}; the earlier line is used", "one line per time and pool")
    set_aside = odd.reasons(listed)
    if not rows:
        reject(path, "it has no rows", "at least one line below the header")
    frame = pd.DataFrame([row for row, _ in rows.values()], columns=[*COLUMNS])
    rejected = (*repeated, *set_aside)
    return RecordedTable(frame, f"{path.name} (SpotLake export)", rejected, notice=NOTICE)


def has_spotlake_header(names: Iterable[str]) -> bool:
    """Whether a header line is that of a SpotLake export."""
    return {_folded(name) for name in names}.issuperset(map(_folded, CSV_COLUMNS))


def _canonical_names(written: Sequence[str], path: Path) -> list[str]:
    """The names of columns in the letter case of CSV_COLUMNS."""
    canonical = {_folded(name): name for name in CSV_COLUMNS}
    names = [canonical.get(_folded(name), name.strip()) for name in written]
    for name in CSV_COLUMNS:
        if names.count(name) > 1:
            reject(path, f"it has the column {name} {names.count(name)} times", "each column once")
    return names


def _folded(name: str) -> str:
    return name.strip().strip('"').strip().casefold().replace("_", "")


def _row(line: Mapping[str, str], path: Path, place: str, zone_ids: ZoneIds) -> tuple[object, ...]:
    try:
        parsed = datetime.fromisoformat(line["Time"].strip())
        at = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        reject(path, f"{place} has Time {line['Time']!r}", "a time such as 2024-05-01 12:00:00")
    try:
        parse_type(line["InstanceType"])
    except ValueError as exc:
        reject(path, f"{place}: {exc}", "an instance type such as m6i.xlarge")
    if not _REGION.match(line["Region"]):
        reject(path, f"{place} has Region {line['Region']!r}", "a region such as us-east-1")
    zone: str | None = line["AZ"].strip()
    if _is_unknown(str(zone)):
        zone = None
    elif zone_ids:
        zone = zone_name(str(zone), zone_ids, path, place)
    numbers = (_number(line[column], column, path, place) for column in _MAXIMUM)
    return (pd.Timestamp(at), line["InstanceType"], line["Region"], zone, *numbers)


def _is_unknown(text: str) -> bool:
    return _UNKNOWN.fullmatch(text.strip()) is not None


def _number(text: str, column: str, path: Path, place: str) -> float:
    if _is_unknown(text):
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    minimum = -100.0 if column == "Savings" else 0.0
    if not minimum <= value <= _MAXIMUM[column]:
        expected = f"a number in {minimum:g}..{_MAXIMUM[column]:g}, or -1 if unknown"
        reject(path, f"{place} has {column} {text!r}", expected)
    return value
