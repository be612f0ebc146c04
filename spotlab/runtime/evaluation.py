"""Evaluation of instances: a recorded decision for each, and shadow decisions of challengers:
models and policies."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from spotlab.domain.decision import Experiment, Instance
from spotlab.errors import Cancelled
from spotlab.pipeline.collect import Progress
from spotlab.pipeline.spread import decide_fleet
from spotlab.processes.process_pool import Workers
from spotlab.runtime.decision_recording import record, record_sketches
from spotlab.runtime.evaluation_run import PendingDecision, decide, start_run
from spotlab.runtime.fleet_parts import first_pass, workers_for
from spotlab.runtime.lab import Lab
from spotlab.runtime.shutdown import SHUTDOWN
from spotlab.telemetry import logs, metrics, traces

log = logging.getLogger("spotlab.runtime.evaluation")

BATCH: Final = 100
"""Decisions in one transaction; a killed process loses at most these."""


def evaluate_instances(
    lab: Lab,
    instance_ids: Sequence[str] | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    workers: Workers | None = None,
) -> list[Experiment]:
    """Decide for instances with the active policy on a current market and fleet, and record each
    decision.

    The instances are decided with each other and the rest of the fleet in view: see
    `spotlab.pipeline.spread`. Decisions are recorded once they are final, BATCH at a time; moves
    therefore come last.

    Args:
        lab: its accounts, market, models and store.
        instance_ids: the instances; None: every active one whose pipeline is on.
        progress: called with the current step and the share done.
        cancelled: checked between instances; decisions made before are recorded.
        workers: decide the first pass in parts; None: the cluster of the settings, if there is one
            and the fleet is large.
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
            run = start_run(lab, instances)
            spread = lab.spread(run.policy.params, instances)
            started: set[str] = set()
            final: list[PendingDecision] = []
            first: dict[str, PendingDecision] = {}
            if (by := workers or workers_for(lab, len(instances))) is not None:
                report("deciding on the workers", 0.0)
                first = first_pass(lab, instances, run, spread.unavailable, by, stopped)

            def stop_if_asked() -> None:
                decided = len(experiments) + len(final)
                if stopped() and decided < len(instances):
                    raise Cancelled(f"Stopped after {decided} of {len(instances)} instances.")

            def decide_one(instance: Instance, unavailable: Mapping[str, str]) -> PendingDecision:
                stop_if_asked()
                share = (len(started) + len(experiments) + len(final)) / (2 * len(instances))
                report(f"deciding for {instance.name or instance.instance_id}", share)
                started.add(instance.instance_id)
                if (known := first.pop(instance.instance_id, None)) is not None:
                    return known
                with logs.log_context(account=instance.account), traces.span("decide"):
                    return decide(lab, instance, run, unavailable)

            def record_final() -> None:
                batch = final.copy()
                final.clear()  # a batch that cannot be recorded is not tried again
                experiments.extend(record(lab, batch, run))

            try:
                decided = decide_fleet(instances, decide_one, lambda each: each.verdict, spread)
                for each in decided:
                    final.append(each.result)
                    if len(final) >= BATCH:
                        record_final()
                    stop_if_asked()
            finally:
                record_final()
            record_sketches(lab, run)
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
