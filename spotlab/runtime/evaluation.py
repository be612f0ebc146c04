"""One run of evaluations: every instance decided, challengers beside it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from spotlab.domain.decision import Experiment, Instance, PolicyParams, StageTrace
from spotlab.domain.interruptions import OwnRecord
from spotlab.domain.market import MarketData
from spotlab.domain.outcomes import ShadowDecision
from spotlab.domain.ports import ModelRecord, RiskModel, Topic
from spotlab.errors import Cancelled, SpotlabError
from spotlab.pipeline.collect import Progress
from spotlab.pipeline.drift_sketch import SKETCH_EVERY, sketch
from spotlab.pipeline.evaluate import Evaluation, Weighed, record, weigh
from spotlab.pipeline.score import score_market
from spotlab.pipeline.shadow import challengers, failed, shadow
from spotlab.pipeline.stage_trace import Tracer
from spotlab.runtime.lab import Lab
from spotlab.runtime.model_selection import RISK_TASK, answer_in_force
from spotlab.runtime.shutdown import LEAVING
from spotlab.telemetry import logs, metrics, traces

log = logging.getLogger("spotlab.runtime.evaluation")


@dataclass(slots=True)
class _Run:
    """What one run shares between instances: each model scores the market once.

    Args:
        data: the market.
        own: what own instances went through in it.
        policy: parameters.
        stages: the collect stage.
        records: every registered model version.
        failures: of models that could not be opened or could not score it, by name.
    """

    data: MarketData
    own: OwnRecord
    policy: PolicyParams
    stages: tuple[StageTrace, ...]
    records: Sequence[ModelRecord]
    scored: dict[str, Evaluation] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)

    def by(self, model: RiskModel) -> Evaluation:
        """The market scored by a model; one that fails at it is not asked again in this run."""
        key = f"{model.name}@{model.version}"
        if key in self.failures:
            raise self.failures[key]
        if key not in self.scored:
            tracer = Tracer(list(self.stages))
            try:
                scored = score_market(self.data, model, tracer, self.own)
            except Exception as exc:
                self.failures[key] = exc
                raise
            log.info("%s scored %d pools", key, len(scored.table), extra=_took(tracer))
            self.scored[key] = Evaluation(scored, self.policy, tuple(tracer.stages))
        return self.scored[key]


def evaluate(
    lab: Lab,
    instance_ids: Sequence[str] | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    policy: PolicyParams | None = None,
) -> list[Experiment]:
    """Decide about instances in a market and a fleet that are not too old; record each decision.

    Args:
        lab: its accounts, market, models and store.
        instance_ids: which; None: every active one whose pipeline is on.
        progress: called with what is being done and the share done.
        cancelled: asked between instances; what was decided until then is kept.
        policy: parameters; None: the default ones.
    Raises:
        NotFound: an id is not in the fleet.
        NoMarketData: nothing was collected yet and nothing can be.
        Cancelled: after at least one instance was left out.
    """
    tell = progress or (lambda _text, _share: None)
    if lab.must_list():
        lab.sync_fleet(cancelled)
    lab.collect_if_old(lambda text, share: tell(text, 0.5 * share), cancelled)
    with logs.correlated():
        if instance_ids is None:
            instances = lab.evaluated()
        else:
            instances = [lab.store.fleet.instance(each) for each in instance_ids]
        return _evaluate_timed(lab, instances, policy or PolicyParams(), tell, cancelled)


def _evaluate_timed(
    lab: Lab,
    instances: Sequence[Instance],
    policy: PolicyParams,
    tell: Progress,
    cancelled: Callable[[], bool] | None,
) -> list[Experiment]:
    """`_evaluate`, timed, counted and traced."""
    outcome, began = "failed", time.perf_counter()
    try:
        with (
            traces.span("evaluation", instances=len(instances)),
            LEAVING.at_work(cancelled) as stop,
        ):
            done = _evaluate(lab, instances, policy, tell, stop)
        outcome = "done"
    except Cancelled:
        outcome = "cancelled"
        raise
    finally:
        took_s = time.perf_counter() - began
        metrics.EVALUATIONS.labels(outcome=outcome).inc()
        metrics.EVALUATION_SECONDS.observe(took_s)
        told = logging.WARNING if outcome == "failed" else logging.INFO
        log.log(told, "evaluation of %d instances: %s in %.2f s", len(instances), outcome, took_s)
    return done


def _evaluate(
    lab: Lab,
    instances: Sequence[Instance],
    policy: PolicyParams,
    tell: Progress,
    cancelled: Callable[[], bool],
) -> list[Experiment]:
    """Decide about instances in the active market, record each decision and its shadows.

    Args:
        lab: its market, models and store.
        instances: in order.
        policy: parameters.
        tell: called with what is being done and the share done.
        cancelled: asked between instances; what was decided until then is kept.
    Raises:
        NoMarketData, NotFound, ArtefactRefused, DatabaseDown: nothing more can be decided.
        Cancelled: after at least one instance was left out.
    """
    tracer = Tracer()
    with tracer.stage("collect", rows_in=0) as stage:
        data = lab.market()
        stage.rows_out = len(data.prices)
    log.info("read %d prices of the market", len(data.prices), extra=_took(tracer))
    own, records = lab.own_record(data.market), lab.store.registry.records()
    run = _Run(data, own, policy, tuple(tracer.stages), records)
    done: list[Experiment] = []
    for index, instance in enumerate(instances):
        if cancelled():
            raise Cancelled(f"Stopped after {index} of {len(instances)} instances.")
        tell(f"deciding about {instance.name or instance.instance_id}", index / len(instances))
        with logs.inside(account=instance.account), traces.span("decide"):
            done.append(_decide(lab, instance, run))
    _sketch(lab, run)
    tell("decided", 1.0)
    return done


def _decide(lab: Lab, instance: Instance, run: _Run) -> Experiment:
    evaluation, instead = answer_in_force(lab.store.registry, lab.predictor, instance.model, run.by)
    if instead:
        evaluation = _degraded(evaluation, instead)
    last_switch_at = lab.store.ledger.last_switch_at(instance.instance_id)
    made = weigh(instance, evaluation, last_switch_at, lab.clock.now())
    with traces.span("ledger"):
        experiment = record(made, lab.store.ledger)
    lab.bus.publish(Topic.EXPERIMENTS)
    _tell(experiment)
    try:
        names = challengers(run.records, RISK_TASK, experiment.model)
        with traces.span("shadow"):
            beside = [_beside(lab, made, experiment, name, run, last_switch_at) for name in names]
            lab.store.shadows.record(beside)
        if beside:
            log.info("%d challengers decided beside %s", len(beside), experiment.experiment_id)
    except SpotlabError as exc:
        log.error("no shadow decisions of experiment %s: %s", experiment.experiment_id, exc)
    return experiment


def _degraded(evaluation: Evaluation, why: str) -> Evaluation:
    data = evaluation.scored.data.with_degraded(why)
    return replace(evaluation, scored=replace(evaluation.scored, data=data))


def _tell(experiment: Experiment) -> None:
    """What was decided, on a log line and in the metrics."""
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


def _took(tracer: Tracer) -> dict[str, object]:
    stages = {stage.name: round(stage.duration_ms, 2) for stage in tracer.stages}
    return {"fields": {"stages_ms": stages}}


def _beside(
    lab: Lab,
    made: Weighed,
    experiment: Experiment,
    name: str,
    run: _Run,
    last_switch_at: datetime | None,
) -> ShadowDecision:
    """A challenger's decision; whatever goes wrong in it is its own result."""
    try:
        challenger = _scored_by(lab, name, run)
        return shadow(made, experiment, challenger, last_switch_at)
    except Exception as exc:
        unforeseen = not isinstance(exc, SpotlabError)
        log.warning("challenger %s failed: %s", name, exc, exc_info=unforeseen)
        return failed(experiment, name, str(exc) or type(exc).__name__)


def _scored_by(lab: Lab, name: str, run: _Run) -> Evaluation:
    """The market scored by a challenger; one that cannot is not asked again in this run."""
    if name in run.failures:
        raise run.failures[name]
    try:
        return run.by(lab.model(name))
    except Exception as exc:
        run.failures[name] = exc
        raise


def _sketch(lab: Lab, run: _Run) -> None:
    """Note how the scored market lies, for drift; a decision never waits on it."""
    for name, evaluation in run.scored.items():
        try:
            last_at = lab.store.drift.last_at(run.data.market, name)
            if last_at is None or run.data.as_of - last_at >= SKETCH_EVERY:
                lab.store.drift.record(sketch(evaluation.scored, lab.model(name)))
        except Exception as exc:
            log.warning("no drift sketch of %s: %s", name, exc, exc_info=True)
