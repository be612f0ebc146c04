"""Traces: availability of pools over time, as observed by probes.

A tick is one probe of whether capacity was available. That is capacity, not the interruption of a
running instance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.market import Pool
from spotlab.errors import InvalidInput

FloatArray = NDArray[np.float64]
MAX_CELLS: Final = 40_000_000
"""Of a panel: number of ticks × number of traces, 8 bytes each."""


@dataclass(frozen=True, slots=True)
class Trace:
    """The ticks of one pool.

    Args:
        name: of the file, such as "us-east-1a_v100_1"; only shown, not interpreted.
        pool: None if unknown.
        started_at: time of the first tick, aware UTC; None if unknown.
        elapsed_h: (n,) hours since the first tick, increasing.
        available: (n,) 1: available, 0: not available, NaN: no record.
        gap_s: nominal seconds between probes.
        source: with its licence, if it has one.
    """

    name: str
    pool: Pool | None
    started_at: datetime | None
    elapsed_h: FloatArray
    available: FloatArray
    gap_s: float
    source: str


@dataclass(frozen=True, slots=True)
class TracePanel:
    """Traces of one campaign on a common grid of ticks.

    Args:
        names, pools: of p traces; pools[i] is None if unknown.
        started_at: time of the first tick, aware UTC; None if unknown.
        elapsed_h: (n,) hours since the first tick, increasing.
        available: (n, p) 1, 0 or NaN; row i contains only what was known at tick i.
        gap_s: nominal seconds between ticks.
        sources: of each trace.
    """

    names: tuple[str, ...]
    pools: tuple[Pool | None, ...]
    started_at: datetime | None
    elapsed_h: FloatArray
    available: FloatArray
    gap_s: float
    sources: tuple[str, ...]

    def until(self, tick: int) -> TracePanel:
        """The panel as known just after tick number `tick`, without later rows."""
        return self._rows(slice(0, tick + 1), self.started_at)

    def window(self, first: int, ticks: int) -> TracePanel:
        """A panel of `ticks` ticks, from tick number `first` on."""
        started = self.started_at
        if started is not None:
            started += timedelta(hours=float(self.elapsed_h[first] - self.elapsed_h[0]))
        return self._rows(slice(first, first + ticks), started)

    def select(self, columns: Sequence[int]) -> TracePanel:
        """The panel of these traces only."""
        return TracePanel(
            tuple(self.names[i] for i in columns),
            tuple(self.pools[i] for i in columns),
            self.started_at,
            self.elapsed_h,
            np.ascontiguousarray(self.available[:, list(columns)]),
            self.gap_s,
            tuple(self.sources[i] for i in columns),
        )

    def _rows(self, rows: slice, started_at: datetime | None) -> TracePanel:
        elapsed = self.elapsed_h[rows]
        return TracePanel(
            self.names,
            self.pools,
            started_at,
            elapsed - elapsed[0] if len(elapsed) else elapsed,
            self.available[rows],
            self.gap_s,
            self.sources,
        )


def align(traces: Sequence[Trace]) -> TracePanel:
    """Put traces of one campaign on one grid: the ticks of the trace that was probed most often.

    The value at a tick is each trace's newest record until then, if it is not older than 1.5 gaps
    of that trace; it never comes from later. If all traces have a start time, they are aligned by
    time; otherwise they are assumed to have started together.

    Raises:
        InvalidInput: no trace, two of one name, too many values, or they never overlap.
    """
    if not traces:
        raise InvalidInput("There is no trace.", remedy="Choose at least one trace file.")
    names = [trace.name for trace in traces]
    if len(set(names)) != len(names):
        duplicates = sorted({name for name in names if names.count(name) > 1})
        raise InvalidInput(
            f"Two traces are named {duplicates[0]!r}.",
            remedy="Give each file a different name.",
        )
    first = min(traces, key=lambda trace: (trace.gap_s, trace.name))
    if len(first.elapsed_h) * len(traces) > MAX_CELLS:
        raise InvalidInput(
            f"{len(traces)} traces of {len(first.elapsed_h):,} ticks are too many.",
            remedy=f"The limit is {MAX_CELLS:,} values: choose fewer or shorter traces.",
        )
    timed = all(trace.started_at is not None for trace in traces)
    columns = [_on_grid(trace, first, _lag_h(trace, first) if timed else 0.0) for trace in traces]
    available = np.column_stack(columns)
    is_empty = np.isnan(available).all(axis=0)
    if is_empty.any():
        name = names[int(np.flatnonzero(is_empty)[0])]
        raise InvalidInput(
            f"Trace {name!r} has no tick within the time of {first.name!r}.",
            remedy="Evaluate traces of different campaigns in separate runs.",
        )
    return TracePanel(
        tuple(names),
        tuple(trace.pool for trace in traces),
        first.started_at if timed else None,
        first.elapsed_h,
        available,
        first.gap_s,
        tuple(trace.source for trace in traces),
    )


def _lag_h(trace: Trace, first: Trace) -> float:
    assert trace.started_at is not None
    assert first.started_at is not None
    return (trace.started_at - first.started_at).total_seconds() / 3600.0


def _on_grid(trace: Trace, grid: Trace, lag_h: float) -> FloatArray:
    elapsed_h = trace.elapsed_h + lag_h
    newest = np.searchsorted(elapsed_h, grid.elapsed_h + 1e-9, side="right") - 1
    values = np.where(newest >= 0, trace.available[np.maximum(newest, 0)], np.nan)
    age_h = grid.elapsed_h - elapsed_h[np.maximum(newest, 0)]
    return np.where(age_h <= 1.5 * trace.gap_s / 3600.0, values, np.nan)
