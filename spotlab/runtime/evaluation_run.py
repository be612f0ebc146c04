"""State that the instances of one evaluation share, and the decision about one of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from spotlab.domain.decision import Instance, StageTrace, Verdict
from spotlab.domain.interruptions import OwnRecord
from spotlab.domain.market import MarketData
from spotlab.domain.performance import PerformanceIndex, index_of
from spotlab.domain.policy import Policy, PolicyState
from spotlab.domain.ports import ModelRecord, RiskModel
from spotlab.domain.throughputs import ThroughputSet
from spotlab.domain.workload import AppliedWorkload, Assignment, Workload, applied_workload
from spotlab.pipeline.evaluate import Evaluation, Unrecorded, evaluate
from spotlab.pipeline.replay import scores_of
from spotlab.pipeline.score import ScoredMarket, score_market
from spotlab.pipeline.shadow import challengers
from spotlab.pipeline.stage_trace import Tracer
from spotlab.runtime.lab import Lab
from spotlab.runtime.model_selection import RISK_TASK, with_selected_model
from spotlab.store import Store

log = logging.getLogger("spotlab.runtime.evaluation")


@dataclass(slots=True)
class Run:
    """State that the instances of one run share: each model scores the market once.

    Args:
        data: the market.
        own: exposure and interruptions of own instances in it.
        policy: decides.
        shadow_policies: decide alongside it.
        stages: the collect stage.
        records: every registered model version.
        assignments, workloads: the rules that give instances a workload, and newest versions.
        throughputs: newest measured throughputs by workload.
        evaluations: scored markets by "name@version" of the model.
        failures: errors by "name@version" of models that could not be opened or failed to score.
        run_id: of the recorded market; 0 until the first decision is recorded.
        recorded: models whose hazards are recorded with it.
        decided_at: when each instance was first decided about; a second decision keeps the time.
        last_switches: when the last switch of each instance that has one was decided.
        selected: by the model assigned to an instance (None: the champion), the market scored by
            the model that decides, with a note in it if that is another one.
    """

    data: MarketData
    own: OwnRecord
    policy: Policy
    shadow_policies: Sequence[Policy]
    stages: tuple[StageTrace, ...]
    records: Sequence[ModelRecord]
    assignments: Sequence[Assignment]
    workloads: Mapping[str, Workload]
    throughputs: Mapping[str, ThroughputSet]
    last_switches: Mapping[str, datetime]
    selected: dict[str | None, Evaluation] = field(default_factory=dict)
    indices: dict[tuple[str, bool], PerformanceIndex] = field(default_factory=dict)
    evaluations: dict[str, Evaluation] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)
    run_id: int = 0
    recorded: set[str] = field(default_factory=set)
    decided_at: dict[str, datetime] = field(default_factory=dict)

    def performance(self, workload: Workload, scored: ScoredMarket) -> PerformanceIndex:
        """The performance index of a workload, the same for all its instances."""
        key = (workload.name, workload.hardware.use_claims)
        if key not in self.indices:
            self.indices[key] = index_of(workload, self.throughputs, scored.hardware)
        return self.indices[key]

    def applied_workload(self, instance: Instance) -> AppliedWorkload:
        """The workload of an instance, and the rule that chose it."""
        return applied_workload(instance, self.assignments, self.workloads)

    def has_challengers(self) -> bool:
        """Whether models may decide in shadow alongside one of those that decide."""
        return any(
            challengers(self.records, RISK_TASK, each.scored.model)
            for each in self.selected.values()
        )

    def scored_by(self, model: RiskModel) -> Evaluation:
        """The market scored by a model; a model that failed is not tried again in this run."""
        key = f"{model.name}@{model.version}"
        if key in self.failures:
            raise self.failures[key]
        if key not in self.evaluations:
            tracer = Tracer(list(self.stages))
            try:
                before = next((each.scored for each in self.evaluations.values()), None)
                scored = score_market(self.data, model, tracer, self.own, before)
            except Exception as exc:
                self.failures[key] = exc
                raise
            log.info("%s scored %d pools", key, len(scored.table), extra=stage_times(tracer))
            self.evaluations[key] = Evaluation(
                scored, self.policy.params, tuple(tracer.stages), self.policy.reference
            )
        return self.evaluations[key]

    def record_market(self, store: Store, scored: ScoredMarket, now: datetime) -> int:
        """Record the market and a model's hazards, once a run; returns the id of the run."""
        if not self.run_id:
            self.run_id = store.market_runs.save(self.data, self.own, now)
        if scored.model not in self.recorded:
            store.market_runs.save_scores(self.run_id, scores_of(scored), now)
            self.recorded.add(scored.model)
        return self.run_id


def start_run(lab: Lab, instances: Sequence[Instance]) -> Run:
    """Read the market, the own record, models and policies. Raises NoMarketData, DatabaseDown."""
    tracer = Tracer()
    with tracer.stage("collect", rows_in=0) as stage:
        data = lab.market()
        stage.rows_out = len(data.prices)
    log.info("read %d prices of the market", len(data.prices), extra=stage_times(tracer))
    own, records = lab.own_record(data), lab.store.registry.records()
    workloads, policies = lab.store.workloads, lab.store.policies.versions()
    return Run(
        data,
        own,
        next(each.policy for each in policies if each.state is PolicyState.ACTIVE),
        [each.policy for each in policies if each.state is PolicyState.SHADOW],
        tuple(tracer.stages),
        records,
        workloads.assignments(),
        workloads.newest(),
        lab.store.throughputs.newest(),
        lab.store.ledger.last_switches([each.instance_id for each in instances]),
    )


@dataclass(frozen=True, slots=True)
class PendingDecision:
    """A decision that is not recorded yet, and may still change because of other instances.

    Args:
        unrecorded: the decision and its ranking.
        last_switch_at: when the instance's last switch was decided, or None.
        evaluation: the scored market and the policy that it was made with.
        performance: of types, for its workload.
    """

    unrecorded: Unrecorded
    last_switch_at: datetime | None
    evaluation: Evaluation
    performance: PerformanceIndex

    @property
    def verdict(self) -> Verdict | None:
        """None: no decision could be made."""
        return self.unrecorded.experiment.verdict


def decide(
    lab: Lab, instance: Instance, run: Run, unavailable: Mapping[str, str]
) -> PendingDecision:
    """Decide for one instance without the pools that are unavailable. Nothing is recorded."""
    evaluation = select(lab, instance, run)
    last_switch_at = run.last_switches.get(instance.instance_id)
    applied = run.applied_workload(instance)
    performance = run.performance(applied.workload, evaluation.scored)
    now = run.decided_at.setdefault(instance.instance_id, lab.clock.now())
    unrecorded = evaluate(
        instance, evaluation, last_switch_at, now, applied, unavailable, performance
    )
    return PendingDecision(unrecorded, last_switch_at, evaluation, performance)


def select(lab: Lab, instance: Instance, run: Run) -> Evaluation:
    """The market scored by the model that decides for an instance."""
    remembered = run.selected.get(instance.model)
    if remembered is not None:
        return remembered
    evaluation, note = with_selected_model(
        lab.store.registry, lab.predictor, instance.model, run.scored_by
    )
    if note:
        evaluation = replace(evaluation, scored=evaluation.scored.with_degraded(note))
    run.selected[instance.model] = evaluation
    return evaluation


def stage_times(tracer: Tracer) -> dict[str, object]:
    stages = {stage.name: round(stage.duration_ms, 2) for stage in tracer.stages}
    return {"fields": {"stages_ms": stages}}
