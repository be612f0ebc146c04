"""Switches that are about to be requested: made from a decision, or by hand."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import replace

from spotlab.domain.decision import Candidate, Decision, Experiment, Instance, Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.switch_guards import SwitchingMode
from spotlab.domain.switch_plan import Preflight, Strategy
from spotlab.domain.switches import JournalEntry, Phase, Switch, SwitchState, Target
from spotlab.errors import Conflict, InvalidInput
from spotlab.runtime.lab import Lab
from spotlab.runtime.replay import open_experiment
from spotlab.switching.guards import expires_at, levels_of, on_demand_of
from spotlab.switching.market_check import NEXT_CANDIDATES, decide_now, view_of
from spotlab.switching.preflight.effects import losses_of
from spotlab.switching.prices import price_of


def targets_of(lab: Lab, experiment: Experiment) -> tuple[Target, ...]:
    """The pools of a decision, the chosen one first, then its next candidates.

    Raises:
        Conflict: it decided to stay, or nothing.
    """
    verdict, instance = experiment.verdict, experiment.instance
    if verdict is None or verdict.decision is Decision.STAY:
        decided = "STAY" if verdict is not None else "none"
        raise Conflict(
            f"The decision {experiment.experiment_id} about {instance.instance_id} is {decided}.",
            remedy="Only a decision to leave the pool can be carried out; or name a pool.",
        )
    if verdict.decision is Decision.FALLBACK_ONDEMAND or verdict.chosen is None:
        scored = lab.scored(lab.deciding_model(instance)[0])
        return (on_demand_of(instance, scored.on_demand_usd_per_hour(instance.pool)),)
    chosen = verdict.chosen
    ranked = sorted(
        (each for each in open_experiment(lab, experiment).candidates if _is_next(each, chosen)),
        key=lambda each: each.rank,
    )
    own = instance.pool
    following = [each for each in ranked if each.pool != own][:NEXT_CANDIDATES]
    return tuple(_target(each) for each in (chosen, *following))


def _is_next(candidate: Candidate, chosen: Candidate) -> bool:
    return (
        candidate.dropped is None
        and candidate.rank > 0
        and candidate.pool != chosen.pool
        and candidate.pool.region == chosen.pool.region
        and candidate.pool.availability_zone is not None
    )


def _target(candidate: Candidate) -> Target:
    return Target(
        candidate.pool,
        Lifecycle.SPOT,
        candidate.spot_price_usd_per_hour,
        candidate.on_demand_price_usd_per_hour,
        candidate.expected_cost_usd_per_hour,
    )


def target_by_hand(lab: Lab, instance: Instance, pool: Pool, lifecycle: Lifecycle) -> Target:
    """A pool that a user names.

    Raises:
        InvalidInput: its zone is missing, or it is where the instance runs.
    """
    if pool.availability_zone is None:
        raise InvalidInput(
            f"The pool {pool.key} has no availability zone.",
            remedy="Name a pool with its zone, such as us-east-1:us-east-1a:m6a.large:Linux.",
            field="pool",
        )
    if pool == instance.pool and lifecycle is instance.lifecycle:
        raise InvalidInput(
            f"{instance.instance_id} already runs on {lifecycle.value} {pool.label}.",
            remedy="Name another pool.",
            field="pool",
        )
    scored = lab.scored(lab.deciding_model(instance)[0])
    on_demand = scored.on_demand_usd_per_hour(pool)
    return Target(pool, lifecycle, price_of(scored, pool, lifecycle), on_demand)


def build(
    lab: Lab,
    instance: Instance,
    targets: tuple[Target, ...],
    preflight: Preflight,
    *,
    requested_by: str,
    experiment: Experiment | None = None,
    confirmed: Collection[str] = (),
) -> Switch:
    """A requested switch, with the market that it is requested for; a dry run unless every level
    is on.

    Args:
        lab: its market, guards and clock.
        instance: to be replaced.
        targets: the requested one first.
        preflight: of the first target.
        requested_by: a user, or "spotlab".
        experiment: the decision; None: by hand.
        confirmed: codes of questions of the preflight that were confirmed.
    """
    now = lab.clock.now()
    decided = decide_now(lab, instance, experiment.experiment_id if experiment else None)
    view = view_of(decided, targets[0], by_hand=experiment is None)
    verdict = experiment.verdict if experiment is not None else None
    current = verdict.current if verdict is not None else None
    on_demand_price = decided.scored.on_demand_usd_per_hour(instance.pool)
    last_resort = on_demand_of(instance, on_demand_price)
    allowed = last_resort not in targets and preflight.strategy is not Strategy.STOP_START
    return Switch(
        switch_id=f"sw-{secrets.token_hex(6)}",
        account=instance.account,
        instance_id=instance.instance_id,
        pool=instance.pool,
        lifecycle=instance.lifecycle,
        targets=targets,
        strategy=preflight.strategy,
        requested_by=requested_by,
        requested_at=now,
        name=instance.name,
        experiment_id=experiment.experiment_id if experiment is not None else None,
        on_demand=last_resort if allowed else None,
        expires_at=expires_at(lab.store.switch_guards.installation(), now),
        fingerprint=view.fingerprint,
        policy_version=experiment.policy_version if experiment else "",
        workload_version=experiment.workload.workload.reference
        if experiment
        else decided.workload_version,
        confirmed=tuple(sorted(confirmed)),
        accepted_losses=losses_of(preflight),
        dry_run=levels_of(lab, instance).mode is not SwitchingMode.ON,
        price_before_usd_per_hour=price_of(decided.scored, instance.pool, instance.lifecycle),
        price_after_usd_per_hour=targets[0].price_usd_per_hour,
        cost_before_usd_per_hour=current.expected_cost_usd_per_hour if current else None,
        cost_after_usd_per_hour=_cost_after(targets[0], verdict.saving_usd_per_hour, current)
        if verdict is not None
        else None,
    )


def _cost_after(
    target: Target, saving_usd_per_hour: float | None, current: Candidate | None
) -> float | None:
    """Expected cost on the target, per hour of the instance's work."""
    if target.cost_usd_per_hour is not None:
        return target.cost_usd_per_hour
    if saving_usd_per_hour is None or current is None:
        return None
    return current.expected_cost_usd_per_hour - saving_usd_per_hour


def rehearsed(switch: Switch, preflight: Preflight) -> tuple[Switch, list[JournalEntry]]:
    """A dry run: finished at once, with the calls that a real switch would make in its journal."""
    at = switch.requested_at
    entries = [
        JournalEntry(
            switch.switch_id,
            0,
            at,
            None,
            f"would call {call.action}",
            Phase.NOTE,
            {"step": call.step, "parameters": dict(call.parameters), "text": call.text},
        )
        for call in preflight.calls
    ]
    done = replace(
        switch,
        state=SwitchState.DONE,
        expires_at=None,
        finished_at=at,
        situation="A dry run: the calls are in the journal; none was made.",
    )
    return done, entries
