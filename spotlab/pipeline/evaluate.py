"""The decision about one instance: filter, rank, decide."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

import numpy as np

from spotlab.domain.decision import (
    Candidate,
    DropReason,
    Experiment,
    Instance,
    Lifecycle,
    Requirements,
    StageTrace,
    Verdict,
)
from spotlab.domain.like_for_like import unknown_facts
from spotlab.domain.performance import EQUAL, Basis, PerformanceIndex
from spotlab.domain.policy import DEFAULT_POLICY, PolicyParams
from spotlab.domain.workload import NO_WORKLOAD, AppliedWorkload, AssignmentScope, Workload
from spotlab.errors import SpotlabError
from spotlab.pipeline.filter import hardware_shortfalls, requirements_of
from spotlab.pipeline.policy import Situation, decide
from spotlab.pipeline.rank import Ranking, rank
from spotlab.pipeline.recorded_candidates import recorded_candidates, reference_to
from spotlab.pipeline.score import ScoredMarket
from spotlab.pipeline.stage_trace import Tracer


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Inputs that the instances of one run share.

    Args:
        scored: the market, scored by their model.
        policy: parameters.
        shared_stages: traces of collect, features and risk, which run once for all instances.
        policy_version: "name@version" of the policy.
    """

    scored: ScoredMarket
    policy: PolicyParams
    shared_stages: tuple[StageTrace, ...] = ()
    policy_version: str = DEFAULT_POLICY.reference


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """A decision that is not in the ledger yet, and the ranking that it was made from.

    Args:
        experiment: its experiment_id is 0, and its candidates are not derived.
        ranking: None if the ranking failed; the experiment's error says why.
    """

    experiment: Experiment
    ranking: Ranking | None

    def in_run(self, run_id: int) -> Experiment:
        """The experiment, with a reference to the recorded run that its candidates follow from."""
        run = reference_to(run_id, self.ranking, self.experiment.verdict)
        return replace(self.experiment, run=run)

    def with_candidates(self) -> Experiment:
        """The experiment with its candidates and the names of their features."""
        if self.ranking is None:
            return self.experiment
        return replace(
            self.experiment,
            candidates=recorded_candidates(self.ranking, self.experiment.verdict),
            feature_names=self.ranking.scored.frame.names,
        )


def rank_for(
    instance: Instance,
    requirements: Requirements,
    scored: ScoredMarket,
    policy: PolicyParams,
    workload: Workload,
    unavailable: Collection[str] = (),
    performance: PerformanceIndex = EQUAL,
) -> Ranking:
    """The pools that could take over an instance's work, by expected cost.

    Args:
        instance: the instance.
        requirements: of a replacement, as from `requirements_of`.
        scored: the market.
        policy: parameters.
        workload: the one that applies to the instance.
        unavailable: keys of pools that are left to other instances.
        performance: of types, for the workload.
    Raises:
        ValueError: the instance's type is no instance type.
    """
    shortfalls = hardware_shortfalls(
        instance.pool.instance_type,
        scored.hardware,
        workload.hardware,
        instance.requirements or workload.requirements,
    )
    return rank(
        scored,
        requirements,
        policy,
        workload,
        on_demand_usd_per_hour=scored.on_demand_usd_per_hour(instance.pool),
        shortfalls=shortfalls,
        unavailable=unavailable,
        own_type=instance.pool.instance_type,
        performance=performance,
    )


def evaluate(
    instance: Instance,
    evaluation: Evaluation,
    last_switch_at: datetime | None,
    now: datetime,
    applied: AppliedWorkload = NO_WORKLOAD,
    unavailable: Mapping[str, str] = MappingProxyType({}),
    performance: PerformanceIndex = EQUAL,
) -> Unrecorded:
    """Filter, rank and decide for one instance. Nothing is recorded here.

    If no decision can be made, the experiment has an error instead of a verdict.

    Args:
        instance: the instance to decide about.
        evaluation: the scored market and the policy.
        last_switch_at: when its last switch was decided, or None.
        now: aware UTC.
        applied: the workload that applies to the instance, and the rule that chose it.
        unavailable: pools that are left to other instances of the run, by key, and why.
        performance: of types, for the workload.
    """
    started = time.perf_counter()
    scored, policy, workload = evaluation.scored, evaluation.policy, applied.workload
    tracer = Tracer(list(evaluation.shared_stages))
    requirements = instance.requirements or Requirements()
    verdict, ranking, error = None, None, ""
    try:
        requirements = requirements_of(instance, scored.table, workload)
        on_demand = scored.on_demand_usd_per_hour(instance.pool)
        with tracer.stage("filter", rows_in=len(scored.table)) as stage:
            ranking = rank_for(
                instance, requirements, scored, policy, workload, unavailable, performance
            )
            stage.rows_out = len(ranking.candidates)
        with tracer.stage("policy", rows_in=len(ranking.candidates)) as stage:
            current, best, second = current_and_best(instance, ranking)
            situation = Situation(
                instance, current, best, on_demand, workload, last_switch_at, now, second
            )
            verdict = _with_hardware(decide(situation, policy), ranking)
            verdict = _with_spread(with_workload(verdict, applied), ranking, unavailable)
            stage.rows_out = 1
    except (SpotlabError, ValueError) as exc:
        error = str(exc)
    experiment = Experiment(
        experiment_id=0,
        created_at=now,
        instance=instance,
        market=scored.data.market,
        model=scored.model,
        policy=policy,
        requirements=requirements,
        verdict=verdict,
        candidates=(),
        dropped=ranking.dropped if ranking is not None else {},
        feature_names=scored.frame.names,
        stages=tuple(tracer.stages),
        degraded=scored.data.degraded,
        shadow=instance.shadow,
        error=error,
        duration_ms=(time.perf_counter() - started) * 1e3,
        workload=applied,
        policy_version=evaluation.policy_version,
        unavailable=dict(unavailable),
        performance=performance.fingerprint,
        last_switch_at=last_switch_at,
    )
    return Unrecorded(experiment, ranking)


def with_workload(verdict: Verdict, applied: AppliedWorkload) -> Verdict:
    """The same verdict; its reason says so where the workload is an assumption."""
    if applied.scope is not AssignmentScope.DEFAULT:
        return verdict
    return replace(verdict, reason=f"{verdict.reason} {applied.reason}")


def _with_hardware(verdict: Verdict, ranking: Ranking) -> Verdict:
    """The same verdict; its reason says what is known about another type's performance."""
    own, chosen = ranking.own_type, verdict.chosen
    if own is None or chosen is None or chosen.pool.instance_type == own:
        return verdict
    there = chosen.pool.instance_type
    performance = ranking.performance.relative(own, there)
    sentences = [verdict.reason]
    if performance.basis is not Basis.SAME:
        sentences.append(performance.sentence)
    hardware = ranking.scored.hardware
    if own in hardware and there in hardware:
        unknown = unknown_facts(hardware[own], hardware[there])
        if unknown:
            sentences.append(f"Unknown, so counted as equal: {', '.join(unknown)}.")
    return replace(verdict, reason=" ".join(each for each in sentences if each))


def _with_spread(verdict: Verdict, ranking: Ranking, unavailable: Mapping[str, str]) -> Verdict:
    """The same verdict; its reason says so where a better pool was left to other instances."""
    if not unavailable:
        return verdict
    cost = ranking.table["expected_cost_usd_per_hour"].to_numpy(np.float64)
    left = (ranking.table["dropped"] == DropReason.SPREAD).to_numpy()
    if verdict.chosen is not None:
        left = left & (cost < verdict.chosen.expected_cost_usd_per_hour)
    if not left.any():
        return verdict
    better = ranking.candidate(int(np.flatnonzero(left)[cost[left].argmin()]))
    why = unavailable[better.pool.key]
    return replace(verdict, reason=f"{verdict.reason} {better.pool.label} is cheaper, but {why}.")


def current_and_best(
    instance: Instance, ranking: Ranking
) -> tuple[Candidate | None, Candidate | None, Candidate | None]:
    """The instance's own pool, and the two best candidates on other pools, or None.

    If the zone has no price, the own pool is the region's row. If its expected cost is unknown, it
    is None. For an on-demand instance, the spot pool of its own type may be the best candidate.
    """
    row = ranking.position_of(instance.pool)
    if row is None:
        row = ranking.position_of(replace(instance.pool, availability_zone=None))
    current = ranking.candidate(row) if row is not None else None
    if current is not None and not np.isfinite(current.expected_cost_usd_per_hour):
        current = None
    on_spot = instance.lifecycle is Lifecycle.SPOT
    first = range(min(3, len(ranking.candidates)))
    others = [best for best in first if not (on_spot and best == row)][:2]
    best, second = (*(ranking.candidate(each) for each in others), None, None)[:2]
    return current, best, second
