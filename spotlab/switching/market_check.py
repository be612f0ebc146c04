"""What the policy decides about a switch's instance now, without recording it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from spotlab.domain.decision import Candidate, Decision, Instance, Verdict
from spotlab.domain.switch_approval import NO_DECISION, MarketView, changes
from spotlab.domain.switches import Switch, Target
from spotlab.errors import NotFound
from spotlab.pipeline.evaluate import Evaluation, evaluate
from spotlab.pipeline.score import ScoredMarket
from spotlab.runtime.lab import Lab
from spotlab.switching.prices import price_of

NEXT_CANDIDATES = 3
"""Further candidates of a decision that a switch tries if its target lacks capacity."""


@dataclass(frozen=True, slots=True)
class Now:
    """What the policy decides about an instance now.

    Args:
        verdict: None: no decision can be made.
        candidates: that could take over its work, best first.
        scored: the market.
        policy_version, workload_version: used.
    """

    verdict: Verdict | None
    candidates: Sequence[Candidate]
    scored: ScoredMarket
    policy_version: str
    workload_version: str


def decide_now(lab: Lab, instance: Instance, experiment_id: int | None = None) -> Now:
    """Decide about an instance with the active policy and the newest market.

    Args:
        lab: its market, models and policies.
        instance: the instance.
        experiment_id: decide as if right after this decision's predecessor: the decision itself
            must not count as a switch, or the policy's cooldown would keep it from being made
            again. None: the recorded switches count.
    Raises:
        NoMarketData, ArtefactRefused, DatabaseDown: nothing can be decided.
    """
    scored = lab.scored(lab.deciding_model(instance)[0])
    policy = lab.store.policies.active()
    applied = lab.workload_of(instance)
    last_switch_at = lab.store.ledger.last_switch_at(instance.instance_id, experiment_id)
    unavailable = {}
    if experiment_id is not None:
        try:
            recorded = lab.store.ledger.get(experiment_id)
            last_switch_at, unavailable = recorded.last_switch_at, dict(recorded.unavailable)
        except NotFound:
            pass  # deleted by retention
    decided = evaluate(
        instance,
        Evaluation(scored, policy.params, (), policy.reference),
        last_switch_at,
        lab.clock.now(),
        applied,
        unavailable,
        lab.performance(applied.workload, scored),
    ).with_candidates()
    ranked = [each for each in decided.candidates if each.dropped is None and each.rank > 0]
    return Now(
        decided.verdict,
        sorted(ranked, key=lambda each: each.rank),
        scored,
        policy.reference,
        applied.workload.reference,
    )


def view_of(now: Now, target: Target, by_hand: bool) -> MarketView:
    """What the market says about a target."""
    price = price_of(now.scored, target.pool, target.lifecycle)
    if by_hand:
        return MarketView("", "", price, None)
    verdict = now.verdict
    if verdict is None:
        return MarketView(NO_DECISION, "", price, None)
    chosen = verdict.chosen.pool.key if verdict.chosen is not None else ""
    saving = verdict.saving_usd_per_hour if verdict.decision is not Decision.STAY else None
    return MarketView(verdict.decision.value, chosen, price, saving)


def market_now(lab: Lab, switch: Switch) -> MarketView:
    """What the market says about a switch now. Raises as `decide_now`, and NotFound."""
    instance = lab.store.fleet.instance(switch.instance_id)
    now = decide_now(lab, instance, switch.experiment_id)
    return view_of(now, switch.requested, switch.experiment_id is None)


def changes_since_approval(lab: Lab, switch: Switch) -> tuple[MarketView, tuple[str, ...]]:
    """The market now, and why the switch has to be approved again; empty: it has not."""
    now, before = market_now(lab, switch), MarketView.of(switch.fingerprint)
    if before is None:
        return now, ("It is not known for which market it was approved.",)
    guards = lab.store.switch_guards
    return now, changes(
        before,
        now,
        guards.installation().max_price_change,
        guards.account(switch.account).min_saving_usd_per_hour,
    )


def priced(target: Target, price_usd_per_hour: float | None) -> Target:
    """The target at another price."""
    return replace(target, price_usd_per_hour=price_usd_per_hour)
