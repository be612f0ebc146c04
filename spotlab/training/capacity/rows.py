"""Training and test rows of traces, with their labels.

The label is 1 if capacity was unavailable at a sampled tick within the horizon, given that it is
available now. A failed launch probe is not an interruption.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import TracePanel
from spotlab.errors import InvalidInput

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]
_Losses = Callable[[FloatArray, FloatArray, float], tuple[NDArray[np.bool_], NDArray[np.bool_]]]
"""(n, p) whether capacity is lost, and whether that is known: from hours, ticks and a horizon."""

SAMPLE_S: Final = 600.0
"""Longest step between sampled ticks, if probes are closer together."""
WARM_UP_H: Final = 24.0
"""Length of a pool's beginning that is skipped, since its features lack history."""
MAX_PROBE_GAP: Final = 0.25
"""Longest gap between the probes of `probed_rows`, as a share of the horizon."""
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
    rows = _rows(panel, horizon_h, warm_up_h, _losses_ahead)
    if not len(rows):
        raise _no_rows_error(panel, horizon_h, warm_up_h)
    return rows


def probed_rows(panel: TracePanel, horizon_h: float) -> CapacityRows:
    """`capacity_rows` of a history whose probes are far apart; there may be no row.

    A row's label is known if no two probes from its own to the end of its horizon are further apart
    than a quarter of the horizon, or one tick. Losses and survivals are known on the same terms: if
    a loss counted wherever one is seen, few probes would raise every level.

    Args:
        panel: ticks in order, with few records.
        horizon_h: hours, at least one tick.
    """
    return _rows(panel, horizon_h, WARM_UP_H, _losses_between_probes)


def with_end_rows(panel: TracePanel, rows: CapacityRows, pools: Rows) -> CapacityRows:
    """The rows, and then one of each of these pools at the last tick, whose label is unknown.

    Rules read the labels of earlier rows only; that of a row at the end is a placeholder.
    """
    size = len(pools)
    last_h = float(panel.elapsed_h[-1])
    return CapacityRows(
        tick=np.r_[rows.tick, np.full(size, len(panel.elapsed_h) - 1)],
        pool=np.r_[rows.pool, pools],
        label=np.r_[rows.label, np.zeros(size)],
        block=np.r_[rows.block, np.full(size, int(last_h // 24.0))],
        elapsed_h=np.r_[rows.elapsed_h, np.full(size, last_h)],
        horizon_h=rows.horizon_h,
        every=rows.every,
    )


def _rows(panel: TracePanel, horizon_h: float, warm_up_h: float, losses: _Losses) -> CapacityRows:
    every = sample_every(panel.gap_s, horizon_h)
    sampled = np.arange(0, len(panel.elapsed_h), every)
    hours, available = panel.elapsed_h[sampled], panel.available[sampled]
    lost, valid = losses(hours, available, horizon_h)
    known = ~np.isnan(panel.available)
    first_h = panel.elapsed_h[np.argmax(known, axis=0)]
    last_h = panel.elapsed_h[len(known) - 1 - np.argmax(known[::-1], axis=0)]
    valid &= (available == 1.0) & (hours[:, None] >= first_h + warm_up_h - _EDGE_H)
    valid &= hours[:, None] + horizon_h <= last_h + _EDGE_H
    tick_index, pool = np.nonzero(valid)
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
    lost, unknown = (
        _any_ahead(hours, each, horizon_h) for each in (available == 0.0, np.isnan(available))
    )
    has_ticks = _any_ahead(hours, np.ones((len(hours), 1), dtype=bool), horizon_h)
    return lost, lost | (has_ticks & ~unknown)


def _losses_between_probes(
    hours: FloatArray, available: FloatArray, horizon_h: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(n, p) whether a probe within the horizon shows a loss, and whether probes are near enough.

    Expects ticks at even steps.
    """
    tick_h = float(hours[1] - hours[0]) if len(hours) > 1 else horizon_h
    limit = max(1, int((horizon_h * MAX_PROBE_GAP + _EDGE_H) / tick_h))
    row = np.arange(len(hours))[:, None]
    last_probe = np.maximum.accumulate(np.where(np.isnan(available), -1, row), axis=0)
    too_long = row - last_probe >= limit
    return (
        _any_ahead(hours, available == 0.0, horizon_h),
        ~_any_ahead(hours, too_long, horizon_h),
    )


def _any_ahead(hours: FloatArray, mask: NDArray[np.bool_], horizon_h: float) -> NDArray[np.bool_]:
    """(n, p) whether the mask is true at a tick after each, up to the horizon."""
    count = np.concatenate([np.zeros((1, mask.shape[1])), np.cumsum(mask, axis=0)])
    start = np.arange(1, len(hours) + 1)
    end = np.searchsorted(hours, hours + horizon_h + _EDGE_H, side="right")
    return np.asarray(count[end] > count[start])


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
