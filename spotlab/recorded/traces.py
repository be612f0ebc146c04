"""Availability and preemption traces from files.

Three formats are read, plain or gzipped:

- JSON `{metadata: {gap_seconds}, data: [nodes available, …]}`;
- JSON rebuilt from several sources: `{gap_seconds, available: [1, 0 or null], tick_times: [{tick,
  time}], availability_zone, instance_type}`;
- CSV `tick,time,fail`.

Polarity and gap are declared by the file or by the caller, and never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import Trace, TracePanel, align
from spotlab.domain.market import Pool
from spotlab.errors import InvalidInput
from spotlab.recorded.file_reading import read_file, read_json, reject
from spotlab.recorded.trace_csv import MAX_TICKS, read_csv_ticks
from spotlab.recorded.trace_json import MAX_GAP_S, MIN_GAP_S, Ticks, read_json_ticks
from spotlab.recorded.zone_names import NO_ZONE_IDS, ZoneIds

FloatArray = NDArray[np.float64]
Polarity = Literal["available", "unavailable"]
TraceFormat = Literal["json", "csv"]

POLARITIES: Final[tuple[Polarity, ...]] = ("available", "unavailable")
FORMATS: Final[tuple[TraceFormat, ...]] = ("json", "csv")
MAX_TRACE_BYTES: Final = 16_000_000
"""Size limit of a trace, uncompressed: over 200 times the largest recorded one."""
_ENDINGS: Final[dict[str, TraceFormat]] = {".json": "json", ".csv": "csv"}


def read_trace(
    path: Path,
    *,
    polarity: Polarity | None = None,
    gap_s: float | None = None,
    format: TraceFormat | None = None,  # noqa: A002
    nodes: int = 1,
    columns: Sequence[str] = (),
    zone_ids: ZoneIds = NO_ZONE_IDS,
    pool: Pool | None = None,
    max_bytes: int = MAX_TRACE_BYTES,
) -> Trace:
    """Read one trace from a file.

    Args:
        path: of the file, plain or gzipped.
        polarity: what 1 means; required for CSV, "available" by default for JSON.
        gap_s: nominal seconds between ticks, if the file does not contain them.
        format: None: by the name's ending, or else JSON if the content starts with a brace.
        nodes: number of nodes that must be available for a tick to count as available.
        columns: names of a CSV's columns, in order, if it has no header line.
        zone_ids: the account's names of zone ids.
        pool: the trace's pool, if the file does not name it.
        max_bytes: a file that is larger, uncompressed, is rejected.
    Raises:
        InvalidInput: the file is not a valid trace; names the file, the place in it and the
            expected value.
    """
    _check_options(polarity, gap_s, nodes)
    content = read_file(path, max_bytes)
    name = _stem(path)
    if (format or _format_of(path, content)) == "csv":
        ticks = _csv_ticks(content, path, polarity, gap_s, columns)
        polarity = "available"
    else:
        ticks = read_json_ticks(read_json(content, path), path, gap_s, zone_ids)
    if np.isnan(ticks.nodes).all():
        reject(path, "no tick has a record", "at least one tick that is 0 or more")
    return Trace(
        name=name,
        pool=ticks.pool or pool,
        started_at=ticks.started_at,
        elapsed_h=ticks.elapsed_s / 3600.0,
        available=_available(ticks.nodes, path, polarity, nodes),
        gap_s=ticks.gap_s,
        source=f"{path.name} ({ticks.description}; available means {nodes} or more nodes)",
    )


def read_traces(
    paths: Path | Iterable[Path],
    *,
    polarity: Polarity | None = None,
    gap_s: float | None = None,
    format: TraceFormat | None = None,  # noqa: A002
    nodes: int = 1,
    columns: Sequence[str] = (),
    zone_ids: ZoneIds = NO_ZONE_IDS,
) -> list[Trace]:
    """Read the traces of files and folders, in the given order; those of a folder by name.

    Raises:
        InvalidInput: no file, a rejected file, or more ticks than MAX_TICKS together.
    """
    traces, ticks = [], 0
    for path in trace_files(paths):
        trace = read_trace(
            path,
            polarity=polarity,
            gap_s=gap_s,
            format=format,
            nodes=nodes,
            columns=columns,
            zone_ids=zone_ids,
        )
        ticks += len(trace.available)
        if ticks > MAX_TICKS:
            reject(path, f"with it there are over {MAX_TICKS:,} ticks", "fewer files at a time")
        traces.append(trace)
    return traces


def read_node_counts(path: Path, max_bytes: int = MAX_TRACE_BYTES) -> Ticks:
    """The number of available nodes at each tick of a JSON trace. Raises InvalidInput."""
    return read_json_ticks(read_json(read_file(path, max_bytes), path), path, None)


def trace_files(paths: Path | Iterable[Path]) -> list[Path]:
    """The given files, and the JSON and CSV files at any depth of the given folders.

    Raises:
        InvalidInput: a folder has no trace, or no path is given.
    """
    files: list[Path] = []
    for path in [paths] if isinstance(paths, Path) else paths:
        of_path = _trace_files_in(path) if path.is_dir() else [path]
        if not of_path:
            reject(path, "the folder has no trace", "a folder with .json or .csv files")
        files += of_path
    if not files:
        raise InvalidInput("No trace was given.", remedy="Specify at least one trace file.")
    return files


def read_panel(
    paths: Path | Iterable[Path],
    *,
    polarity: Polarity | None = None,
    gap_s: float | None = None,
    format: TraceFormat | None = None,  # noqa: A002
    nodes: int = 1,
    columns: Sequence[str] = (),
    zone_ids: ZoneIds = NO_ZONE_IDS,
) -> TracePanel:
    """Read files of one campaign and align them on one grid of ticks.

    Raises:
        InvalidInput: as in `read_trace` and `align`; or files of several folders without a date.
    """
    files = trace_files(paths)
    traces = read_traces(
        files,
        polarity=polarity,
        gap_s=gap_s,
        format=format,
        nodes=nodes,
        columns=columns,
        zone_ids=zone_ids,
    )
    folders = sorted({file.resolve().parent for file in files})
    if len(folders) > 1 and any(trace.started_at is None for trace in traces):
        reject(
            folders[0].parent,
            f"its traces are from {len(folders)} folders and not all of them have a start time",
            f"the folder of one campaign, such as {folders[0]}",
        )
    return align(share_tick_times(traces))


def share_tick_times(traces: Sequence[Trace]) -> list[Trace]:
    """Set the times of traces that were probed together to those of the first one.

    A rebuilt file has the true time of some ticks only, so the same tick may differ by some seconds
    between files. Traces count as probed together if they have the same number of ticks and the
    same gap, and at least 90 % of their ticks differ by less than half a gap.
    """
    if not traces:
        return []
    first = min(traces, key=lambda trace: (trace.gap_s, trace.name))
    return [
        replace(trace, started_at=first.started_at, elapsed_h=first.elapsed_h)
        if _same_ticks(trace, first)
        else trace
        for trace in traces
    ]


def _same_ticks(trace: Trace, first: Trace) -> bool:
    if len(trace.elapsed_h) != len(first.elapsed_h) or trace.gap_s != first.gap_s:
        return False
    if trace.started_at is None or first.started_at is None:
        return False
    lag_s = (trace.started_at - first.started_at).total_seconds()
    apart_s = np.abs((trace.elapsed_h - first.elapsed_h) * 3600.0 + lag_s)
    return bool(np.quantile(apart_s, 0.9) < first.gap_s / 2.0)


def _check_options(polarity: str | None, gap_s: float | None, nodes: int) -> None:
    if polarity is not None and polarity not in POLARITIES:
        raise InvalidInput(
            f"Polarity {polarity!r} is unknown.", remedy="Use: available, unavailable."
        )
    if gap_s is not None and not MIN_GAP_S <= gap_s <= MAX_GAP_S:
        raise InvalidInput(
            f"A gap of {gap_s:g} s is out of range.", remedy="Use 0.001 s to a year."
        )
    if nodes < 1:
        raise InvalidInput(f"The number of nodes is {nodes}.", remedy="Use 1 node or more.")


def _trace_files_in(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and any(path.name.removesuffix(".gz").endswith(end) for end in _ENDINGS)
    )


def _stem(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).stem


def _format_of(path: Path, content: bytes) -> TraceFormat:
    ending = Path(path.name.removesuffix(".gz")).suffix.lower()
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    return "json" if content.lstrip()[:1] == b"{" else "csv"


def _csv_ticks(
    content: bytes,
    path: Path,
    polarity: Polarity | None,
    gap_s: float | None,
    columns: Sequence[str],
) -> Ticks:
    if polarity is None:
        reject(
            path,
            "a CSV does not specify whether 1 means available or unavailable",
            "--polarity unavailable (1 is a failed probe) or --polarity available",
        )
    ticks = read_csv_ticks(content, path, gap_s, columns)
    nodes = 1.0 - ticks.value if polarity == "unavailable" else ticks.value
    description = f"CSV, 1 means {polarity}, {ticks.description}"
    return Ticks(nodes, ticks.elapsed_s, ticks.started_at, ticks.gap_s, description)


def _available(
    nodes: FloatArray, path: Path, polarity: Polarity | None, min_nodes: int
) -> FloatArray:
    if polarity == "unavailable":
        if min_nodes > 1 or np.nanmax(nodes) > 1:
            reject(path, "it counts nodes, so polarity cannot be 'unavailable'", "only 0 and 1")
        nodes = 1.0 - nodes
    if min_nodes > 1 and np.nanmax(nodes) < min_nodes:
        reject(path, f"it never has {min_nodes} nodes", f"--nodes up to {np.nanmax(nodes):g}")
    return np.where(np.isnan(nodes), np.nan, (nodes >= min_nodes).astype(np.float64))
