"""One evaluation: from the market to a recorded decision."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from spotlab.domain.decision import (
    Candidate,
    DropReason,
    Experiment,
    Instance,
    Lifecycle,
    PolicyParams,
    Requirements,
    StageTrace,
    Verdict,
)
from spotlab.domain.market import Pool
from spotlab.domain.ports import Ledger
from spotlab.errors import SpotlabError
from spotlab.pipeline.filter import requirements_of
from spotlab.pipeline.policy import Situation, decide
from spotlab.pipeline.rank import Ranking, rank
from spotlab.pipeline.score import ScoredMarket
from spotlab.pipeline.stage_trace import Tracer

POLICY_DROPS = {DropReason.RISK_CEILING, DropReason.UNSAFE_RATE, DropReason.STALE_PRICE}
"""Pools that meet the requirements, yet are not used: kept whole in the experiment."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one run of the pipeline shares between instances.

    Args:
        scored: the market, scored by the model of these instances.
        policy: parameters.
        shared_stages: collect, features and risk, done once for all instances.
    """

    scored: ScoredMarket
    policy: PolicyParams
    shared_stages: tuple[StageTrace, ...] = ()


@dataclass(frozen=True, slots=True)
class Weighed:
    """A decision that is not recorded yet, and the ranking it was made from.

    Args:
        experiment: its experiment_id is 0.
        ranking: None where no ranking could be made; the experiment's error says why.
    """

    experiment: Experiment
    ranking: Ranking | None


def evaluate(
    instance: Instance, evaluation: Evaluation, ledger: Ledger, now: datetime
) -> Experiment:
    """Decide about one instance and record the decision.

    A decision that cannot be made is recorded too, with its error.

    Args:
        instance: what is decided about.
        evaluation: the scored market and the policy.
        ledger: where the experiment is recorded, and the last switch is read.
        now: aware UTC.
    Returns:
        The experiment as recorded, with its id.
    Raises:
        DatabaseDown: nothing was recorded.
    """
    last_switch_at = ledger.last_switch_at(instance.instance_id)
    return record(weigh(instance, evaluation, last_switch_at, now), ledger)


def record(weighed: Weighed, ledger: Ledger) -> Experiment:
    """Record a decision; returns the experiment with its id. Raises DatabaseDown."""
    return replace(weighed.experiment, experiment_id=ledger.record(weighed.experiment))


def weigh(
    instance: Instance, evaluation: Evaluation, last_switch_at: datetime | None, now: datetime
) -> Weighed:
    """Decide about one instance, and record nothing.

    Args:
        instance: what is decided about.
        evaluation: the scored market and the policy.
        last_switch_at: when its last switch was decided, or None.
        now: aware UTC.
    """
    started = time.perf_counter()
    tracer = Tracer(list(evaluation.shared_stages))
    requirements = instance.requirements or Requirements()
    verdict, ranking, error = None, None, ""
    try:
        requirements = requirements_of(instance, evaluation.scored.table)
        with tracer.stage("filter", rows_in=len(evaluation.scored.table)) as stage:
            ranking = _rank_for(instance, requirements, evaluation)
            stage.rows_out = len(ranking.candidates)
        with tracer.stage("policy", rows_in=len(ranking.candidates)) as stage:
            situation = _situation(instance, ranking, last_switch_at, now)
            verdict = decide(situation, evaluation.policy)
            stage.rows_out = 1
    except (SpotlabError, ValueError) as exc:
        error = str(exc)
    experiment = Experiment(
        experiment_id=0,
        created_at=now,
        instance=instance,
        market=evaluation.scored.data.market,
        model=evaluation.scored.model,
        policy=evaluation.policy,
        requirements=requirements,
        verdict=verdict,
        candidates=_kept(ranking, verdict) if ranking is not None else (),
        dropped=ranking.dropped if ranking is not None else {},
        feature_names=evaluation.scored.frame.names,
        stages=tuple(tracer.stages),
        degraded=evaluation.scored.data.degraded,
        shadow=instance.shadow,
        error=error,
        duration_ms=(time.perf_counter() - started) * 1e3,
    )
    return Weighed(experiment, ranking)


def _rank_for(instance: Instance, requirements: Requirements, evaluation: Evaluation) -> Ranking:
    worth = on_demand_price(instance.pool, evaluation.scored)
    return rank(evaluation.scored, requirements, evaluation.policy, worth)


def on_demand_price(pool: Pool, scored: ScoredMarket) -> float | None:
    """On-demand price of a pool's type in its region, USD per hour; None where unknown."""
    table = scored.table
    same = (table["region"] == pool.region) & (table["instance_type"] == pool.instance_type)
    known = table.loc[same, "on_demand_price_usd_per_hour"].dropna()
    return float(known.iloc[0]) if len(known) else None


def _situation(
    instance: Instance, ranking: Ranking, last_switch_at: datetime | None, now: datetime
) -> Situation:
    here = _position_here(instance.pool, ranking)
    current = ranking.candidate(here) if here is not None else None
    if current is not None and not np.isfinite(current.expected_cost_usd_per_hour):
        current = None
    on_spot = instance.lifecycle is Lifecycle.SPOT
    others = [
        position
        for position in range(min(2, len(ranking.candidates)))
        if not (on_spot and position == here)
    ]
    return Situation(
        instance=instance,
        current=current,
        best=ranking.candidate(others[0]) if others else None,
        on_demand_usd_per_hour=on_demand_price(instance.pool, ranking.scored),
        last_switch_at=last_switch_at,
        now=now,
    )


def _position_here(pool: Pool, ranking: Ranking) -> int | None:
    """The pool's own row, or its region-level one where no zone prices are known."""
    here = ranking.position_of(pool)
    return here if here is not None else ranking.position_of(replace(pool, availability_zone=None))


def _kept(ranking: Ranking, verdict: Verdict | None) -> tuple[Candidate, ...]:
    """Ranked candidates, those the policy dropped, and the current pool whatever befell it."""
    table = ranking.table
    keep = (table["rank"] > 0) | table["dropped"].isin(POLICY_DROPS)
    kept = ranking.take(np.flatnonzero(keep.to_numpy()).tolist())
    current = verdict.current if verdict is not None else None
    if current is not None and all(candidate.pool != current.pool for candidate in kept):
        kept.append(current)
    return tuple(kept)
