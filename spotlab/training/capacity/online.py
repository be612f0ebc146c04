"""Online forecasts of a campaign: the model and the simple rules, aggregated as labels come in.

Shorter horizons are forecast beside the one that is asked for: their outcomes are known earlier,
and show which expert to trust. A label is known when its horizon has passed, also where a loss was
seen before: losses that count at once, while survivals wait, would bias every level upwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import TracePanel
from spotlab.domain.instance_types import family_of
from spotlab.inference.online.delayed_stream import Stream, test_then_train
from spotlab.inference.online.forecaster import OnlineForecaster
from spotlab.inference.online.nodes import NodeTree, Place
from spotlab.training.capacity.baselines import forecast_baselines
from spotlab.training.capacity.rows import CapacityRows, capacity_rows
from spotlab.training.evaluation_report import MODEL

FloatArray = NDArray[np.float64]
Forecast = Callable[[TracePanel, CapacityRows], FloatArray]

SHORTEST_H: Final = 0.25
"""Horizons are halved down to this one."""
NOT_RECALIBRATED: Final = ("base_rate",)
"""Has the same forecast for every row: nothing to scale."""


@dataclass(frozen=True, slots=True)
class OnlineCampaign:
    """Online forecasts of a campaign's rows at the horizon that was asked for.

    Args:
        probability: (n,) forecasts, in the order of the rows.
        share: (n,) part of the horizon from one row of a pool to the next.
        forecaster: as it is after the last row.
    """

    probability: FloatArray
    share: FloatArray
    forecaster: OnlineForecaster


def horizons_below(horizon_h: float, gap_s: float) -> tuple[float, ...]:
    """The horizon and its halves, quarters and so on, increasing; none below a gap or SHORTEST_H.

    >>> horizons_below(3.0, 600.0)
    (0.375, 0.75, 1.5, 3.0)
    """
    horizons = [horizon_h]
    while horizons[0] / 2.0 >= max(SHORTEST_H, gap_s / 3600.0):
        horizons.insert(0, horizons[0] / 2.0)
    return tuple(horizons)


def online_campaign(
    panel: TracePanel,
    rows: CapacityRows,
    forecast: Forecast,
    rules: list[dict[str, Any]],
) -> OnlineCampaign:
    """Forecast the rows of a campaign online.

    Args:
        panel: the campaign.
        rows: to be forecast, of one horizon.
        forecast: the model's forecasts.
        rules: parameters of the simple rules, from the model's card; empty: there are none.
    """
    horizons = horizons_below(rows.horizon_h, panel.gap_s)
    parts = [capacity_rows(panel, horizon_h) for horizon_h in horizons[:-1]] + [rows]
    experts = [_experts(panel, part, forecast, rules) for part in parts]
    names = tuple(experts[0])
    tree = NodeTree.of(_places(panel), horizons)
    forecaster = OnlineForecaster(
        tree, names, [name for name in names if name not in NOT_RECALIBRATED]
    )
    pool = np.concatenate([part.pool for part in parts])
    horizon_h = np.concatenate([np.full(len(part), part.horizon_h) for part in parts])
    step_h = np.concatenate([np.full(len(part), part.every * panel.gap_s) for part in parts]) / 3600
    at_h = np.concatenate([part.elapsed_h for part in parts])
    share = np.minimum(step_h / horizon_h, 1.0)
    made = test_then_train(
        forecaster,
        Stream(
            at_h,
            at_h + horizon_h,
            tree.rows(pool, horizon_h),
            np.vstack([np.column_stack([part[name] for name in names]) for part in experts]),
            np.concatenate([part.label for part in parts]),
            share,
        ),
    )
    asked = slice(len(pool) - len(rows), None)
    return OnlineCampaign(made.probability[asked], share[asked], forecaster)


def _experts(
    panel: TracePanel, rows: CapacityRows, forecast: Forecast, rules: list[dict[str, Any]]
) -> Mapping[str, FloatArray]:
    simple = forecast_baselines(rules, panel, rows) if rules else {}
    return {MODEL: forecast(panel, rows), **simple}


def _places(panel: TracePanel) -> list[Place]:
    return [
        Place(
            pool.region if pool is not None else "",
            family_of(pool.instance_type) if pool is not None else "",
            name,
        )
        for name, pool in zip(panel.names, panel.pools, strict=True)
    ]
