"""Evaluation of instances: a recorded decision for each, and shadow decisions of challengers:
models and policies."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from spotlab.domain.decision import Experiment, Instance, StageTrace, Verdict
from spotlab.domain.interruptions import OwnRecord
from spotlab.domain.market import MarketData
from spotlab.domain.outcomes import ShadowDecision
from spotlab.domain.performance import PerformanceIndex, index_of
from spotlab.domain.policy import Policy, PolicyState
from spotlab.domain.ports import ModelRecord, RiskModel, Topic
from spotlab.domain.throughputs import ThroughputSet
from spotlab.domain.workload import Assignment, Workload, applied_workload
from spotlab.errors import Cancelled, SpotlabError
from spotlab.pipeline.collect import Progress
from spotlab.pipeline.drift_sketch import SKETCH_EVERY, sketch
from spotlab.pipeline.evaluate import Evaluation, Unrecorded, evaluate
from spotlab.pipeline.rank import Ranking
from spotlab.pipeline.replay import scores_of
from spotlab.pipeline.score import ScoredMarket, score_market
from spotlab.pipeline.shadow import challengers, failed, shadow
from spotlab.pipeline.spread import decide_fleet
from spotlab.pipeline.stage_trace import Tracer
from spotlab.runtime.lab import Lab
from spotlab.runtime.model_selection import RISK_TASK, with_selected_model
from spotlab.runtime.shutdown import SHUTDOWN
from spotlab.store import Store
from spotlab.telemetry import logs, metrics, traces

log = logging.getLogger("spotlab.runtime.evaluation")


def evaluate_instances(
    lab: Lab,
    instance_ids: Sequence[str] | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[Experiment]:
    """Decide for instances with the active policy on a current market and fleet, and record each
    decision.

    The instances are decided with each other and the rest of the fleet in view: see
    `spotlab.pipeline.spread`. A decision is recorded once it is final; moves therefore come last.

    Args:
        lab: its accounts, market, models and store.
        instance_ids: the instances; None: every active one whose pipeline is on.
        progress: called with the current step and the share done.
        cancelled: checked between instances; decisions made before stay recorded.
    Returns:
        The experiments as recorded, in the order of the instances.
    Raises:
        NotFound: an id is not in the fleet.
        NoMarketData: no market has been collected and none can be.
        ArtefactRefused: the champion's files are not as registered.
        DatabaseDown: decisions cannot be recorded.
        Cancelled: at least one instance was not evaluated.
    """
    report = progress or (lambda _text, _share: None)
    if lab.fleet_is_stale():
        lab.sync_fleet(cancelled)
    lab.collect_if_stale(lambda text, share: report(text, 0.5 * share), cancelled)
    with logs.correlated():
        if instance_ids is None:
            instances = lab.evaluated_instances()
        else:
            instances = [lab.store.fleet.instance(each) for each in instance_ids]
        experiments: list[Experiment] = []
        with _measured(len(instances), cancelled) as stopped:
            run = _start(lab)
            spread = lab.spread(run.policy.params, instances)
            started: set[str] = set()

            def stop_if_asked() -> None:
                if stopped() and len(experiments) < len(instances):
                    done = f"{len(experiments)} of {len(instances)}"
                    raise Cancelled(f"Stopped after {done} instances.")

            def decide(instance: Instance, unavailable: Mapping[str, str]) -> _Decision:
                stop_if_asked()
                share = (len(started) + len(experiments)) / (2 * len(instances))
                report(f"deciding for {instance.name or instance.instance_id}", share)
                started.add(instance.instance_id)
                with logs.log_context(account=instance.account), traces.span("decide"):
                    return _decide(lab, instance, run, unavailable)

            for decided in decide_fleet(instances, decide, lambda each: each.verdict, spread):
                with logs.log_context(account=decided.instance.account):
                    experiments.append(_record(lab, decided.result, run))
                stop_if_asked()
            _record_sketches(lab, run)
        report("decided", 1.0)
        place = {each.instance_id: index for index, each in enumerate(instances)}
        return sorted(experiments, key=lambda each: place[each.instance.instance_id])


@contextmanager
def _measured(instances: int, cancelled: Callable[[], bool] | None) -> Iterator[Callable[[], bool]]:
    """Trace, time and count a run; yields a function that returns whether to stop."""
    outcome, started = "failed", time.perf_counter()
    try:
        with (
            traces.span("evaluation", instances=instances),
            SHUTDOWN.uninterrupted(cancelled) as stopped,
        ):
            yield stopped
        outcome = "done"
    except Cancelled:
        outcome = "cancelled"
        raise
    finally:
        duration_s = time.perf_counter() - started
        metrics.EVALUATIONS.labels(outcome=outcome).inc()
        metrics.EVALUATION_SECONDS.observe(duration_s)
        level = logging.WARNING if outcome == "failed" else logging.INFO
        log.log(level, "evaluation of %d instances: %s in %.2f s", instances, outcome, duration_s)


@dataclass(slots=True)
class _Run:
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

    def scored_by(self, model: RiskModel) -> Evaluation:
        """The market scored by a model; a model that failed is not tried again in this run."""
        key = f"{model.name}@{model.version}"
        if key in self.failures:
            raise self.failures[key]
        if key not in self.evaluations:
            tracer = Tracer(list(self.stages))
            try:
                scored = score_market(self.data, model, tracer, self.own)
            except Exception as exc:
                self.failures[key] = exc
                raise
            log.info("%s scored %d pools", key, len(scored.table), extra=_stage_times(tracer))
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


def _start(lab: Lab) -> _Run:
    """Read the market, the own record, models and policies. Raises NoMarketData, DatabaseDown."""
    tracer = Tracer()
    with tracer.stage("collect", rows_in=0) as stage:
        data = lab.market()
        stage.rows_out = len(data.prices)
    log.info("read %d prices of the market", len(data.prices), extra=_stage_times(tracer))
    own, records = lab.own_record(data.market), lab.store.registry.records()
    workloads, policies = lab.store.workloads, lab.store.policies.versions()
    return _Run(
        data,
        own,
        next(each.policy for each in policies if each.state is PolicyState.ACTIVE),
        [each.policy for each in policies if each.state is PolicyState.SHADOW],
        tuple(tracer.stages),
        records,
        workloads.assignments(),
        workloads.newest(),
        lab.store.throughputs.newest(),
    )


@dataclass(frozen=True, slots=True)
class _Decision:
    """A decision that may still change because of other instances.

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


def _decide(lab: Lab, instance: Instance, run: _Run, unavailable: Mapping[str, str]) -> _Decision:
    """Decide for one instance without the pools that are unavailable. Nothing is recorded."""
    evaluation, note = with_selected_model(
        lab.store.registry, lab.predictor, instance.model, run.scored_by
    )
    if note:
        data = evaluation.scored.data.with_degraded(note)
        evaluation = replace(evaluation, scored=replace(evaluation.scored, data=data))
    last_switch_at = lab.store.ledger.last_switch_at(instance.instance_id)
    applied = applied_workload(instance, run.assignments, run.workloads)
    performance = run.performance(applied.workload, evaluation.scored)
    now = run.decided_at.setdefault(instance.instance_id, lab.clock.now())
    unrecorded = evaluate(
        instance, evaluation, last_switch_at, now, applied, unavailable, performance
    )
    return _Decision(unrecorded, last_switch_at, evaluation, performance)


def _record(lab: Lab, decision: _Decision, run: _Run) -> Experiment:
    """Record a final decision and those of the challengers."""
    unrecorded, last_switch_at = decision.unrecorded, decision.last_switch_at
    evaluation, performance = decision.evaluation, decision.performance
    with traces.span("ledger"):
        run_id = run.record_market(lab.store, evaluation.scored, lab.clock.now())
        experiment = unrecorded.in_run(run_id)
        number = lab.store.ledger.record(experiment)
    experiment = replace(experiment, experiment_id=number)
    lab.bus.publish(Topic.EXPERIMENTS)
    _log_decision(experiment)
    try:
        shadowing = _Shadows(experiment, unrecorded.ranking, last_switch_at, performance)
        names = challengers(run.records, RISK_TASK, experiment.model)
        with traces.span("shadow"):
            shadows = [
                shadowing.decide(partial(_challenger, lab, run, name), model=name) for name in names
            ]
            shadows += [
                shadowing.decide(partial(_with_policy, evaluation, each), policy=each.reference)
                for each in run.shadow_policies
            ]
            lab.store.shadow_decisions.record(shadows)
        if shadows:
            log.info(
                "%d challengers decided in shadow of %s", len(shadows), experiment.experiment_id
            )
    except SpotlabError as exc:
        log.error("no shadow decisions of experiment %d: %s", number, exc)
    return experiment


def _challenger(lab: Lab, run: _Run, name: str) -> Evaluation:
    """The market scored by a challenger; one that failed is not tried again in this run."""
    if name in run.failures:
        raise run.failures[name]
    try:
        return run.scored_by(lab.model(name))
    except Exception as exc:
        run.failures[name] = exc
        raise


def _with_policy(evaluation: Evaluation, policy: Policy) -> Evaluation:
    """The same scored market, with a policy in shadow."""
    return replace(evaluation, policy=policy.params, policy_version=policy.reference)


@dataclass(frozen=True, slots=True)
class _Shadows:
    """Decisions of challengers about one instance.

    Args:
        experiment: the recorded decision.
        ranking: the ranking that it was made from.
        last_switch_at: as for the recorded decision.
        performance: as for the recorded decision.
    """

    experiment: Experiment
    ranking: Ranking | None
    last_switch_at: datetime | None
    performance: PerformanceIndex

    def decide(
        self, evaluation: Callable[[], Evaluation], *, model: str = "", policy: str = ""
    ) -> ShadowDecision:
        """A challenger's decision; a failure is recorded as its result.

        Args:
            evaluation: returns the market as the challenger scores it, with its policy.
            model: the challenger, if it is a model.
            policy: the challenger, if it is a policy.
        """
        try:
            return shadow(
                self.experiment,
                self.ranking,
                evaluation(),
                self.last_switch_at,
                self.performance,
            )
        except Exception as exc:
            unexpected = not isinstance(exc, SpotlabError)
            log.warning("challenger %s failed: %s", model or policy, exc, exc_info=unexpected)
            error = str(exc) or type(exc).__name__
            return failed(self.experiment, model or self.experiment.model, error, policy)


def _record_sketches(lab: Lab, run: _Run) -> None:
    """Record the distribution of the scored market, for drift; a failure never stops a run."""
    for name, evaluation in run.evaluations.items():
        try:
            last_at = lab.store.drift.last_at(run.data.market, name)
            if last_at is None or run.data.as_of - last_at >= SKETCH_EVERY:
                lab.store.drift.record(sketch(evaluation.scored, lab.model(name)))
        except Exception as exc:
            log.warning("no drift sketch of %s: %s", name, exc, exc_info=True)


def _log_decision(experiment: Experiment) -> None:
    instance, verdict = experiment.instance, experiment.verdict
    decision = verdict.decision.value if verdict else "none"
    metrics.DECISIONS.labels(decision=decision, shadow=str(experiment.shadow).lower()).inc()
    fields = {
        "experiment_id": experiment.experiment_id,
        "instance_id": instance.instance_id,
        "decision": decision,
        "model": experiment.model,
        "duration_ms": round(experiment.duration_ms, 2),
        "stages_ms": {stage.name: round(stage.duration_ms, 2) for stage in experiment.stages},
    }
    if verdict is None:
        log.warning("no decision: %s", experiment.error, extra={"fields": fields})
    else:
        log.info("decided %s: %s", decision, verdict.reason, extra={"fields": fields})


def _stage_times(tracer: Tracer) -> dict[str, object]:
    stages = {stage.name: round(stage.duration_ms, 2) for stage in tracer.stages}
    return {"fields": {"stages_ms": stages}}
