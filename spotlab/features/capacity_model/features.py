"""Capacity features, computed from availability only.

Training, evaluation, the gym's replay and live panels all call `compute_capacity`. Row i depends on
ticks 0..i only. Names, zones and clock times are not used, so that pools outside the training data
are treated like any other.

The gap between probes of a trace is one to fifteen minutes, and a shorter gap shows more short
losses. So features that count losses use ticks about ten minutes apart, ending at the current one,
whatever the gap. Shares of availability use every tick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import TracePanel
from spotlab.domain.features import Matrix
from spotlab.errors import InvalidInput
from spotlab.features.capacity_model.history import (
    DAY_WEIGHT,
    PoolHistory,
    running_counts,
    share_of,
)
from spotlab.features.capacity_model.registry import (
    CAPACITY_FEATURES,
    NAMES,
    OTHERS,
    TIMES_OF_DAY_H,
    WINDOWS_H,
)
from spotlab.features.capacity_model.sibling_zones import OtherPools

__all__ = ["CAPACITY_FEATURES", "NAMES", "OTHERS", "CapacityFrame", "compute_capacity"]

FloatArray = NDArray[np.float64]

STEP_S: Final = 600.0
"""Longest step between the ticks in which losses are counted."""
_PRIOR_H: Final = 1.0
"""Hours of the prior that is added to a pool's rates."""
_PRIOR_LOST: Final = 0.2
_PRIOR_BASE_H: Final = 3.25
_HALF_LIVES_H: Final = {"20min": 0.3, "1h": 1.0}


@dataclass(frozen=True, slots=True)
class CapacityFrame:
    """Features of every tick of every trace.

    Args:
        names: f feature names, in column order.
        values: (n, p, f) float64; NaN is unknown.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]

    def rows(self, tick: NDArray[np.intp], pool: NDArray[np.intp]) -> Matrix:
        """(m, f) every feature of m ticks of m traces."""
        return np.ascontiguousarray(self.values[tick, pool])

    def select(
        self, names: Sequence[str], tick: NDArray[np.intp], pool: NDArray[np.intp]
    ) -> Matrix:
        """(m, len(names)) these features, in this order, of m ticks of m traces.

        Raises:
            InvalidInput: there is no such feature.
        """
        unknown = [name for name in names if name not in self.names]
        if unknown:
            raise InvalidInput(
                f"No capacity feature is named {', '.join(unknown)}.",
                remedy=f"Available: {', '.join(self.names)}.",
            )
        return np.ascontiguousarray(
            self.values[tick, pool][:, [self.names.index(name) for name in names]]
        )


def compute_capacity(panel: TracePanel) -> CapacityFrame:
    """Every feature of every tick.

    Args:
        panel: n ticks of p traces.
    Returns:
        (n, p, f) values in the order of CAPACITY_FEATURES. Rows of unavailable ticks have values
        too, but no risk: there is no capacity to lose.
    """
    n, p = panel.available.shape
    values = np.full((n, p, len(NAMES)), np.nan)
    every = max(1, int((STEP_S + 1e-6) // panel.gap_s))
    history = PoolHistory(panel.elapsed_h, panel.available, panel.gap_s / 3600.0)
    columns = _shares(history)
    for phase in range(min(every, n)):
        rows = slice(phase, None, every)
        sampled = PoolHistory(
            panel.elapsed_h[rows], panel.available[rows], every * panel.gap_s / 3600.0
        )
        for name, column in _events(sampled).items():
            values[rows, :, NAMES.index(name)] = column
    for name, column in columns.items():
        values[:, :, NAMES.index(name)] = column
    if p > 1:
        others = OtherPools(panel.elapsed_h, panel.available)
        for name, column in _of_others(history, columns, others, every).items():
            values[:, :, NAMES.index(name)] = column
    return CapacityFrame(NAMES, values)


def _shares(past: PoolHistory) -> dict[str, FloatArray]:
    columns = {f"available_{h}h": past.share_available(float(h)) for h in WINDOWS_H}
    columns["yesterday_available"] = share_of(
        past.on_day(past.ups, 1, 0.0, 1.0), past.on_day(past.records, 1, 0.0, 1.0)
    )
    for h in TIMES_OF_DAY_H:
        columns[f"daily_available_{h}h"] = share_of(
            past.at_this_time_of_day(past.ups, 0.0, float(h)),
            past.at_this_time_of_day(past.records, 0.0, float(h)),
        )
    after, before = (
        share_of(
            past.at_this_time_of_day(past.ups, start, end),
            past.at_this_time_of_day(past.records, start, end),
        )
        for start, end in ((0.0, 1.5), (-1.0, 0.0))
    )
    columns["daily_change"] = np.nan_to_num(after - before, nan=0.0)
    return columns


def _events(past: PoolHistory) -> dict[str, FloatArray]:
    columns = {
        "streak_h": past.spell_h,
        "last_outage_h": past.last_spell_h(past.regained),
        "last_stay_h": past.last_spell_h(past.lost),
    }
    for h, around_h in zip(TIMES_OF_DAY_H, (0.5, 1.5), strict=True):
        lost = past.at_this_time_of_day(past.losses, 0.0, float(h))
        up_h = past.at_this_time_of_day(past.ups, 0.0, float(h)) * past.tick_h
        columns[f"daily_loss_rate_{h}h"] = (lost + 0.2 * _PRIOR_H) / (up_h + _PRIOR_H)
        columns[f"daily_lost_{h}h"] = _daily_lost(past, float(h), around_h)
    return columns


def _daily_lost(past: PoolHistory, horizon_h: float, around_h: float) -> FloatArray:
    lost = running_counts(past.lost_within(horizon_h))
    horizon_ago = np.searchsorted(past.hours, past.hours - horizon_h - 1e-9, side="right")
    prior = _PRIOR_BASE_H / past.tick_h
    base = (lost[horizon_ago] + _PRIOR_LOST * prior) / (past.ups[horizon_ago] + prior)
    near = past.at_this_time_of_day(lost, -around_h, around_h, DAY_WEIGHT)
    available = past.at_this_time_of_day(past.ups, -around_h, around_h, DAY_WEIGHT)
    weight = _PRIOR_H / past.tick_h
    return (near + weight * base) / (available + weight)


def _of_others(
    history: PoolHistory, shares: dict[str, FloatArray], others: OtherPools, every: int
) -> dict[str, FloatArray]:
    day = shares["available_24h"]
    differences = {
        "others_surprise": history.available - day,
        "others_change_1h": shares["available_1h"] - day,
        "others_change_3h": shares["available_3h"] - day,
        "others_daily_change": np.where(
            np.isnan(history.available), np.nan, shares["daily_change"]
        ),
    }
    columns = {name: np.clip(others.mean(x), -1.0, 1.0) for name, x in differences.items()}
    known = others.total(history.known.astype(np.float64))
    for name, half_life_h in _HALF_LIVES_H.items():
        lost, up_h = (np.empty_like(day) for _ in range(2))
        for phase in range(min(every, len(day))):
            rows = slice(phase, None, every)
            sampled = PoolHistory(
                history.hours[rows], history.available[rows], history.tick_h * every
            )
            lost[rows], up_h[rows] = sampled.recent_rate(sampled.lost, half_life_h)
        rate = (others.total(lost) + 0.05 * known) / np.maximum(
            others.total(up_h) + 0.3 * known, 1e-9
        )
        columns[f"others_loss_rate_{name}"] = np.where(known > 0.0, rate, np.nan)
    return columns
