"""Risk of capacity loss at every tick of a panel, for replays and live panels alike.

A live panel is made of own launches and launch probes: see `launch_panel`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import TracePanel
from spotlab.domain.hazard_curve import CapacityForecast
from spotlab.domain.interruptions import LAUNCHES, InterruptionEvent, InterruptionKind
from spotlab.domain.market import Pool
from spotlab.features.capacity_model.features import compute_capacity
from spotlab.inference.capacity import CapacityModel

FloatArray = NDArray[np.float64]
HISTORY: Final = timedelta(days=7)
"""Launches and probes of this time are an availability history."""
TICK: Final = timedelta(minutes=15)
LEAST_READINGS: Final = 12
"""With fewer ticks, a pool has no history that a forecast could rest on."""
NEWEST_WITHIN: Final = timedelta(hours=2)
LIVE_HORIZONS_H: Final = (0.25, 0.5, 1.0, 2.0, 3.0, 6.0, 12.0, 24.0)


def loss_risk(panel: TracePanel, model: CapacityModel, horizon_h: float) -> FloatArray:
    """P(capacity lost within the horizon | available now) for each tick and trace.

    Args:
        panel: n ticks of p traces.
        model: any capacity model.
        horizon_h: hours above 0.
    Returns:
        (n, p) 0..1; NaN where capacity is unavailable or unknown. Row i uses ticks 0..i only.
    Raises:
        InvalidInput: the horizon is invalid, or the model uses features that are not computed.
    """
    return loss_risks(panel, model, [horizon_h])[0]


def loss_risks(
    panel: TracePanel, model: CapacityModel, horizons_h: Sequence[float]
) -> list[FloatArray]:
    """`loss_risk` for several horizons; the features are computed once."""
    tick, trace = np.nonzero(panel.available == 1.0)
    matrix = compute_capacity(panel).select(model.feature_names, tick, trace)
    risks = []
    for horizon_h in horizons_h:
        risk = np.full(panel.available.shape, np.nan)
        risk[tick, trace] = model.loss_probability(matrix, horizon_h)
        risks.append(risk)
    return risks


def launch_panel(
    events: Sequence[InterruptionEvent],
    now: datetime,
    history: timedelta = HISTORY,
    *,
    newest_within: timedelta = NEWEST_WITHIN,
) -> TracePanel | None:
    """The availability history of the pools that own launches and probes know well enough.

    A tick is 1 if the newest launch in it succeeded, 0 if it was refused or an own instance was
    interrupted, and unknown without any.

    Args:
        events: of any kind and age, in any order; those after `now` do not count.
        now: aware UTC, the end of the last tick.
        history: length of the panel.
        newest_within: a pool whose newest reading is older is left out.
    Returns:
        A panel in ticks of TICK; None: no pool has LEAST_READINGS ticks.
    """
    ticks = int(history / TICK)
    started_at = now - ticks * TICK
    columns: dict[Pool, FloatArray] = {}
    launched: set[Pool] = set()
    for event in sorted(events, key=lambda each: each.at):
        if event.kind is InterruptionKind.REBALANCE or not started_at < event.at <= now:
            continue
        if event.kind in LAUNCHES:
            launched.add(event.pool)
        column = columns.setdefault(event.pool, np.full(ticks, np.nan))
        is_up = event.kind is InterruptionKind.LAUNCHED
        column[min(int((event.at - started_at) / TICK), ticks - 1)] = float(is_up)
    recent = int(newest_within / TICK)
    known = {
        pool: column
        for pool, column in columns.items()
        if pool in launched
        and np.count_nonzero(~np.isnan(column)) >= LEAST_READINGS
        and not np.isnan(column[-recent:]).all()
    }
    if not known:
        return None
    pools = sorted(known, key=lambda pool: pool.key)
    hours = np.float64(TICK / timedelta(hours=1))
    return TracePanel(
        tuple(pool.key for pool in pools),
        tuple(pools),
        started_at,
        np.arange(ticks, dtype=np.float64) * hours,
        np.column_stack([known[pool] for pool in pools]),
        TICK.total_seconds(),
        tuple("own launches and launch probes" for _ in pools),
    )


def at_present(panel: TracePanel) -> TracePanel:
    """The panel with each pool's newest reading in its last tick, which is forecast."""
    filled = panel.available.copy()
    filled[-1] = [column[~np.isnan(column)][-1] for column in panel.available.T]
    return replace(panel, available=filled)


def forecasts_of(
    panel: TracePanel, probabilities: Mapping[float, FloatArray], model: str
) -> dict[Pool, CapacityForecast]:
    """Forecasts of a panel's pools, from any forecaster: what a scored market takes.

    Args:
        panel: n ticks of p pools.
        probabilities: (p,) P(capacity lost) by horizon in hours; NaN: no forecast.
        model: what made them, for a person.
    """
    assert panel.started_at is not None, "a panel of launches has a time"
    found = {}
    for number, pool in enumerate(panel.pools):
        values = [(hours, float(each[number])) for hours, each in sorted(probabilities.items())]
        ticks = np.flatnonzero(~np.isnan(panel.available[:, number]))
        if pool is None or not len(ticks) or not all(np.isfinite(value) for _, value in values):
            continue
        at = panel.started_at + (int(ticks[-1]) + 1) * timedelta(seconds=panel.gap_s)
        found[pool] = CapacityForecast(at, model, len(ticks), tuple(values))
    return found


def live_risks(panel: TracePanel, model: CapacityModel) -> dict[float, FloatArray]:
    """(p,) the capacity model's P(lost) by LIVE_HORIZONS_H, of pools that have capacity now.

    Args:
        panel: of launches.
        model: any capacity model.
    """
    risks = loss_risks(at_present(panel), model, LIVE_HORIZONS_H)
    return {h: risk[-1] for h, risk in zip(LIVE_HORIZONS_H, risks, strict=True)}
