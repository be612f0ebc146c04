"""Where a decision can change along a value in which every cost is affine."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from spotlab.pipeline.affine_intervals import Line, ends_of_union, line_between
from spotlab.pipeline.decision_case import DecisionCase, Terms


def ends(case: DecisionCase, at: Terms, further: Terms, step: float) -> Iterable[float]:
    """Offsets at which the decision can change: ends of the intervals where a move is made."""
    if at.staying is None or further.staying is None:
        return
    policy = case.policy
    feasible = np.isfinite(at.costs)
    costs = Line(at.costs[feasible], (further.costs[feasible] - at.costs[feasible]) / step)
    staying = line_between(at.staying, further.staying, step)
    moving = line_between(at.moving, further.moving, step)
    on_demand = None
    if at.on_demand is not None and further.on_demand is not None:
        on_demand = line_between(at.on_demand, further.on_demand, step)
    least_usd = policy.min_saving_usd_per_hour
    for share in {
        policy.min_saving_fraction,
        policy.min_saving_fraction + policy.hysteresis_fraction,
    }:
        if at.unsafe:
            yield from _ends_over_ceiling(case, costs, staying, moving, on_demand, share)
            continue
        cheaper = [] if on_demand is None else [on_demand.minus(costs)]
        gain = staying.minus(costs).minus(moving)
        kept = staying.times(1 - share).minus(costs).minus(moving)
        yield from ends_of_union([gain.less(least_usd), kept, *cheaper])
        if on_demand is not None:
            yield from ends_of_union(cheaper)
            yield from ends_of_union([staying.minus(on_demand).minus(moving).less(least_usd)])
            yield from ends_of_union([staying.times(1 - share).minus(on_demand).minus(moving)])


def _ends_over_ceiling(
    case: DecisionCase,
    costs: Line,
    staying: Line,
    moving: Line,
    on_demand: Line | None,
    share: float,
) -> Iterable[float]:
    """The same where the own pool is over the risk ceiling.

    Only the cheapest pool is looked at then, so every pool's ends are candidates, and every cost
    at which another one becomes the cheapest.
    """
    policy, current = case.policy, case.current
    if current is None:
        return
    most, here = policy.max_avoided_interruption_usd, current.hazard_per_hour
    there = case.hazards[case.ceiling_risks() <= policy.risk_ceiling]
    per_hour = case.performance[case.ceiling_risks() <= policy.risk_ceiling]
    gain = staying.minus(costs).minus(moving)
    conditions = [gain, gain.less(0.0)]
    if len(there) == len(costs.at):
        conditions.append(Line(gain.at + most * (here - there / per_hour), gain.slope))
    if len(costs.at):
        cheapest = int(costs.at.argmin())
        conditions.append(Line(costs.at - costs.at[cheapest], costs.slope - costs.slope[cheapest]))
    if on_demand is not None:
        to_on_demand = staying.minus(on_demand).minus(moving)
        conditions += [
            on_demand.minus(costs).less(policy.min_saving_usd_per_hour),
            on_demand.times(1 - share).minus(costs),
            to_on_demand,
            Line(to_on_demand.at + most * here, to_on_demand.slope),
        ]
    for line in conditions:
        yield from line.roots()
