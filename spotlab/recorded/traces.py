"""Availability and preemption traces from files.

Three forms are read, plain or gzipped:

- JSON `{metadata: {gap_seconds}, data: [nodes available, …]}`;
- JSON rebuilt from several sources: `{gap_seconds, available: [1, 0 or null], tick_times: [{tick,
  time}], availability_zone, instance_type}`;
- CSV `tick,time,fail`.

Polarity and gap are declared, by the file or by the caller, and never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.market import Pool
from spotlab.domain.traces import Trace, TracePanel, align
from spotlab.errors import InvalidInput
from spotlab.recorded.content import read_file, read_json, reject
from spotlab.recorded.trace_csv import MAX_TICKS, read_csv_ticks
from spotlab.recorded.trace_json import MAX_GAP_S, MIN_GAP_S, Ticks, read_json_ticks

FloatArray = NDArray[np.float64]
Polarity = Literal["available", "unavailable"]
TraceFormat = Literal["json", "csv"]

POLARITIES: Final[tuple[Polarity, ...]] = ("available", "unavailable")
FORMATS: Final[tuple[TraceFormat, ...]] = ("json", "csv")
MAX_TRACE_BYTES: Final = 16_000_000
"""The largest trace that is read, uncompressed: over two hundred times the largest recorded."""
_ENDINGS: Final[dict[str, TraceFormat]] = {".json": "json", ".csv": "csv"}


def read_trace(
    path: Path,
    *,
    polarity: Polarity | None = None,
    gap_s: float | None = None,
    format: TraceFormat | None = None,  # noqa: A002
    nodes: int = 1,
    pool: Pool | None = None,
    max_bytes: int = MAX_TRACE_BYTES,
) -> Trace:
    """One trace from a file.

    Args:
        path: of the file, plain or gzipped.
        polarity: what 1 means. JSON counts what is available; a CSV must be told.
        gap_s: nominal seconds from tick to tick, where the file does not say.
        format: None takes the name's ending, or else JSON where the content starts with a brace.
        nodes: how many must be available at once for a tick to count as available.
        pool: which pool it is of, where the file does not say.
        max_bytes: a larger file, uncompressed, is refused.
    Raises:
        InvalidInput: the file cannot be read as a trace; names the file, the place in it and what
            would be right.
    """
    _check_options(polarity, gap_s, nodes)
    content = read_file(path, max_bytes)
    name = _stem(path)
    if (format or _format_of(path, content)) == "csv":
        ticks = _csv_ticks(content, path, polarity, gap_s)
        polarity = "available"
    else:
        ticks = read_json_ticks(read_json(content, path), path, gap_s)
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
) -> list[Trace]:
    """The traces of files and of folders' files, in the order given; a folder's by name.

    Raises:
        InvalidInput: no file, one that is refused, or more ticks than are read at once.
    """
    found, ticks = [], 0
    for path in trace_files(paths):
        trace = read_trace(path, polarity=polarity, gap_s=gap_s, format=format, nodes=nodes)
        ticks += len(trace.available)
        if ticks > MAX_TICKS:
            reject(path, f"with it there are over {MAX_TICKS:,} ticks", "fewer files at a time")
        found.append(trace)
    return found


def trace_files(paths: Path | Iterable[Path]) -> list[Path]:
    """The files that are named, and the JSON and CSV files at any depth of folders that are.

    Raises:
        InvalidInput: a folder holds none, or none is named.
    """
    found: list[Path] = []
    for path in [paths] if isinstance(paths, Path) else paths:
        inside = _trace_files_in(path) if path.is_dir() else [path]
        if not inside:
            reject(path, "the folder holds no trace", "a folder with .json or .csv files")
        found += inside
    if not found:
        raise InvalidInput("No trace was given.", remedy="Name at least one trace file.")
    return found


def panel(
    paths: Path | Iterable[Path],
    *,
    polarity: Polarity | None = None,
    gap_s: float | None = None,
    format: TraceFormat | None = None,  # noqa: A002
    nodes: int = 1,
) -> TracePanel:
    """Files of one campaign on one grid of ticks, so that sibling zones are seen together.

    Raises:
        InvalidInput: as `read_trace` and `align`; files without a date, of several folders.
    """
    files = trace_files(paths)
    traces = read_traces(files, polarity=polarity, gap_s=gap_s, format=format, nodes=nodes)
    folders = sorted({file.resolve().parent for file in files})
    if len(folders) > 1 and any(trace.started_at is None for trace in traces):
        reject(
            folders[0].parent,
            f"its traces are of {len(folders)} folders and do not all say when they started",
            f"the folder of one campaign, such as {folders[0]}",
        )
    return align(on_one_clock(traces))


def on_one_clock(traces: Sequence[Trace]) -> list[Trace]:
    """Give traces that were probed tick by tick together the first one's times.

    Each rebuilt file knows the true time of some ticks only, so that the same tick is a few
    seconds apart in two files. Traces of equally many ticks and one gap share their ticks where at
    least nine ticks of ten are less than half a gap apart.
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
            f"A gap of {gap_s:g} s is none.", remedy="Give from a thousandth of a second to a year."
        )
    if nodes < 1:
        raise InvalidInput(f"{nodes} nodes are none.", remedy="Ask for 1 node or more.")


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


def _csv_ticks(content: bytes, path: Path, polarity: Polarity | None, gap_s: float | None) -> Ticks:
    if polarity is None:
        reject(
            path,
            "a CSV does not say whether 1 means available or unavailable",
            "--polarity unavailable (1 is a failed probe) or --polarity available",
        )
    read = read_csv_ticks(content, path, gap_s)
    nodes = 1.0 - read.value if polarity == "unavailable" else read.value
    told = f"CSV, 1 means {polarity}, {read.description}"
    return Ticks(nodes, read.elapsed_s, read.started_at, read.gap_s, told)


def _available(nodes: FloatArray, path: Path, polarity: Polarity | None, wanted: int) -> FloatArray:
    if polarity == "unavailable":
        if wanted > 1 or np.nanmax(nodes) > 1:
            reject(path, "it counts nodes, and counts are declared unavailable", "0 and 1 only")
        nodes = 1.0 - nodes
    if wanted > 1 and np.nanmax(nodes) < wanted:
        reject(path, f"it never has {wanted} nodes", f"--nodes up to {np.nanmax(nodes):g}")
    return np.where(np.isnan(nodes), np.nan, (nodes >= wanted).astype(np.float64))
