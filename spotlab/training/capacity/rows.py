"""Training and test rows of traces, with their labels.

The label is 1 if capacity was unavailable at a sampled tick within the horizon, given that it is
available now. A failed launch probe is not an interruption.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import TracePanel
from spotlab.errors import InvalidInput

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]

SAMPLE_S: Final = 600.0
"""Longest step between sampled ticks, if probes are closer together."""
WARM_UP_H: Final = 24.0
"""Length of a pool's beginning that is skipped, since its features lack history."""
_EDGE_H: Final = 1e-9
_DAYS_PER_CAMPAIGN: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class CapacityRows:
    """Rows of a panel, sorted by tick and then by pool.

    Args:
        tick: (n,) tick number in the panel.
        pool: (n,) column of the panel.
        label: (n,) 1.0 where capacity is lost within the horizon, else 0.0.
        block: (n,) day of the campaign, the unit that intervals resample.
        elapsed_h: (n,) hours since the panel's first tick.
        horizon_h: hours that the label looks ahead.
        every: step between sampled ticks, in ticks.
    """

    tick: Rows
    pool: Rows
    label: FloatArray
    block: Rows
    elapsed_h: FloatArray
    horizon_h: float
    every: int

    def __len__(self) -> int:
        return len(self.tick)

    def campaign_block(self, campaign: int) -> Rows:
        """(n,) `block`, made distinct from the blocks of other campaigns."""
        return self.block + campaign * _DAYS_PER_CAMPAIGN

    def take(self, rows: Rows | NDArray[np.bool_]) -> CapacityRows:
        """A subset of the rows."""
        return CapacityRows(
            self.tick[rows],
            self.pool[rows],
            self.label[rows],
            self.block[rows],
            self.elapsed_h[rows],
            self.horizon_h,
            self.every,
        )


def sample_every(gap_s: float, horizon_h: float) -> int:
    """Step between sampled ticks, in ticks: the longest one of at most ten minutes.

    For a horizon of less than ten minutes the step is at most the horizon; it is at least one tick.

    Args:
        gap_s: seconds from tick to tick.
        horizon_h: hours that the label looks ahead.

    >>> sample_every(195.0, 1.0), sample_every(600.0, 1.0), sample_every(60.0, 1.0)
    (3, 1, 10)
    """
    longest_s = min(SAMPLE_S, horizon_h * 3600.0)
    return max(1, int((longest_s + 1e-6) // gap_s))


def capacity_rows(
    panel: TracePanel,
    horizon_h: float,
    *,
    warm_up_h: float = WARM_UP_H,
) -> CapacityRows:
    """The rows of a panel: sampled ticks at which a pool is available and its label is known.

    A pool's first 24 hours are skipped, and rows whose horizon extends beyond the pool's last
    record. If some ticks within the horizon have no record, the row is used only if another one
    shows a loss: otherwise the label is unknown.

    Args:
        panel: traces, ticks in order.
        horizon_h: hours, above 0.
        warm_up_h: hours skipped at a pool's beginning.
    Raises:
        InvalidInput: the horizon is invalid or shorter than the gap, or there is no row.
    """
    if not 0.0 < horizon_h < np.inf:
        raise InvalidInput(
            f"A horizon of {horizon_h} h is not valid.", remedy="Use a number of hours above 0."
        )
    if horizon_h * 3600.0 < panel.gap_s:
        raise InvalidInput(
            f"A horizon of {horizon_h:g} h is shorter than the {panel.gap_s:g} s between probes.",
            remedy=f"Use {math.ceil(panel.gap_s / 0.36) / 1e4:g} h or more.",
        )
    every = sample_every(panel.gap_s, horizon_h)
    sampled = np.arange(0, len(panel.elapsed_h), every)
    hours, available = panel.elapsed_h[sampled], panel.available[sampled]
    lost, valid = _losses_ahead(hours, available, horizon_h)
    known = ~np.isnan(panel.available)
    first_h = panel.elapsed_h[np.argmax(known, axis=0)]
    last_h = panel.elapsed_h[len(known) - 1 - np.argmax(known[::-1], axis=0)]
    valid &= (available == 1.0) & (hours[:, None] >= first_h + warm_up_h - _EDGE_H)
    valid &= hours[:, None] + horizon_h <= last_h + _EDGE_H
    tick_index, pool = np.nonzero(valid)
    if not len(tick_index):
        raise _no_rows_error(panel, horizon_h, warm_up_h)
    return CapacityRows(
        tick=sampled[tick_index],
        pool=pool,
        label=lost[tick_index, pool].astype(np.float64),
        block=(hours[tick_index] // 24.0).astype(np.intp),
        elapsed_h=hours[tick_index],
        horizon_h=horizon_h,
        every=every,
    )


def time_split(rows: CapacityRows, share: float, panel: TracePanel) -> tuple[Rows, Rows]:
    """Row indices before and after a time; rows whose label extends beyond it are in neither part.

    Args:
        rows: of the panel.
        share: of the campaign's time before the border, 0..1.
        panel: the campaign.
    Raises:
        InvalidInput: a part has no rows.
    """
    border_h = share * float(panel.elapsed_h[-1])
    before = np.flatnonzero(rows.elapsed_h + rows.horizon_h <= border_h + _EDGE_H)
    after = np.flatnonzero(rows.elapsed_h >= border_h)
    if not len(before) or not len(after):
        raise InvalidInput(
            f"A split at {share:.0%} of the time leaves one part with no rows.",
            remedy="Use a longer trace, or a share nearer to a half.",
        )
    return before, after


def _losses_ahead(
    hours: FloatArray, available: FloatArray, horizon_h: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(n, p) whether a tick within the horizon shows a loss, and whether that is known."""
    zero = np.zeros((1, available.shape[1]))
    losses = np.concatenate([zero, np.cumsum(available == 0.0, axis=0)])
    unknowns = np.concatenate([zero, np.cumsum(np.isnan(available), axis=0)])
    start = np.arange(1, len(hours) + 1)
    end = np.searchsorted(hours, hours + horizon_h + _EDGE_H, side="right")
    lost = losses[end] > losses[start]
    unknown = (unknowns[end] > unknowns[start]) | (end <= start)[:, None]
    return lost, lost | ~unknown


def _no_rows_error(panel: TracePanel, horizon_h: float, warm_up_h: float) -> InvalidInput:
    span_h = float(panel.elapsed_h[-1])
    if span_h < warm_up_h + horizon_h:
        return InvalidInput(
            f"The trace is {span_h:.3g} h long: too short for {horizon_h:g} h after a pool's first "
            f"{warm_up_h:g} h.",
            remedy=f"Use a trace of more than {warm_up_h + horizon_h:g} h.",
        )
    return InvalidInput(
        f"No tick after a pool's first {warm_up_h:g} h is available and followed by "
        f"{horizon_h:g} h of records.",
        remedy="Use a trace in which capacity is available at times; check its polarity.",
    )
