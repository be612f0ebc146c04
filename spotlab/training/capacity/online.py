"""Online forecasts of a campaign: the model and the simple rules, aggregated as labels come in.

Shorter horizons are forecast beside the one that is asked for: their outcomes are known earlier,
and show which expert to trust. A label is known when its horizon has passed, also where a loss was
seen before: losses that count at once, while survivals wait, would bias every level upwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import TracePanel
from spotlab.domain.instance_types import family_of
from spotlab.errors import InvalidInput
from spotlab.inference.online.delayed_stream import Stream, test_then_train
from spotlab.inference.online.forecaster import OnlineForecaster
from spotlab.inference.online.nodes import TASK, NodeTree, Place
from spotlab.training.capacity.baselines import forecast_baselines
from spotlab.training.capacity.rows import (
    CapacityRows,
    capacity_rows,
    probed_rows,
    with_end_rows,
)
from spotlab.training.evaluation_report import MODEL

FloatArray = NDArray[np.float64]
Forecast = Callable[[TracePanel, CapacityRows], FloatArray]

SHORTEST_H: Final = 0.25
"""Horizons are halved down to this one."""
NOT_RECALIBRATED: Final = ("base_rate",)
"""Has the same forecast for every row: nothing to scale."""


@dataclass(frozen=True, slots=True)
class OnlineRows:
    """Online forecasts of rows of several horizons, in the order of their parts.

    Args:
        pool: (n,) column of the panel.
        horizon_h, at_h: (n,) hours that the label looks ahead, and since the panel's first tick.
        experts: (n, k) their forecasts, without recalibrations.
        outcome: (n,) 0 or 1.
        share: (n,) part of the horizon from one row of a pool to the next.
        probability: (n,) the online forecasts.
        names: of the k experts; the first is MODEL.
        forecaster: as it is after the last row.
    """

    pool: NDArray[np.intp]
    horizon_h: FloatArray
    at_h: FloatArray
    experts: FloatArray
    outcome: FloatArray
    share: FloatArray
    probability: FloatArray
    names: tuple[str, ...]
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
) -> OnlineRows:
    """Forecast the rows of a campaign online, with shorter horizons beside theirs.

    Args:
        panel: the campaign.
        rows: to be forecast, of one horizon.
        forecast: the model's forecasts.
        rules: parameters of the simple rules, from the model's card; empty: there are none.
    Returns:
        The forecasts of the rows that were given, in their order.
    """
    horizons = horizons_below(rows.horizon_h, panel.gap_s)
    parts = [capacity_rows(panel, horizon_h) for horizon_h in horizons[:-1]] + [rows]
    made = online_forecasts(panel, parts, forecast, rules, horizons)
    asked = slice(len(made.pool) - len(rows), None)
    names = ("pool", "horizon_h", "at_h", "experts", "outcome", "share", "probability")
    return replace(made, **{name: getattr(made, name)[asked] for name in names})


def online_forecasts(
    panel: TracePanel,
    parts: Sequence[CapacityRows],
    forecast: Forecast,
    rules: list[dict[str, Any]],
    horizons_h: Sequence[float],
    until_h: float | None = None,
) -> OnlineRows:
    """Test, then train, over rows of one or several horizons: of a campaign, or of live probes.

    Args:
        panel: with the rows' ticks.
        parts: one or more, each with rows of one horizon.
        forecast, rules: as for `online_campaign`.
        horizons_h: those that have weights of their own, the parts' among them.
        until_h: as for `Stream`.
    """
    experts = [expert_forecasts(panel, part, forecast, rules) for part in parts]
    names = tuple(experts[0])
    forecaster = new_forecaster(places_of(panel), names, horizons_h)
    pool = np.concatenate([part.pool for part in parts])
    horizon_h = np.concatenate([np.full(len(part), part.horizon_h) for part in parts])
    step_h = np.concatenate([_steps_h(panel, part.every)[part.pool] for part in parts])
    at_h = np.concatenate([part.elapsed_h for part in parts])
    share = np.minimum(step_h / horizon_h, 1.0)
    every = np.vstack([np.column_stack([part[name] for name in names]) for part in experts])
    outcome = np.concatenate([part.label for part in parts])
    nodes = forecaster.tree.rows(pool, horizon_h)
    made = test_then_train(
        forecaster, Stream(at_h, at_h + horizon_h, nodes, every, outcome, share, until_h)
    )
    return OnlineRows(
        pool, horizon_h, at_h, every, outcome, share, made.probability, names, forecaster
    )


def new_forecaster(
    places: Sequence[Place], names: Sequence[str], horizons_h: Sequence[float]
) -> OnlineForecaster:
    """A forecaster that has learnt nothing yet.

    Args:
        places: of the pools.
        names: of the experts, MODEL first.
        horizons_h: those that have weights of their own.
    """
    recalibrated = [name for name in names if name not in NOT_RECALIBRATED]
    return OnlineForecaster(NodeTree.of(places, horizons_h), names, recalibrated)


def expert_forecasts(
    panel: TracePanel, rows: CapacityRows, forecast: Forecast, rules: list[dict[str, Any]]
) -> Mapping[str, FloatArray]:
    """(n,) forecasts of rows by MODEL, and by each simple rule."""
    simple = forecast_baselines(rules, panel, rows) if rules else {}
    return {MODEL: forecast(panel, rows), **simple}


def forecast_at_end(
    panel: TracePanel,
    risks: Mapping[float, FloatArray],
    rules: list[dict[str, Any]],
    learnt: OnlineForecaster,
) -> dict[float, FloatArray]:
    """Online forecasts at a panel's last tick, which do not change what was learnt.

    A pool that was not learnt from follows its family, region and task. Where no forecast of a
    horizon was judged, the model forecasts alone.

    Args:
        panel: p pools; the last tick has their present state.
        risks: (p,) the model's forecasts, by each horizon that was learnt.
        rules: parameters of the simple rules.
        learnt: with MODEL and these rules as experts.
    Returns:
        (p,) probabilities by horizon, non-decreasing in it; NaN where a pool has no capacity.
    Raises:
        InvalidInput: the rules are others.
    """
    pools = np.flatnonzero(panel.available[-1] == 1.0)
    tree = learnt.tree.at(places_of(panel))
    every: list[FloatArray] = []
    for horizon_h in tree.horizons_h:
        rows = with_end_rows(panel, probed_rows(panel, horizon_h), pools)
        simple = forecast_baselines(rules, panel, rows) if rules else {}
        if (MODEL, *simple) != learnt.experts[: 1 + len(simple)]:
            raise InvalidInput("The weights are of other rules.", remedy="Learn them again.")
        own = [each[len(rows) - len(pools) :] for each in simple.values()]
        every.append(np.column_stack([risks[horizon_h][pools], *own]))
    nodes = tree.rows(np.tile(pools, len(every)), np.repeat(np.array(tree.horizons_h), len(pools)))
    made = learnt.forecast(nodes, np.vstack(every)).probability.reshape(len(every), len(pools))
    found = np.full((len(every), panel.available.shape[1]), np.nan)
    frozen = np.stack([risks[horizon_h][pools] for horizon_h in tree.horizons_h])
    found[:, pools] = _with_unjudged(made, frozen, learnt)
    return dict(zip(tree.horizons_h, found, strict=True))


def _with_unjudged(made: FloatArray, frozen: FloatArray, learnt: OnlineForecaster) -> FloatArray:
    """(h, p) the online forecasts; the model's, at most those of longer horizons, if unjudged.

    Where probes are far apart, only long horizons are judged. Which level holds at a short one is
    then unknown.
    """
    tree = learnt.tree
    own = tree.names.index(TASK) + len(tree.names) * np.arange(1, 1 + len(made))
    judged = learnt.aggregation.shares[own, -1][:, None] > 0.0
    rising = np.maximum.accumulate(np.where(judged, made, 0.0), axis=0)
    ceiling = np.minimum.accumulate(np.where(judged, rising, 1.0)[::-1], axis=0)[::-1]
    return np.asarray(
        np.maximum.accumulate(np.where(judged, rising, np.minimum(frozen, ceiling)), axis=0)
    )


def places_of(panel: TracePanel) -> list[Place]:
    """Where each pool of a panel stands; unknown where it has a name only."""
    return [
        Place(
            pool.region if pool is not None else "",
            family_of(pool.instance_type) if pool is not None else "",
            name,
        )
        for name, pool in zip(panel.names, panel.pools, strict=True)
    ]


def _steps_h(panel: TracePanel, every: int) -> FloatArray:
    """(p,) hours from one row of a pool to the next, as its records are usually spaced."""
    known = ~np.isnan(panel.available[::every])
    spacing = [np.diff(np.flatnonzero(column)) for column in known.T]
    usual = [float(np.median(each)) if len(each) else 1.0 for each in spacing]
    return np.array(usual) * (every * panel.gap_s / 3600)
