"""STAY, SWITCH or FALLBACK_ONDEMAND: the linear policy.

It compares the expected cost (price + hazard × cost of an interruption) of an instance's pool, of
the best candidate and of on-demand. A switch must save a minimum after the cost of its own
downtime. After a recent switch the minimum is higher, so that prices that cross back and forth do
not cause a switch each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from spotlab.domain.decision import (
    Candidate,
    Decision,
    Instance,
    Lifecycle,
    Verdict,
)
from spotlab.domain.policy import CEILING_HORIZON_H, PolicyParams
from spotlab.domain.workload import Workload


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that the policy uses.

    Args:
        instance: the instance to decide about.
        current: its scored pool; None if the price or risk is unknown. For an on-demand instance:
            the spot pool of the same type and zone, which it does not use.
        best: the best candidate on another pool (for an on-demand instance: on any pool), or None.
        on_demand_usd_per_hour: on-demand price of the instance's type; None: unknown.
        workload: the workload that applies to it.
        last_switch_at: when the last switch was decided, or None.
        now: aware UTC.
    """

    instance: Instance
    current: Candidate | None
    best: Candidate | None
    on_demand_usd_per_hour: float | None
    workload: Workload
    last_switch_at: datetime | None
    now: datetime


def decide(situation: Situation, params: PolicyParams) -> Verdict:
    """The policy's decision, with its reason."""
    if situation.instance.lifecycle is Lifecycle.ON_DEMAND:
        return _from_on_demand(situation, params)
    if situation.current is None:
        reason = (
            f"The price or risk of {situation.instance.pool.label} is unknown, so it cannot be "
            "compared with other pools; stays on its pool."
        )
        return Verdict(Decision.STAY, reason, None, None, None)
    if situation.current.ceiling_risk > params.risk_ceiling:
        return _leave_unsafe(situation, situation.current, params)
    return _compare_costs(situation, situation.current, params)


def _from_on_demand(situation: Situation, params: PolicyParams) -> Verdict:
    on_demand, best = situation.on_demand_usd_per_hour, situation.best
    if best is None:
        reason = "No spot pool below the risk ceiling meets the requirements; stays on-demand."
        return Verdict(Decision.STAY, reason, situation.current, None, None)
    if on_demand is None:
        reason = "The on-demand price is unknown, so no saving can be computed; stays on-demand."
        return Verdict(Decision.STAY, reason, situation.current, None, None)
    saving = on_demand - _cost_with_switch(
        best, situation.workload.downtime_usd_per_hour(on_demand), params
    )
    limits = _switch_limits(on_demand, situation, params)
    if saving < limits.min_saving_usd_per_hour:
        reason = (
            f"Spot on {best.pool.label} would save {_usd(saving)}, below the minimum saving of "
            f"{_usd(limits.min_saving_usd_per_hour)}; stays on-demand."
        )
        return Verdict(Decision.STAY, reason, situation.current, None, saving)
    if limits.cooldown_left_h > 0:
        return _stay_in_cooldown(situation.current, limits.cooldown_left_h, saving)
    reason = (
        f"On-demand costs {_usd(on_demand)}; {_pool_at_price(best)} costs "
        f"{_cost(best.expected_cost_usd_per_hour)} including interruptions: saves "
        f"{_usd(saving)} after the cost of switching."
    )
    return Verdict(Decision.SWITCH, reason, situation.current, best, saving)


def _leave_unsafe(situation: Situation, current: Candidate, params: PolicyParams) -> Verdict:
    on_demand, best = situation.on_demand_usd_per_hour, situation.best
    risk_text = (
        f"Risk on {current.pool.label} is {_percent(current.ceiling_risk)} within "
        f"{CEILING_HORIZON_H:g} h, "
        f"above the risk ceiling of {_percent(params.risk_ceiling)}."
    )
    beats_on_demand = best is not None and (
        on_demand is None or best.expected_cost_usd_per_hour < on_demand
    )
    if best is not None and beats_on_demand:
        saving = current.expected_cost_usd_per_hour - best.expected_cost_usd_per_hour
        reason = f"{risk_text} {_pool_at_price(best)} is below it: {_saving_text(saving)}."
        return Verdict(Decision.SWITCH, reason, current, best, saving)
    cause = (
        "no other pool below the ceiling meets the requirements"
        if best is None
        else f"the best other pool ({best.pool.label}) is not cheaper than on-demand"
    )
    if on_demand is None:
        reason = f"{risk_text} Since {cause}, on-demand is safer; its price is unknown."
        return Verdict(Decision.FALLBACK_ONDEMAND, reason, current, None, None)
    saving = current.expected_cost_usd_per_hour - on_demand
    reason = (
        f"{risk_text} Since {cause}, on-demand at {_usd(on_demand)} is safer: "
        f"{_saving_text(saving)}."
    )
    return Verdict(Decision.FALLBACK_ONDEMAND, reason, current, None, saving)


def _compare_costs(situation: Situation, current: Candidate, params: PolicyParams) -> Verdict:
    on_demand, best = situation.on_demand_usd_per_hour, situation.best
    cost = current.expected_cost_usd_per_hour
    limits = _switch_limits(cost, situation, params)
    saving = None
    if best is not None:
        worth = on_demand if on_demand is not None else best.spot_price_usd_per_hour
        saving = cost - _cost_with_switch(
            best, situation.workload.downtime_usd_per_hour(worth), params
        )
        cheaper_than_on_demand = on_demand is None or best.expected_cost_usd_per_hour < on_demand
        if saving >= limits.min_saving_usd_per_hour and cheaper_than_on_demand:
            if limits.cooldown_left_h > 0:
                return _stay_in_cooldown(current, limits.cooldown_left_h, saving)
            reason = (
                f"{_pool_at_price(best)} costs {_cost(best.expected_cost_usd_per_hour)} including "
                f"interruptions, {current.pool.label} {_cost(cost)}: saves {_usd(saving)} after "
                f"the cost of switching. Risk {_percent(current.risk)} → {_percent(best.risk)} "
                f"within {current.horizon_h:g} h."
            )
            return Verdict(Decision.SWITCH, reason, current, best, saving)
    if on_demand is not None and cost - on_demand >= limits.min_saving_usd_per_hour:
        reason = (
            f"{current.pool.label} costs {_cost(cost)} including interruptions, on-demand "
            f"{_usd(on_demand)}, and no other pool is cheaper."
        )
        return Verdict(Decision.FALLBACK_ONDEMAND, reason, current, None, cost - on_demand)
    reason = _reason_to_stay(current, best, saving, limits.min_saving_usd_per_hour)
    return Verdict(Decision.STAY, reason, current, None, saving)


def _reason_to_stay(
    current: Candidate, best: Candidate | None, saving: float | None, min_saving: float
) -> str:
    here = f"{current.pool.label} costs {_cost(current.expected_cost_usd_per_hour)}"
    if best is None or saving is None:
        return f"{here} including interruptions; no other pool meets the requirements."
    if saving <= 0:
        return (
            f"{here} including interruptions; no candidate is cheaper after the cost of switching."
        )
    return (
        f"{here} including interruptions; {best.pool.label} would save {_usd(saving)}, below the "
        f"minimum saving of {_usd(min_saving)}."
    )


@dataclass(frozen=True, slots=True)
class _SwitchLimits:
    """The minimum saving of a switch, and for how long the cooldown still prevents one."""

    min_saving_usd_per_hour: float
    cooldown_left_h: float


def _switch_limits(cost: float, situation: Situation, params: PolicyParams) -> _SwitchLimits:
    fraction, cooldown_left_h = params.min_saving_fraction, 0.0
    if situation.last_switch_at is not None:
        since_h = (situation.now - situation.last_switch_at) / timedelta(hours=1)
        cooldown_left_h = max(0.0, params.cooldown_h - since_h)
        if since_h < 2 * params.cooldown_h:
            fraction += params.hysteresis_fraction
    min_saving = max(params.min_saving_usd_per_hour, fraction * cost)
    return _SwitchLimits(min_saving, cooldown_left_h)


def _cost_with_switch(best: Candidate, hour_usd: float, params: PolicyParams) -> float:
    downtime = params.switch_downtime_h * hour_usd / params.expected_stay_h
    return best.expected_cost_usd_per_hour + downtime


def _stay_in_cooldown(current: Candidate | None, cooldown_left_h: float, saving: float) -> Verdict:
    reason = (
        f"A switch would save {_usd(saving)}, but the last switch was recent: cooldown for another "
        f"{cooldown_left_h:.1f} h."
    )
    return Verdict(Decision.STAY, reason, current, None, saving)


def _pool_at_price(candidate: Candidate) -> str:
    return f"{candidate.pool.label} at {_usd(candidate.spot_price_usd_per_hour)}"


def _usd(amount: float) -> str:
    return f"{'−' if amount < 0 else ''}{abs(amount):.4f} USD/h"


def _cost(expected: float) -> str:
    """Five decimals: the hourly cost of interruptions is often below 0.0001 USD."""
    return f"{expected:.5f} USD/h"


def _percent(risk: float) -> str:
    return f"{100 * risk:.2f} %"


def _saving_text(saving: float) -> str:
    return f"saves {_usd(saving)}" if saving >= 0 else f"costs {_usd(-saving)} more"
