"""STAY, SWITCH or FALLBACK_ONDEMAND: the linear policy.

It compares the expected cost of an hour's work where the instance runs, on the best candidate and
on demand. A move must save a minimum after its own cost; after a recent switch the minimum is
higher, so that prices that cross back and forth do not cause a switch each time. A pool over the
risk ceiling is left if that is worth what it costs, and one on which EC2 has given notice at any
price.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from spotlab.domain.decision import Candidate, Decision, RunnerUp, Verdict
from spotlab.domain.margin import FORCED, Margin, MarginRule
from spotlab.domain.policy import PolicyParams
from spotlab.domain.policy_parameters import CEILING_HORIZON_H
from spotlab.pipeline.policy_text import (
    cost_text,
    percent,
    pool_at_price,
    saving_text,
    usd,
)
from spotlab.pipeline.situation import Limits, Move, Situation


def decide(situation: Situation, params: PolicyParams) -> Verdict:
    """The policy's decision, with its reason, margin and runner-up."""
    current = situation.current
    if situation.pays_on_demand:
        return _from_on_demand(situation, params)
    if situation.interrupted_at is not None:
        return _leave_before_interruption(situation, situation.interrupted_at, params)
    if current is None:
        reason = (
            f"The price or risk of {situation.instance.pool.label} is unknown, so it cannot be "
            "compared with other pools; stays on its pool."
        )
        return Verdict(Decision.STAY, reason, None, None, None)
    if current.leaving_risk > params.leaving_risk:
        return _leave_unsafe(situation, current, params)
    verdict = _compare_costs(situation, current, params)
    if verdict.decision is Decision.STAY and current.leaving_risk > params.risk_ceiling:
        over = (
            f"Its risk of {percent(current.leaving_risk)} within {CEILING_HORIZON_H:g} h is above "
            f"the ceiling of {percent(params.risk_ceiling)}, but by less than "
            f"{100 * params.ceiling_hysteresis_fraction:g} % of it."
        )
        return replace(verdict, reason=f"{verdict.reason} {over}")
    return verdict


def limits(cost: float, situation: Situation, params: PolicyParams) -> Limits:
    """What the policy demands of a move made for a saving.

    Args:
        cost: expected cost of staying, USD per hour.
        situation: the situation.
        params: of the policy.
    """
    fraction, cooldown_left_h = params.min_saving_fraction, 0.0
    if situation.last_switch_at is not None:
        since_h = (situation.now - situation.last_switch_at) / timedelta(hours=1)
        cooldown_left_h = max(0.0, params.cooldown_h - since_h)
        if since_h < 2 * params.cooldown_h:
            fraction += params.hysteresis_fraction
    return Limits(
        max(params.min_saving_usd_per_hour, fraction * cost),
        cooldown_left_h,
        params.switch_downtime_h * situation.hour_usd / params.expected_stay_h,
    )


def preferred(
    best: Candidate | None, on_demand: float | None, params: PolicyParams
) -> Candidate | None:
    """The candidate for an instance that must leave its pool, or None: on-demand.

    A spot pool can be interrupted again, so it must cost less than on-demand by the minimum saving.
    """
    if best is None or on_demand is None:
        return best
    least = max(params.min_saving_usd_per_hour, params.min_saving_fraction * on_demand)
    return best if on_demand - best.expected_cost_usd_per_hour >= least else None


def _move(
    situation: Situation,
    candidate: Candidate | None,
    demanded: Limits,
    rule: MarginRule = MarginRule.COST,
) -> Move | None:
    """A move with its margin; None if a cost is unknown."""
    current, on_demand = situation.current, situation.on_demand_usd_per_hour
    if situation.pays_on_demand:
        price, interruption = on_demand, 0.0
    else:
        price = current.price_for_work if current is not None else None
        interruption = current.interruption_usd_per_hour if current is not None else 0.0
    if candidate is None:
        there, speed, there_interruption = on_demand, 0.0, 0.0
        cost, decision = on_demand, Decision.FALLBACK_ONDEMAND
    else:
        there, cost, decision = (
            candidate.spot_price_usd_per_hour,
            candidate.expected_cost_usd_per_hour,
            Decision.SWITCH,
        )
        speed = candidate.spot_price_usd_per_hour - candidate.price_for_work
        there_interruption = candidate.interruption_usd_per_hour
    if price is None or there is None or cost is None:
        return None
    margin = Margin(
        price=price - there,
        performance=speed,
        interruption=interruption - there_interruption,
        moving=-demanded.moving_usd_per_hour,
        guards=0.0 if rule in FORCED else -demanded.min_saving_usd_per_hour,
        rule=rule,
    )
    return Move(decision, candidate, cost, margin)


def _from_on_demand(situation: Situation, params: PolicyParams) -> Verdict:
    on_demand, best = situation.on_demand_usd_per_hour, situation.best
    if best is None:
        reason = (
            f"No {situation.available}spot pool below the risk ceiling meets the requirements; "
            "stays on-demand."
        )
        return Verdict(Decision.STAY, reason, situation.current, None, None)
    if on_demand is None:
        reason = "The on-demand price is unknown, so no saving can be computed; stays on-demand."
        return Verdict(Decision.STAY, reason, situation.current, None, None)
    demanded = limits(on_demand, situation, params)
    move = _move(situation, best, demanded)
    assert move is not None, "both prices are known"
    saving = move.margin.saving
    if move.margin.total < 0:
        reason = (
            f"Spot on {best.pool.label} would save {usd(saving)}, below the minimum saving of "
            f"{usd(demanded.min_saving_usd_per_hour)}; stays on-demand."
        )
        return _stay(situation, move, reason, MarginRule.MINIMUM_SAVING, demanded)
    if demanded.cooldown_left_h > 0:
        return _stay_in_cooldown(situation, move, demanded)
    reason = (
        f"On-demand costs {usd(on_demand)}; {pool_at_price(best)} costs "
        f"{cost_text(best.expected_cost_usd_per_hour)} including interruptions: saves "
        f"{usd(saving)} after the cost of switching. Risk {percent(best.risk)} within "
        f"{best.horizon_h:g} h; on-demand is not interrupted."
    )
    return _go(situation, move, reason, demanded)


def _leave_unsafe(situation: Situation, current: Candidate, params: PolicyParams) -> Verdict:
    on_demand, best = situation.on_demand_usd_per_hour, situation.best
    demanded = limits(current.expected_cost_usd_per_hour, situation, params)
    risk_text = (
        f"Risk on {current.pool.label} is {percent(current.leaving_risk)} within "
        f"{CEILING_HORIZON_H:g} h, "
        f"above the risk ceiling of {percent(params.risk_ceiling)}"
    )
    first = preferred(best, on_demand, params)
    targets = [None] if first is None else [first, None]
    moves = [_move(situation, each, demanded, MarginRule.RISK_CEILING) for each in targets]
    known = [each for each in moves if each is not None]
    allowed = [
        each
        for each in known
        if avoided_interruption_usd(current, each) <= params.max_avoided_interruption_usd
    ]
    if known and not allowed:
        move = min(known, key=lambda each: avoided_interruption_usd(current, each))
        return _stay_over_ceiling(situation, current, move, risk_text, params, demanded)
    cause = (
        f"no other {situation.available}pool below the ceiling meets the requirements"
        if best is None
        else f"the best other pool ({best.pool.label}) costs less than on-demand by no more than "
        "the minimum saving"
        if on_demand is not None and best.expected_cost_usd_per_hour < on_demand
        else f"the best other pool ({best.pool.label}) is not cheaper than on-demand"
    )
    if not known:
        reason = f"{risk_text}. Since {cause}, on-demand is safer; its price is unknown."
        return Verdict(Decision.FALLBACK_ONDEMAND, reason, current, None, None)
    move = allowed[0]
    worth = saving_text(move.margin.saving)
    if move.margin.saving < 0:
        worth += (
            f", {avoided_interruption_usd(current, move):,.0f} USD for each interruption avoided"
        )
    if move.candidate is not None:
        to = f"{pool_at_price(move.candidate)} has {percent(move.candidate.ceiling_risk)}"
        return _go(situation, move, f"{risk_text}. {to}: {worth}.", demanded)
    if first is not None:
        cause = "the best other pool avoids too few interruptions for its price"
    reason = (
        f"{risk_text}. Since {cause}, on-demand at {usd(move.expected_cost_usd_per_hour)} is "
        f"safer: {worth}."
    )
    return _go(situation, move, reason, demanded)


def _leave_before_interruption(
    situation: Situation, interrupted_at: datetime, params: PolicyParams
) -> Verdict:
    """A move whatever it costs: the instance is lost otherwise."""
    current, on_demand, best = situation.current, situation.on_demand_usd_per_hour, situation.best
    notice = (
        f"EC2 has given notice that it interrupts the instance at {interrupted_at:%H:%M:%S} UTC"
    )
    chosen = preferred(best, on_demand, params)
    if chosen is not None:
        cost = cost_text(chosen.expected_cost_usd_per_hour)
        reason = f"{notice}. {pool_at_price(chosen)} costs {cost} including interruptions."
    else:
        cause = (
            f"no other {situation.available}pool below the risk ceiling meets the requirements"
            if best is None
            else f"the best other pool ({best.pool.label}) is not cheaper than on-demand by the "
            "minimum saving"
        )
        price = f" at {usd(on_demand)}" if on_demand is not None else ""
        reason = f"{notice}. Since {cause}, it moves to on-demand{price}."
    cost_here = current.expected_cost_usd_per_hour if current is not None else 0.0
    demanded = limits(cost_here, situation, params)
    move = _move(situation, chosen, demanded, MarginRule.NOTICE)
    if move is None:
        decision = Decision.FALLBACK_ONDEMAND if chosen is None else Decision.SWITCH
        return Verdict(decision, reason, current, chosen, None)
    return _go(situation, move, reason, demanded)


def avoided_interruption_usd(current: Candidate, move: Move) -> float:
    """What a move costs for each interruption that it avoids, USD; 0 or less: it saves.

    Infinite if it costs more and avoids none.
    """
    there = 0.0
    if move.candidate is not None:
        there = move.candidate.hazard_per_hour / move.candidate.performance
    cost, avoided = -move.margin.saving, current.hazard_per_hour - there
    if cost <= 0.0:
        return cost
    return cost / avoided if avoided > 0.0 else float("inf")


def _stay_over_ceiling(
    situation: Situation,
    current: Candidate,
    move: Move,
    risk_text: str,
    params: PolicyParams,
    demanded: Limits,
) -> Verdict:
    """STAY, because avoiding an interruption would cost too much."""
    price = avoided_interruption_usd(current, move)
    each = (
        "and avoids none"
        if price == float("inf")
        else (f"{price:,.0f} USD for each interruption that this avoids")
    )
    where = move.candidate.pool.label if move.candidate is not None else "on-demand"
    reason = (
        f"{risk_text}, but {where} costs {usd(-move.margin.saving)} more, {each}; the "
        f"policy allows {params.max_avoided_interruption_usd:,.0f} USD. Stays."
    )
    return _stay(situation, move, reason, MarginRule.PRICE_OF_SAFETY, demanded)


def _compare_costs(situation: Situation, current: Candidate, params: PolicyParams) -> Verdict:
    on_demand, best = situation.on_demand_usd_per_hour, situation.best
    cost = current.expected_cost_usd_per_hour
    demanded = limits(cost, situation, params)
    target = best
    if best is not None and on_demand is not None:
        target = best if best.expected_cost_usd_per_hour < on_demand else None
    move = _move(situation, target, demanded)
    if move is None:
        reason = (
            f"{current.pool.label} costs {cost_text(cost)} including interruptions; no other "
            f"{situation.available}pool meets the requirements."
        )
        return Verdict(Decision.STAY, reason, current, None, None)
    if move.margin.total < 0:
        reason = _reason_to_stay(situation, current, move, demanded)
        rule = MarginRule.MINIMUM_SAVING if move.margin.saving > 0 else MarginRule.COST
        return _stay(situation, move, reason, rule, demanded)
    if demanded.cooldown_left_h > 0:
        return _stay_in_cooldown(situation, move, demanded)
    if target is None:
        reason = (
            f"{current.pool.label} costs {cost_text(cost)} including interruptions, on-demand "
            f"{usd(move.expected_cost_usd_per_hour)}, and no other {situation.available}pool is "
            "cheaper."
        )
    else:
        reason = (
            f"{pool_at_price(target)} costs {cost_text(target.expected_cost_usd_per_hour)} "
            f"including interruptions, {current.pool.label} {cost_text(cost)}: saves "
            f"{usd(move.margin.saving)} after the cost of switching. Risk "
            f"{percent(current.risk)} → {percent(target.risk)} within {current.horizon_h:g} h."
        )
    return _go(situation, move, reason, demanded)


def _reason_to_stay(situation: Situation, current: Candidate, move: Move, demanded: Limits) -> str:
    here = f"{current.pool.label} costs {cost_text(current.expected_cost_usd_per_hour)}"
    if situation.best is None:
        return (
            f"{here} including interruptions; no other {situation.available}pool meets the "
            "requirements."
        )
    saving = move.margin.saving
    if move.candidate is None or saving <= 0:
        return (
            f"{here} including interruptions; no candidate is cheaper after the cost of switching."
        )
    return (
        f"{here} including interruptions; {move.candidate.pool.label} would save {usd(saving)}, "
        f"below the minimum saving of {usd(demanded.min_saving_usd_per_hour)}."
    )


def _stay_in_cooldown(situation: Situation, move: Move, demanded: Limits) -> Verdict:
    reason = (
        f"A switch would save {usd(move.margin.saving)}, but the last switch was recent: cooldown "
        f"for another {demanded.cooldown_left_h:.1f} h."
    )
    return _stay(situation, move, reason, MarginRule.COOLDOWN, demanded)


def _stay(
    situation: Situation, move: Move, reason: str, rule: MarginRule, demanded: Limits
) -> Verdict:
    """STAY, with the best move as the runner-up."""
    margin = replace(move.margin, rule=rule)
    lost = {
        MarginRule.COOLDOWN: f"the cooldown lasts another {demanded.cooldown_left_h:.1f} h",
        MarginRule.MINIMUM_SAVING: f"it would save {usd(margin.saving)}, less than the minimum of "
        f"{usd(demanded.min_saving_usd_per_hour)}",
        MarginRule.COST: f"it would cost {usd(-margin.saving)} more",
        MarginRule.PRICE_OF_SAFETY: f"it would cost {usd(-margin.saving)} more, too much for what "
        "it avoids",
    }[rule]
    runner_up = RunnerUp(
        move.decision,
        move.candidate.pool if move.candidate else situation.instance.pool,
        move.expected_cost_usd_per_hour,
        margin,
        f"{move.where}: {lost}.",
    )
    return Verdict(Decision.STAY, reason, situation.current, None, margin.saving, margin, runner_up)


def _go(situation: Situation, move: Move, reason: str, demanded: Limits) -> Verdict:
    """The move, with the best of the other options as the runner-up."""
    margin = move.margin
    others: list[Move] = []
    for target in (situation.best, situation.second):
        if target is not None and (move.candidate is None or target.pool != move.candidate.pool):
            other = _move(situation, target, demanded, margin.rule)
            others.extend([other] if other is not None else [])
    if move.candidate is not None and not situation.pays_on_demand:
        other = _move(situation, None, demanded, margin.rule)
        others.extend([other] if other is not None else [])
    best = max(others, key=lambda each: each.margin.total, default=None)
    current = situation.current
    runner_up = None
    if best is not None and (best.margin.total >= 0 or margin.rule in FORCED):
        behind = best.expected_cost_usd_per_hour - move.expected_cost_usd_per_hour
        why = f"it costs {usd(behind)} more"
        if behind < 0:
            why = f"it costs {usd(-behind)} less, but can be interrupted again"
        runner_up = RunnerUp(
            best.decision,
            best.candidate.pool if best.candidate else situation.instance.pool,
            best.expected_cost_usd_per_hour,
            best.margin,
            f"{best.where}: {why}.",
        )
    elif margin.rule not in FORCED:
        pool = situation.instance.pool
        here = situation.on_demand_usd_per_hour if situation.pays_on_demand else None
        if here is None:
            here = current.expected_cost_usd_per_hour if current is not None else 0.0
        runner_up = RunnerUp(
            Decision.STAY,
            pool,
            here,
            None,
            f"Staying on {'on-demand' if situation.pays_on_demand else pool.label}: it costs "
            f"{usd(margin.saving)} more after the cost of switching.",
        )
    chosen = move.candidate
    return Verdict(move.decision, reason, current, chosen, margin.saving, margin, runner_up)
