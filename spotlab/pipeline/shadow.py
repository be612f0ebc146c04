"""Shadow decisions: made by challengers on the same market, never executed.

A challenger is another model with the same policy, or another policy with the same model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import numpy as np

from spotlab.domain.decision import Decision, Experiment, Lifecycle, Verdict
from spotlab.domain.market import Pool
from spotlab.domain.model_lifecycle import ModelState
from spotlab.domain.outcomes import Estimate, ShadowDecision, mean_of_days
from spotlab.domain.performance import EQUAL, PerformanceIndex
from spotlab.domain.ports import ModelRecord
from spotlab.pipeline.evaluate import Evaluation, evaluate
from spotlab.pipeline.rank import Ranking

SHADOW_STATES: Final = frozenset({ModelState.GRADUATED, ModelState.CHAMPION})


def challengers(records: Sequence[ModelRecord], task: str, deciding: str) -> list[str]:
    """The models that run in shadow alongside the deciding one, as "name@version", sorted.

    Args:
        records: every registered version.
        task: task of the deciding model.
        deciding: "name@version" of the deciding model; if it is not the champion, the champion
            runs in shadow.
    """
    names = [
        record.reference
        for record in records
        if record.task == task and record.state in SHADOW_STATES and record.enabled
    ]
    return sorted(name for name in names if name != deciding)


def shadow(
    experiment: Experiment,
    ranking: Ranking | None,
    challenger: Evaluation,
    last_switch_at: datetime | None,
    performance: PerformanceIndex = EQUAL,
) -> ShadowDecision:
    """A challenger's decision about the same instance at the same time.

    The same pools are unavailable to it: the other instances go where the deciding model sends
    them, and the two decisions differ by the risks alone.

    Args:
        experiment: the recorded decision.
        ranking: the ranking that it was made from; None if the ranking failed.
        challenger: the market scored by another model, or with another policy.
        last_switch_at: as for the recorded decision.
        performance: as for the recorded decision.
    """
    shadowed = evaluate(
        experiment.instance,
        challenger,
        last_switch_at,
        experiment.created_at,
        experiment.workload,
        experiment.unavailable,
        performance,
    )
    shadow_verdict, verdict = shadowed.experiment.verdict, experiment.verdict
    current = shadow_verdict.current if shadow_verdict else None
    chosen = shadow_verdict.chosen if shadow_verdict else None
    return ShadowDecision(
        experiment_id=experiment.experiment_id,
        model=challenger.scored.model,
        champion=experiment.model,
        created_at=experiment.created_at,
        instance_id=experiment.instance.instance_id,
        decision=shadow_verdict.decision if shadow_verdict else None,
        champion_decision=verdict.decision if verdict else None,
        chosen_pool=chosen.pool.key if chosen else None,
        current_risk=_finite(current.risk if current else None),
        chosen_risk=_finite(chosen.risk if chosen else None),
        horizon_h=experiment.workload.workload.horizon_h,
        saving_usd_per_hour=_finite(shadow_verdict.saving_usd_per_hour if shadow_verdict else None),
        cost_difference_usd_per_hour=_difference(experiment, shadow_verdict, ranking),
        own_cost_difference_usd_per_hour=_difference(experiment, shadow_verdict, shadowed.ranking),
        agrees=shadow_verdict is not None
        and verdict is not None
        and _choice(shadow_verdict) == _choice(verdict),
        error=shadowed.experiment.error,
        policy=_other_policy(experiment, challenger),
    )


def _other_policy(experiment: Experiment, challenger: Evaluation) -> str:
    """The challenger's policy; "" if it is the one that decided."""
    policy = challenger.policy_version
    return policy if policy != experiment.policy_version else ""


def failed(experiment: Experiment, model: str, error: str, policy: str = "") -> ShadowDecision:
    """The record of a challenger that could not be loaded or could not score the market.

    Args:
        experiment: the recorded decision.
        model: the challenger, or the model that decides for a policy.
        error: why it failed.
        policy: the challenger, if it is a policy.
    """
    verdict = experiment.verdict
    return ShadowDecision(
        experiment_id=experiment.experiment_id,
        model=model,
        champion=experiment.model,
        created_at=experiment.created_at,
        instance_id=experiment.instance.instance_id,
        decision=None,
        champion_decision=verdict.decision if verdict else None,
        chosen_pool=None,
        current_risk=None,
        chosen_risk=None,
        horizon_h=experiment.workload.workload.horizon_h,
        saving_usd_per_hour=None,
        cost_difference_usd_per_hour=None,
        own_cost_difference_usd_per_hour=None,
        agrees=False,
        error=error,
        policy=policy,
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """A challenger compared with the models or policies that decided.

    Args:
        model: the challenger; "" if it is a policy.
        decided: number of decisions that both made.
        failures: number of decisions that the challenger could not make.
        agreement: share with the same decision and pool, interval by day.
        cost_difference_usd_per_hour: mean expected cost after the challenger's decisions minus
            that after the recorded ones, by the deciding model's hazards; interval by day.
        own_cost_difference_usd_per_hour: the same by the challenger's own hazards.
        disagreements: newest first.
        policy: the challenger, if it is a policy.
        moves, champion_moves: how many of its decisions, and of the recorded ones, are not STAY.
        instances: number of instances that these decisions are about.
    """

    model: str
    decided: int
    failures: int
    agreement: Estimate
    cost_difference_usd_per_hour: Estimate
    own_cost_difference_usd_per_hour: Estimate
    disagreements: tuple[ShadowDecision, ...]
    policy: str = ""
    moves: int = 0
    champion_moves: int = 0
    instances: int = 0

    @property
    def cost_difference_usd_per_day(self) -> Estimate:
        """By the deciding model's hazards, per day, for all these instances."""
        return self.cost_difference_usd_per_hour.times(24.0 * self.instances)


def compare(decisions: Sequence[ShadowDecision]) -> list[Comparison]:
    """One comparison per challenger, by name."""
    by_challenger: dict[str, list[ShadowDecision]] = {}
    for decision in decisions:
        by_challenger.setdefault(decision.challenger, []).append(decision)
    return [_comparison(by_challenger[name]) for name in sorted(by_challenger)]


def _comparison(decisions: Sequence[ShadowDecision]) -> Comparison:
    both = [d for d in decisions if d.decision and d.champion_decision]
    disagreements = [d for d in both if not d.agrees]
    return Comparison(
        model="" if decisions[0].policy else decisions[0].model,
        decided=len(both),
        failures=sum(1 for d in decisions if d.decision is None),
        agreement=_mean_by_day(both, [float(d.agrees) for d in both]),
        cost_difference_usd_per_hour=_mean_by_day(
            both, [d.cost_difference_usd_per_hour for d in both]
        ),
        own_cost_difference_usd_per_hour=_mean_by_day(
            both, [d.own_cost_difference_usd_per_hour for d in both]
        ),
        disagreements=tuple(sorted(disagreements, key=lambda d: d.created_at, reverse=True)),
        policy=decisions[0].policy,
        moves=sum(d.decision is not Decision.STAY for d in both),
        champion_moves=sum(d.champion_decision is not Decision.STAY for d in both),
        instances=len({d.instance_id for d in both}),
    )


def _mean_by_day(decisions: Sequence[ShadowDecision], values: Sequence[float | None]) -> Estimate:
    days: dict[date, tuple[float, int]] = {}
    for decision, value in zip(decisions, values, strict=True):
        if value is not None:
            day = decision.created_at.date()
            total, count = days.get(day, (0.0, 0))
            days[day] = (total + value, count + 1)
    return mean_of_days(days)


def _choice(verdict: Verdict) -> tuple[Decision, Pool | None]:
    return verdict.decision, verdict.chosen.pool if verdict.chosen else None


def _difference(
    experiment: Experiment, shadow_verdict: Verdict | None, ranking: Ranking | None
) -> float | None:
    """Expected cost after the shadow decision minus that after the recorded one, USD per hour."""
    verdict = experiment.verdict
    if shadow_verdict is None or verdict is None or ranking is None:
        return None
    if _choice(shadow_verdict) == _choice(verdict):
        return 0.0
    shadow_cost = _cost_after(experiment, shadow_verdict, ranking)
    cost = _cost_after(experiment, verdict, ranking)
    return None if shadow_cost is None or cost is None else shadow_cost - cost


def _cost_after(experiment: Experiment, verdict: Verdict, ranking: Ranking) -> float | None:
    """Expected cost after executing a verdict, by the hazards in `ranking`, USD per hour."""
    instance = experiment.instance
    stays_on_demand = (
        verdict.decision is Decision.STAY and instance.lifecycle is Lifecycle.ON_DEMAND
    )
    if verdict.decision is Decision.FALLBACK_ONDEMAND or stays_on_demand:
        return ranking.scored.on_demand_usd_per_hour(instance.pool)
    target = verdict.chosen if verdict.decision is Decision.SWITCH else verdict.current
    position = ranking.position_of(target.pool) if target is not None else None
    if position is None:
        return None
    cost = ranking.numbers(ranking.rows[[position]])["expected_cost_usd_per_hour"]
    return _finite(float(cost[0]))


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
