"""STAY, SWITCH or FALLBACK_ONDEMAND: the linear policy.

It compares the expected cost of an hour (price + hazard × cost of an interruption) of where an
instance is, of the best candidate and of on-demand. A switch must pay for itself and for its own
downtime, and a recent switch raises the bar, so that prices that cross back and forth do not move
an instance with every tick.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from spotlab.domain.decision import Candidate, Decision, Instance, Lifecycle, PolicyParams, Verdict


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the policy looks at.

    Args:
        instance: what is decided about.
        current: the pool it is on, scored; None where its price or risk is unknown. For an
            on-demand instance: the same pool's spot offer, which it does not use now.
        best: the best candidate on another pool (for an on-demand instance: on any); None: none.
        on_demand_usd_per_hour: on-demand price of the instance's type; None: unknown.
        last_switch_at: when the last switch was decided, or None.
        now: aware UTC.
    """

    instance: Instance
    current: Candidate | None
    best: Candidate | None
    on_demand_usd_per_hour: float | None
    last_switch_at: datetime | None
    now: datetime


def decide(situation: Situation, params: PolicyParams) -> Verdict:
    """The policy's answer, with a reason in words."""
    if situation.instance.lifecycle is Lifecycle.ON_DEMAND:
        return _from_on_demand(situation, params)
    if situation.current is None:
        reason = (
            f"Price or risk of {situation.instance.pool.label} is unknown, so nothing can be "
            "compared; stays where it is."
        )
        return Verdict(Decision.STAY, reason, None, None, None)
    if situation.current.risk > params.risk_ceiling:
        return _leave_unsafe(situation, situation.current, params)
    return _weigh(situation, situation.current, params)


def _from_on_demand(situation: Situation, params: PolicyParams) -> Verdict:
    on_demand, best = situation.on_demand_usd_per_hour, situation.best
    if best is None:
        reason = "No spot pool meets the requirements under the risk ceiling; stays on-demand."
        return Verdict(Decision.STAY, reason, situation.current, None, None)
    if on_demand is None:
        reason = "Its on-demand price is unknown, so no saving can be computed; stays on-demand."
        return Verdict(Decision.STAY, reason, situation.current, None, None)
    saving = on_demand - _cost_of_moving_to(best, on_demand, params)
    bar = _bar(on_demand, situation, params)
    if saving < bar.usd_per_hour:
        reason = (
            f"Spot on {best.pool.label} would save {_usd(saving)}, less than the "
            f"{_usd(bar.usd_per_hour)} asked for; stays on-demand."
        )
        return Verdict(Decision.STAY, reason, situation.current, None, saving)
    if bar.cooling_h > 0:
        return _cooling(situation.current, bar.cooling_h, saving)
    reason = (
        f"On-demand costs {_usd(on_demand)}; {_offer(best)} costs "
        f"{_cost(best.expected_cost_usd_per_hour)} with interruptions counted: saves "
        f"{_usd(saving)}."
    )
    return Verdict(Decision.SWITCH, reason, situation.current, best, saving)


def _leave_unsafe(situation: Situation, current: Candidate, params: PolicyParams) -> Verdict:
    on_demand, best = situation.on_demand_usd_per_hour, situation.best
    danger = (
        f"Risk on {current.pool.label} is {_percent(current.risk)} within {params.horizon_h:g} h, "
        f"over the ceiling of {_percent(params.risk_ceiling)}."
    )
    beats_on_demand = best is not None and (
        on_demand is None or best.expected_cost_usd_per_hour < on_demand
    )
    if best is not None and beats_on_demand:
        saving = current.expected_cost_usd_per_hour - best.expected_cost_usd_per_hour
        reason = f"{danger} {_offer(best)} is under it: {_saves(saving)}."
        return Verdict(Decision.SWITCH, reason, current, best, saving)
    why = (
        "no other pool meets the requirements under it"
        if best is None
        else f"the best other pool ({best.pool.label}) costs no less than on-demand"
    )
    if on_demand is None:
        reason = f"{danger} Since {why}, on-demand is safer; its price is unknown."
        return Verdict(Decision.FALLBACK_ONDEMAND, reason, current, None, None)
    saving = current.expected_cost_usd_per_hour - on_demand
    reason = f"{danger} Since {why}, on-demand at {_usd(on_demand)} is safer: {_saves(saving)}."
    return Verdict(Decision.FALLBACK_ONDEMAND, reason, current, None, saving)


def _weigh(situation: Situation, current: Candidate, params: PolicyParams) -> Verdict:
    on_demand, best = situation.on_demand_usd_per_hour, situation.best
    cost = current.expected_cost_usd_per_hour
    bar = _bar(cost, situation, params)
    saving = None
    if best is not None:
        worth = on_demand if on_demand is not None else best.spot_price_usd_per_hour
        saving = cost - _cost_of_moving_to(best, worth, params)
        cheaper_than_on_demand = on_demand is None or best.expected_cost_usd_per_hour < on_demand
        if saving >= bar.usd_per_hour and cheaper_than_on_demand:
            if bar.cooling_h > 0:
                return _cooling(current, bar.cooling_h, saving)
            reason = (
                f"{_offer(best)} costs {_cost(best.expected_cost_usd_per_hour)} with interruptions "
                f"counted, {current.pool.label} {_cost(cost)}: saves {_usd(saving)} after the "
                f"switch's own downtime. Risk {_percent(current.risk)} → {_percent(best.risk)} "
                f"within {params.horizon_h:g} h."
            )
            return Verdict(Decision.SWITCH, reason, current, best, saving)
    if on_demand is not None and cost - on_demand >= bar.usd_per_hour:
        reason = (
            f"{current.pool.label} costs {_cost(cost)} with interruptions counted, on-demand "
            f"{_usd(on_demand)}, and no other pool is cheaper."
        )
        return Verdict(Decision.FALLBACK_ONDEMAND, reason, current, None, cost - on_demand)
    return Verdict(
        Decision.STAY, _why_stay(current, best, saving, bar.usd_per_hour), current, None, saving
    )


def _why_stay(current: Candidate, best: Candidate | None, saving: float | None, bar: float) -> str:
    here = f"{current.pool.label} costs {_cost(current.expected_cost_usd_per_hour)}"
    if best is None or saving is None:
        return f"{here} with interruptions counted; no other pool meets the requirements."
    if saving <= 0:
        return f"{here} with interruptions counted: no candidate is cheaper once moving is paid."
    return (
        f"{here} with interruptions counted; {best.pool.label} would save {_usd(saving)}, less "
        f"than the {_usd(bar)} asked for."
    )


@dataclass(frozen=True, slots=True)
class _Bar:
    """What a switch must save, and how long it may not happen for a saving alone."""

    usd_per_hour: float
    cooling_h: float


def _bar(cost: float, situation: Situation, params: PolicyParams) -> _Bar:
    fraction, cooling_h = params.min_saving_fraction, 0.0
    if situation.last_switch_at is not None:
        since_h = (situation.now - situation.last_switch_at) / timedelta(hours=1)
        cooling_h = max(0.0, params.cooldown_h - since_h)
        if since_h < 2 * params.cooldown_h:
            fraction += params.hysteresis_fraction
    return _Bar(max(params.min_saving_usd_per_hour, fraction * cost), cooling_h)


def _cost_of_moving_to(best: Candidate, worth_usd_per_hour: float, params: PolicyParams) -> float:
    downtime = params.switch_downtime_h * worth_usd_per_hour / params.expected_stay_h
    return best.expected_cost_usd_per_hour + downtime


def _cooling(current: Candidate | None, cooling_h: float, saving: float) -> Verdict:
    reason = (
        f"A switch would save {_usd(saving)}, but the last one is recent: no other for "
        f"{cooling_h:.1f} h."
    )
    return Verdict(Decision.STAY, reason, current, None, saving)


def _offer(best: Candidate) -> str:
    return f"{best.pool.label} at {_usd(best.spot_price_usd_per_hour)}"


def _usd(amount: float) -> str:
    return f"{'−' if amount < 0 else ''}{abs(amount):.4f} USD/h"


def _cost(expected: float) -> str:
    """One digit more than a price: an hour's share of an interruption is that small."""
    return f"{expected:.5f} USD/h"


def _percent(risk: float) -> str:
    return f"{100 * risk:.2f} %"


def _saves(saving: float) -> str:
    return f"saves {_usd(saving)}" if saving >= 0 else f"costs {_usd(-saving)} more"
