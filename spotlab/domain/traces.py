"""Availability of pools over time, as probes found it.

A tick is one probe: could the capacity be had at that moment? That is capacity, not an
interruption of a running instance.
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
"""Of a panel: ticks of the grid times traces, 8 bytes each."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One pool's ticks.

    Args:
        name: such as "us-east-1a_v100_1": the file's, for people; nothing is computed from it.
        pool: None where it is not known.
        started_at: time of the first tick, aware UTC; None where it is not known.
        elapsed_h: (n,) hours since the first tick, increasing.
        available: (n,) 1 could be had, 0 could not, NaN no record.
        gap_s: nominal seconds from probe to probe.
        source: where it comes from, with its licence where it has one.
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
    """Traces that were probed together, on one grid of ticks.

    Args:
        names, pools: p traces; pools[i] is None where it is not known.
        started_at: time of the first tick, aware UTC; None where it is not known.
        elapsed_h: (n,) hours since the first tick, increasing.
        available: (n, p) 1, 0 or NaN; row i tells only what was known at tick i.
        gap_s: nominal seconds from tick to tick.
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
        """The panel as it was known just after tick number `tick`: no later row."""
        return self._rows(slice(0, tick + 1), self.started_at)

    def window(self, first: int, ticks: int) -> TracePanel:
        """`ticks` ticks from tick number `first`, as a panel of its own."""
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

    A tick shows each trace's newest record until then, but none older than one and a half of that
    trace's own gaps: nothing comes from later. Where every trace says when it started, the clock
    decides; else they are taken to have started together.

    Raises:
        InvalidInput: no trace, two of one name, too many values, or they never overlap.
    """
    if not traces:
        raise InvalidInput("No trace was given.", remedy="Name at least one trace file.")
    names = [trace.name for trace in traces]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InvalidInput(
            f"Two traces are named {twice[0]!r}.", remedy="Give each file another name."
        )
    first = min(traces, key=lambda trace: (trace.gap_s, trace.name))
    if len(first.elapsed_h) * len(traces) > MAX_CELLS:
        raise InvalidInput(
            f"{len(traces)} traces of {len(first.elapsed_h):,} ticks are too many at once.",
            remedy=f"Up to {MAX_CELLS:,} values are aligned: give fewer traces, or shorter ones.",
        )
    clocked = all(trace.started_at is not None for trace in traces)
    columns = [_on_grid(trace, first, _lag_h(trace, first) if clocked else 0.0) for trace in traces]
    available = np.column_stack(columns)
    if np.isnan(available).all(axis=0).any():
        alone = names[int(np.flatnonzero(np.isnan(available).all(axis=0))[0])]
        raise InvalidInput(
            f"Trace {alone!r} has no tick within the time of {first.name!r}.",
            remedy="Evaluate traces of different campaigns in separate runs.",
        )
    return TracePanel(
        tuple(names),
        tuple(trace.pool for trace in traces),
        first.started_at if clocked else None,
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
    own = trace.elapsed_h + lag_h
    newest = np.searchsorted(own, grid.elapsed_h + 1e-9, side="right") - 1
    seen = np.where(newest >= 0, trace.available[np.maximum(newest, 0)], np.nan)
    age_h = grid.elapsed_h - own[np.maximum(newest, 0)]
    return np.where(age_h <= 1.5 * trace.gap_s / 3600.0, seen, np.nan)
