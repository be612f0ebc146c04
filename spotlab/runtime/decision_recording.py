"""Recording of final decisions, and of what challengers would have decided."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from spotlab.domain.decision import Experiment
from spotlab.domain.outcomes import ShadowDecision
from spotlab.domain.performance import PerformanceIndex
from spotlab.domain.policy import Policy
from spotlab.domain.ports import Ledger, Topic
from spotlab.errors import InvalidInput, SpotlabError
from spotlab.pipeline.drift_sketch import SKETCH_EVERY, sketch
from spotlab.pipeline.evaluate import Evaluation
from spotlab.pipeline.rank import Ranking
from spotlab.pipeline.shadow import challengers, failed, shadow
from spotlab.runtime.evaluation_run import PendingDecision, Run
from spotlab.runtime.lab import Lab
from spotlab.runtime.model_selection import RISK_TASK
from spotlab.telemetry import logs, metrics, traces

log = logging.getLogger("spotlab.runtime.evaluation")


def record(lab: Lab, decisions: Sequence[PendingDecision], run: Run) -> list[Experiment]:
    """Record final decisions and those of the challengers."""
    if not decisions:
        return []
    with traces.span("ledger"):
        experiments = []
        for decided in decisions:
            run_id = run.record_market(lab.store, decided.evaluation.scored, lab.clock.now())
            experiments.append(decided.unrecorded.in_run(run_id))
        numbers = _recorded(lab.store.ledger, experiments)
    experiments = [
        replace(each, experiment_id=number)
        for each, number in zip(experiments, numbers, strict=True)
    ]
    lab.bus.publish(Topic.EXPERIMENTS)
    for each in experiments:
        with logs.log_context(account=each.instance.account):
            _log_decision(each)
    try:
        with traces.span("shadow"):
            shadows = [
                shadowed
                for experiment, decision in zip(experiments, decisions, strict=True)
                for shadowed in _shadows(lab, experiment, decision, run)
            ]
            lab.store.shadow_decisions.record(shadows)
        if shadows:
            log.info("%d shadow decisions of %d decisions", len(shadows), len(experiments))
    except SpotlabError as exc:
        log.error("no shadow decisions of experiments %d-%d: %s", numbers[0], numbers[-1], exc)
    return experiments


def _recorded(ledger: Ledger, experiments: Sequence[Experiment]) -> Sequence[int]:
    """Record experiments; those before one that cannot be stored are recorded all the same."""
    try:
        return ledger.record_all(experiments)
    except InvalidInput:
        return [ledger.record(each) for each in experiments]


def _shadows(
    lab: Lab, experiment: Experiment, decision: PendingDecision, run: Run
) -> Iterator[ShadowDecision]:
    """What each challenger decides about an instance: models, then policies."""
    shadowing = _Shadows(
        experiment,
        decision.unrecorded.ranking,
        decision.last_switch_at,
        decision.performance,
    )
    with logs.log_context(account=experiment.instance.account):
        for name in challengers(run.records, RISK_TASK, experiment.model):
            yield shadowing.decide(partial(_challenger, lab, run, name), model=name)
        for policy in run.shadow_policies:
            yield shadowing.decide(
                partial(_with_policy, decision.evaluation, policy), policy=policy.reference
            )


def _challenger(lab: Lab, run: Run, name: str) -> Evaluation:
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


def record_sketches(lab: Lab, run: Run) -> None:
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
