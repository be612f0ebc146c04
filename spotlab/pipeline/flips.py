"""The smallest change of each value that gives another decision.

Costs are affine in each price and in each part of an interruption's cost, so the values at which
the decision changes are the ends of intervals that are computed in closed form for all pools at
once; parameters with which the decision is monotone are bisected. Whatever is proposed is decided
again on both sides before it is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from spotlab.domain.decision import Decision, Lifecycle, Verdict
from spotlab.domain.decision_explanation import Flip, FlipKind
from spotlab.domain.policy import PolicyParams
from spotlab.domain.policy_parameters import OF_A_FLEET, PARAMETERS
from spotlab.domain.workload import LIMITS, Workload
from spotlab.pipeline.decision_case import Changed, DecisionCase
from spotlab.pipeline.flip_ends import ends

Setter = Callable[[float], Changed]
MAX_PRICE_FACTOR: Final = 10.0
"""Prices are searched up to this multiple of the on-demand price."""
_NEAR: Final = 1e-9
_BISECTIONS: Final = 80

_STEPS: Final = ("risk_ceiling", "max_price_age_h")
"""Parameters that only matter where they pass a pool's risk or the age of the prices."""
_COSTS: Final = (
    ("checkpoint_interval_h", "time between checkpoints", "h"),
    ("work_lost_h", "work lost in an interruption", "h"),
    ("recovery_h", "recovery from an interruption", "h"),
    ("fixed_usd", "fixed cost of an interruption", "USD"),
    ("value_usd_per_hour", "value of an hour of work", "USD/h"),
    ("outage_usd_per_hour", "cost of an outage", "USD/h"),
    ("deadline_slack_h", "slack before the deadline", "h"),
    ("late_usd_per_hour", "cost of being late", "USD/h"),
)
_DELAYING: Final = ("checkpoint_interval_h", "work_lost_h", "recovery_h", "deadline_slack_h")
"""With a deadline, the cost of an interruption is monotone in these, but not affine."""


def policy_flips(case: DecisionCase) -> list[Flip]:
    """For each parameter of the policy but the age of prices."""
    base = case.verdict()
    flips = [_ceiling_flip(case, base)]
    for name, parameter in PARAMETERS.items():
        if name in (*_STEPS, *OF_A_FLEET):
            continue
        before, low, high = float(getattr(case.policy, name)), parameter.low, parameter.high
        label, unit = parameter.label.lower(), parameter.unit

        def setter(value: float, name: str = name) -> Changed:
            return Changed(policy=_with(case.policy, name, value))

        after = _bisected(case, base, setter, before, low, high)
        flips.append(
            _flip(case, FlipKind.POLICY, name, label, unit, before, after, setter, low, high)
        )
    return flips


def workload_flips(case: DecisionCase) -> list[Flip]:
    """For each part of the cost of an interruption, and the value of an hour."""
    base, flips, workload = case.verdict(), [], case.workload
    for name, label, unit in _COSTS:
        low, high = LIMITS[name]
        own = getattr(workload, name)
        if name == "value_usd_per_hour" and own is None:
            own = case.on_demand
        if own is None or _is_of_other(workload, name):
            continue
        before = float(own)

        def setter(value: float, name: str = name) -> Changed:
            return Changed(workload=_costing(case.workload, name, value))

        if workload.deadline_slack_h is not None and name in _DELAYING:
            after = _nearest_by_interruption(case, base, setter, before, low, high)
        else:
            after = _nearest(case, base, setter, before, low, high)
        flips.append(
            _flip(case, FlipKind.WORKLOAD, name, label, unit, before, after, setter, low, high)
        )
    horizon = case.workload.horizon_h
    low, high = LIMITS["horizon_h"]
    flips.append(
        Flip(
            FlipKind.WORKLOAD,
            "workload.horizon_h",
            "horizon of the risk",
            "h",
            horizon,
            None,
            None,
            low=low,
            high=high,
        )
    )
    return flips


def price_flips(case: DecisionCase) -> list[Flip]:
    """For the instance's own spot price, the best pool's, and the on-demand price."""
    base, flips = case.verdict(), []
    highest = MAX_PRICE_FACTOR * max(case.on_demand or 0.0, float(case.prices.max(initial=0.0)))
    on_spot = case.instance.lifecycle is Lifecycle.SPOT
    if case.current is not None and on_spot:
        before = case.current.spot_price_usd_per_hour
        flips.append(
            _price(
                case,
                base,
                ("current", f"spot price of {case.current.pool.label}"),
                lambda value: Changed(own_price=value),
                before,
                highest,
            )
        )
    best = best_other(case, base)
    if best is not None:
        flips.append(
            _price(
                case,
                base,
                ("chosen" if base.chosen else "best", f"spot price of {case.pool(best).label}"),
                lambda value: Changed(other=best, other_price=value),
                float(case.prices[best]),
                highest,
            )
        )
    if case.on_demand is not None:
        label = f"on-demand price of {case.instance.pool.instance_type}"
        flips.append(
            _price(
                case,
                base,
                ("on_demand", label),
                lambda value: Changed(on_demand=value),
                case.on_demand,
                highest,
            )
        )
    return flips


def best_other(case: DecisionCase, base: Verdict) -> int | None:
    """Position of the chosen pool, or of the best one that was not chosen; None: there is none."""
    if base.chosen is not None:
        return case.index_of(base.chosen.pool)
    costs = case.terms().costs
    return int(costs.argmin()) if len(costs) and np.isfinite(costs.min()) else None


def searched(
    case: DecisionCase,
    base: Verdict,
    before: float,
    values: Sequence[float],
    changes: Sequence[Changed],
) -> int | None:
    """Position of the value nearest to `before` with another decision, or None.

    Args:
        case: the decision.
        base: what was decided.
        before: the value that decided.
        values: to try.
        changes: what each of them changes.
    """
    same: set[tuple[float | None, float | None]] = set()
    for index in np.argsort(np.abs(np.asarray(values) - before), kind="stable"):
        change = changes[int(index)]
        hazards = (change.own_hazard, change.other_hazard)
        if hazards in same:
            continue
        if case.verdict(change).decision is not base.decision:
            return int(index)
        same.add(hazards)
    return None


def _price(
    case: DecisionCase,
    base: Verdict,
    name: tuple[str, str],
    setter: Setter,
    before: float,
    highest: float,
) -> Flip:
    low = min(before, 1e-6)
    after = _nearest(case, base, setter, before, low, highest)
    return _flip(
        case, FlipKind.PRICE, name[0], name[1], "USD/h", before, after, setter, low, highest
    )


def _ceiling_flip(case: DecisionCase, base: Verdict) -> Flip:
    """The decision only changes where the ceiling passes a pool's risk."""
    before, parameter = case.policy.risk_ceiling, PARAMETERS["risk_ceiling"]

    def setter(value: float) -> Changed:
        return Changed(policy=replace(case.policy, risk_ceiling=value))

    own = []
    if case.current is not None:
        left_from = case.current.leaving_risk / (1 + case.policy.ceiling_hysteresis_fraction)
        own = [left_from * (1 - 1e-15), left_from * (1 + 1e-15)]  # either side of its rounding
    risks = np.unique([*case.ceiling_risks(), *own])
    steps = [float(risk) if risk > before else float(np.nextafter(risk, -1.0)) for risk in risks]
    after = next(
        (
            value
            for value in sorted(steps, key=lambda each: abs(each - before))
            if parameter.low <= value <= parameter.high
            and case.verdict(setter(value)).decision is not base.decision
        ),
        None,
    )
    return _flip(
        case,
        FlipKind.POLICY,
        "risk_ceiling",
        "risk ceiling within 24 h",
        parameter.unit,
        before,
        after,
        setter,
        parameter.low,
        parameter.high,
    )


def _bisected(
    case: DecisionCase, base: Verdict, setter: Setter, before: float, low: float, high: float
) -> float | None:
    """The nearest value beyond which a monotone decision differs."""
    found = [
        _boundary(case, base.decision, setter, before, end)
        for end in (low, high)
        if case.verdict(setter(end)).decision is not base.decision
    ]
    return min(found, key=lambda value: abs(value - before), default=None)


def _nearest(
    case: DecisionCase, base: Verdict, setter: Setter, before: float, low: float, high: float
) -> float | None:
    """The nearest value with another decision, of a value in which every cost is affine."""
    step = max(abs(before), 0.1)
    found_ends = ends(case, case.terms(setter(before)), case.terms(setter(before + step)), step)
    for offset in sorted(found_ends, key=abs):
        side = 1.0 if offset > 0 else -1.0
        at = before + offset
        for beyond in (at, at + side * _NEAR * max(abs(at), abs(before), 1e-6)):
            value = min(max(beyond, low), high)
            if value != before and case.verdict(setter(value)).decision is not base.decision:
                return _boundary(case, base.decision, setter, before, value)
    return None


def _nearest_by_interruption(
    case: DecisionCase, base: Verdict, setter: Setter, before: float, low: float, high: float
) -> float | None:
    """The same for a value in which the cost of an interruption is monotone, but not affine."""
    on_demand = 0.0 if case.on_demand is None else case.on_demand

    def cost(value: float) -> float:
        workload = setter(value).workload or case.workload
        return workload.interruption_usd(on_demand)

    step, now = 1.0, cost(before)
    found_ends = ends(case, case.terms(), case.terms(Changed(interruption_usd=step)), step)
    found = []
    for offset in found_ends:
        at = _solved(cost, now + offset, low, high)
        beyond = [at, *(min(max(at + s * _NEAR * max(abs(at), 1e-3), low), high) for s in (-1, 1))]
        found += [
            _boundary(case, base.decision, setter, before, value)
            for value in beyond
            if value != before and case.verdict(setter(value)).decision is not base.decision
        ]
    return min(found, key=lambda value: abs(value - before), default=None)


def _solved(cost: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """Where a monotone cost has the wanted value, or the nearer end of the range."""
    rises = cost(high) >= cost(low)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        if (cost(middle) < wanted) is rises:
            low = middle
        else:
            high = middle
    return high


def _boundary(
    case: DecisionCase, decision: Decision, setter: Setter, same: float, other: float
) -> float:
    """The value between `same` and `other` nearest to `same` with another decision."""
    for _ in range(_BISECTIONS):
        middle = 0.5 * (same + other)
        if middle in (same, other):
            break
        if case.verdict(setter(middle)).decision is decision:
            same = middle
        else:
            other = middle
    return other


def _with(policy: PolicyParams, name: str, value: float) -> PolicyParams:
    return replace(policy, **{name: value})


def _costing(workload: Workload, name: str, value: float) -> Workload:
    changes: dict[str, Any] = {name: value}
    if name == "checkpoint_interval_h":
        changes["work_lost_h"] = value / 2
    return replace(workload, **changes)


def _is_of_other(workload: Workload, name: str) -> bool:
    """Whether a part is determined by another one, or goes with one that is not given."""
    if name == "work_lost_h":
        return workload.checkpoint_interval_h is not None
    if name == "late_usd_per_hour":
        return workload.deadline_slack_h is None
    return False


def _flip(
    case: DecisionCase,
    kind: FlipKind,
    name: str,
    label: str,
    unit: str,
    before: float,
    after: float | None,
    setter: Setter,
    low: float,
    high: float,
) -> Flip:
    verdict = case.verdict(setter(after)) if after is not None else None
    return Flip(
        kind,
        f"{kind.value}.{name}",
        label,
        unit,
        before,
        after,
        verdict.decision if verdict else None,
        verdict.chosen.pool if verdict and verdict.chosen else None,
        low,
        high,
    )
