"""The decision about one instance: filter, rank, decide."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

import numpy as np

from spotlab.domain.decision import (
    Candidate,
    Decision,
    Experiment,
    Instance,
    Lifecycle,
    RunReference,
    StageTrace,
    Verdict,
)
from spotlab.domain.hazard_curve import ShortCause
from spotlab.domain.like_for_like import unknown_facts
from spotlab.domain.performance import EQUAL, Basis, PerformanceIndex
from spotlab.domain.policy import DEFAULT_POLICY, PolicyParams
from spotlab.domain.requirements import Requirements
from spotlab.domain.spot_events import SpotEventKind
from spotlab.domain.workload import NO_WORKLOAD, AppliedWorkload, AssignmentScope, Workload
from spotlab.errors import SpotlabError
from spotlab.pipeline.filter import hardware_shortfalls, requirements_of
from spotlab.pipeline.policy import decide
from spotlab.pipeline.policy_text import cost_text, usd
from spotlab.pipeline.rank import Ranking, rank
from spotlab.pipeline.recorded_candidates import recorded_candidates, reference_to
from spotlab.pipeline.score import ScoredMarket
from spotlab.pipeline.situation import Situation
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
        reference: to its candidates, of no run yet, if the ranking was left on another machine.
    """

    experiment: Experiment
    ranking: Ranking | None
    reference: RunReference | None = None

    def in_run(self, run_id: int) -> Experiment:
        """The experiment, with a reference to the recorded run that its candidates follow from."""
        found = self.reference or reference_to(run_id, self.ranking, self.experiment.verdict)
        return replace(self.experiment, run=replace(found, run_id=run_id))

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
    unavailable: Mapping[str, str] = MappingProxyType({}),
    performance: PerformanceIndex = EQUAL,
) -> Ranking:
    """The pools that could take over an instance's work, by expected cost.

    Args:
        instance: the instance.
        requirements: of a replacement, as from `requirements_of`.
        scored: the market.
        policy: parameters.
        workload: the one that applies to the instance.
        unavailable: pools that are left to other instances, by key, and why; its own spot pool is
            never left to others.
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
    own = {instance.pool.key} if instance.lifecycle is Lifecycle.SPOT else set()
    return rank(
        scored,
        requirements,
        policy,
        workload,
        on_demand_usd_per_hour=scored.on_demand_usd_per_hour(instance.pool),
        shortfalls=shortfalls,
        unavailable={key: why for key, why in unavailable.items() if key not in own},
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
        requirements = requirements_of(instance, scored.pools, workload)
        on_demand = scored.on_demand_usd_per_hour(instance.pool)
        with tracer.stage("filter", rows_in=len(scored.pools)) as stage:
            ranking = rank_for(
                instance, requirements, scored, policy, workload, unavailable, performance
            )
            stage.rows_out = ranking.count
        with tracer.stage("policy", rows_in=ranking.count) as stage:
            current, best, second = current_and_best(instance, ranking)
            situation = Situation(
                instance,
                current,
                best,
                on_demand,
                workload,
                last_switch_at,
                now,
                second,
                left_to_others=len(ranking.left_to_others) > 0,
            )
            verdict = _with_hardware(decide(situation, policy), ranking)
            verdict = _with_spread(verdict, situation, policy, ranking, unavailable)
            verdict = _with_signal(verdict, situation, policy)
            verdict = _with_evidence(verdict)
            verdict = with_workload(verdict, applied)
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
        unavailable=_recorded_unavailable(instance, ranking, unavailable),
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


def _with_evidence(verdict: Verdict) -> Verdict:
    """The same verdict; its reason names what raises the hazard of the own pool for a while."""
    evidence = verdict.current.evidence if verdict.current is not None else None
    if evidence is None or not evidence.moves:
        return verdict
    causes = [
        f"{(part.detail or str(part.cause)).rstrip(',')} ({part.effect})"
        for part in evidence.parts
        if part.cause is not ShortCause.REBALANCE  # the sentence about the signal names it
    ]
    if evidence.forecast is not None and evidence.forecast_share > 0.0:
        causes.append("a forecast of its capacity")
    if not causes:
        return verdict
    text = f"The hazard of its pool is raised for a while by {' and '.join(causes)}."
    return replace(verdict, reason=f"{verdict.reason} {text}")


def _with_signal(verdict: Verdict, situation: Situation, policy: PolicyParams) -> Verdict:
    """The same verdict; its reason names a recent rebalance recommendation of the instance."""
    signal = situation.instance.signal
    if signal is None or signal.kind is not SpotEventKind.REBALANCE or situation.pays_on_demand:
        return verdict
    age_h = (situation.now - signal.at) / timedelta(hours=1)
    window_h = 2.0 * policy.rebalance_half_life_h
    if not 0.0 <= age_h < window_h or policy.rebalance_factor == 1.0:
        return verdict
    text = (
        f"EC2 recommended at {signal.at:%H:%M} UTC to rebalance it: the risk of its pool counts "
        f"more for {window_h:g} h, which alone moves no instance."
    )
    return replace(verdict, reason=f"{verdict.reason} {text}")


def _with_spread(
    verdict: Verdict,
    situation: Situation,
    params: PolicyParams,
    ranking: Ranking,
    unavailable: Mapping[str, str],
) -> Verdict:
    """The same verdict; its reason says where the spread of the fleet changed or limits it."""
    own = unavailable.get(situation.instance.pool.key, "")
    if own and verdict.decision is Decision.STAY and not situation.pays_on_demand:
        over = f"Its pool has more than the group's share: {own}. It is not moved for that alone."
        verdict = replace(verdict, reason=f"{verdict.reason} {over}")
    left = ranking.left_to_others
    if not len(left):
        return verdict
    cost = ranking.numbers(ranking.rows[left])["expected_cost_usd_per_hour"]
    wanted = ranking.candidate(int(left[cost.argmin()]))
    best = situation.best
    if best is not None and best.expected_cost_usd_per_hour <= wanted.expected_cost_usd_per_hour:
        return verdict
    alone = decide(replace(situation, best=wanted, second=best), params)
    if alone.chosen is None or alone.chosen.pool != wanted.pool:
        return verdict
    text = f"{wanted.pool.label} would cost {cost_text(wanted.expected_cost_usd_per_hour)}"
    if verdict.chosen is not None:
        dearer = verdict.chosen.expected_cost_usd_per_hour - wanted.expected_cost_usd_per_hour
        text = f"Not its first choice: {wanted.pool.label} would cost {usd(dearer)} less"
    why = unavailable[wanted.pool.key]
    return replace(verdict, reason=f"{verdict.reason} {text}, but {why}.")


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
    first = range(min(3, ranking.count))
    others = [best for best in first if not (on_spot and best == row)][:2]
    best, second = (*(ranking.candidate(each) for each in others), None, None)[:2]
    return current, best, second


def _recorded_unavailable(
    instance: Instance, ranking: Ranking | None, unavailable: Mapping[str, str]
) -> dict[str, str]:
    """The unavailable pools of this market, and the instance's own."""
    known = {instance.pool.key}
    if ranking is not None and unavailable:
        known |= ranking.known(unavailable)
    return {key: why for key, why in unavailable.items() if key in known}
