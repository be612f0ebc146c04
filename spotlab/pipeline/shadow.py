"""Shadow decisions: what challengers decide on the same market, never carried out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from spotlab.domain.decision import Decision, Experiment, Lifecycle, Verdict
from spotlab.domain.market import Pool
from spotlab.domain.model_lifecycle import ModelState
from spotlab.domain.outcomes import Estimate, ShadowDecision, by_day, mean
from spotlab.domain.ports import ModelRecord
from spotlab.pipeline.evaluate import Evaluation, evaluate
from spotlab.pipeline.rank import Ranking

SHADOW_STATES: Final = frozenset({ModelState.GRADUATED, ModelState.CHAMPION})


def challengers(records: Sequence[ModelRecord], task: str, deciding: str) -> list[str]:
    """The models that run in shadow beside the one that decides, as "name@version", sorted.

    Args:
        records: every registered version.
        task: of the deciding model.
        deciding: "name@version"; the champion runs in shadow where another model decides.
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
) -> ShadowDecision:
    """What a challenger would have decided about the same instance at the same moment.

    Args:
        experiment: the decision that was made, as recorded.
        ranking: what it was made from; None where it failed before.
        challenger: the market scored by the challenger, with the same policy.
        last_switch_at: the same that the deciding model was given.
    """
    shadowed = evaluate(experiment.instance, challenger, last_switch_at, experiment.created_at)
    theirs, ours = shadowed.experiment.verdict, experiment.verdict
    current = theirs.current if theirs else None
    chosen = theirs.chosen if theirs else None
    return ShadowDecision(
        experiment_id=experiment.experiment_id,
        model=challenger.scored.model,
        champion=experiment.model,
        created_at=experiment.created_at,
        instance_id=experiment.instance.instance_id,
        decision=theirs.decision if theirs else None,
        champion_decision=ours.decision if ours else None,
        chosen_pool=chosen.pool.key if chosen else None,
        current_risk=_finite(current.risk if current else None),
        chosen_risk=_finite(chosen.risk if chosen else None),
        horizon_h=experiment.policy.horizon_h,
        saving_usd_per_hour=_finite(theirs.saving_usd_per_hour if theirs else None),
        cost_difference_usd_per_hour=_difference(experiment, theirs, ours, ranking),
        own_cost_difference_usd_per_hour=_difference(experiment, theirs, ours, shadowed.ranking),
        agrees=theirs is not None and ours is not None and _answer(theirs) == _answer(ours),
        error=shadowed.experiment.error,
    )


def failed(experiment: Experiment, model: str, error: str) -> ShadowDecision:
    """A challenger that could not be loaded or could not score the market."""
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
        horizon_h=experiment.policy.horizon_h,
        saving_usd_per_hour=None,
        cost_difference_usd_per_hour=None,
        own_cost_difference_usd_per_hour=None,
        agrees=False,
        error=error,
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """A challenger beside the models that decided.

    Args:
        model: the challenger.
        decided: decisions that both reached.
        failures: decisions that the challenger could not reach.
        agreement: share of the same decision and pool, interval by day.
        cost_difference_usd_per_hour: mean expected cost after its decisions minus after those
            made, by the hazards of the model that decided; interval by day.
        own_cost_difference_usd_per_hour: the same by its own hazards.
        disagreements: newest first.
    """

    model: str
    decided: int
    failures: int
    agreement: Estimate
    cost_difference_usd_per_hour: Estimate
    own_cost_difference_usd_per_hour: Estimate
    disagreements: tuple[ShadowDecision, ...]


def compare(decisions: Sequence[ShadowDecision]) -> list[Comparison]:
    """Each challenger's shadow decisions beside those that were made, by model."""
    models = sorted({decision.model for decision in decisions})
    return [_compared(model, [d for d in decisions if d.model == model]) for model in models]


def _compared(model: str, decisions: Sequence[ShadowDecision]) -> Comparison:
    both = [d for d in decisions if d.decision and d.champion_decision]
    apart = sorted((d for d in both if not d.agrees), key=lambda d: d.created_at, reverse=True)
    return Comparison(
        model=model,
        decided=len(both),
        failures=sum(1 for d in decisions if d.decision is None),
        agreement=_mean_by_day(both, [float(d.agrees) for d in both]),
        cost_difference_usd_per_hour=_mean_by_day(
            both, [d.cost_difference_usd_per_hour for d in both]
        ),
        own_cost_difference_usd_per_hour=_mean_by_day(
            both, [d.own_cost_difference_usd_per_hour for d in both]
        ),
        disagreements=tuple(apart),
    )


def _mean_by_day(decisions: Sequence[ShadowDecision], values: Sequence[float | None]) -> Estimate:
    known = [(d.created_at, v) for d, v in zip(decisions, values, strict=True) if v is not None]
    numbers = np.array([value for _, value in known], dtype=np.float64)
    return by_day(lambda rows: mean(numbers[rows]), [moment for moment, _ in known])


def _answer(verdict: Verdict) -> tuple[Decision, Pool | None]:
    return verdict.decision, verdict.chosen.pool if verdict.chosen else None


def _difference(
    experiment: Experiment, theirs: Verdict | None, ours: Verdict | None, ranking: Ranking | None
) -> float | None:
    if theirs is None or ours is None or ranking is None:
        return None
    if _answer(theirs) == _answer(ours):
        return 0.0
    after = _cost_after(experiment, theirs, ranking)
    before = _cost_after(experiment, ours, ranking)
    return None if after is None or before is None else after - before


def _cost_after(experiment: Experiment, verdict: Verdict, ranking: Ranking) -> float | None:
    """Expected cost of an hour once a verdict is carried out, by one model's hazards."""
    instance = experiment.instance
    stays_on_demand = (
        verdict.decision is Decision.STAY and instance.lifecycle is Lifecycle.ON_DEMAND
    )
    if verdict.decision is Decision.FALLBACK_ONDEMAND or stays_on_demand:
        return ranking.scored.on_demand_usd_per_hour(instance.pool)
    side = verdict.chosen if verdict.decision is Decision.SWITCH else verdict.current
    position = ranking.position_of(side.pool) if side is not None else None
    if position is None:
        return None
    return _finite(float(ranking.table["expected_cost_usd_per_hour"].iloc[position]))


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
