"""The functions of the scheduled jobs, one per job."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from spotlab.domain.access import SPOTLAB
from spotlab.domain.market import FeedKind, MarketName
from spotlab.domain.ports import By
from spotlab.maintenance.retention import apply_retention
from spotlab.monitoring.alerts.evaluation import evaluate_rules
from spotlab.monitoring.health.prober import record_round
from spotlab.pipeline.collect import Progress
from spotlab.runtime import interruption_history
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.evidence import archive_days
from spotlab.runtime.lab import Lab
from spotlab.runtime.launch_forecasts import learn_weights
from spotlab.runtime.outcomes import drift_report, settle
from spotlab.runtime.placement_scores import request_scores, schedule_first_run
from spotlab.runtime.spot_events import document, read_events
from spotlab.scheduling import first_run
from spotlab.switching import launch_probes
from spotlab.switching.rounds import drive_all

Cancelled = Callable[[], bool]
PRICES: Final = frozenset({FeedKind.SPOT_PRICES, FeedKind.PRICE_HISTORY})


def get_ready(lab: Lab, tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """List the fleet, collect the market and make first decisions, as far as they are missing."""
    first_run.get_ready(lab, tell, cancelled)
    schedule_first_run(lab)
    return {}


def list_fleet(lab: Lab, _tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """List every account's instances."""
    errors = lab.sync_fleet(cancelled)
    schedule_first_run(lab)
    return {
        "instances": len(lab.store.fleet.instances()),
        "failed": " ".join(str(error) for error in errors),
    }


def collect_prices(lab: Lab, tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """Collect spot prices, which change by the minute."""
    return _collect(lab, PRICES, tell, cancelled)


def collect_feeds(lab: Lab, tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """Collect the other feeds, which change by the day."""
    return _collect(lab, set(FeedKind) - PRICES, tell, cancelled)


def _collect(
    lab: Lab, kinds: Collection[FeedKind], tell: Progress, cancelled: Cancelled
) -> Mapping[str, Any]:
    if lab.store.archive.active_market() is MarketName.RECORDED:
        return {"note": "The active market is a recorded one: nothing is collected."}
    report = lab.collect(tell, cancelled, kinds=kinds)
    schedule_first_run(lab)
    return {
        "market": report.market.value,
        "sources": len(report.sources),
        "new": sum(source.new for source in report.sources),
        "failed": " ".join(report.errors),
    }


def score_placement(lab: Lab, tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """Request EC2's placement scores."""
    return request_scores(lab, tell, cancelled)


def probe_launches(lab: Lab, tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """Try launches in the pools of the fleet, within the budget."""
    return launch_probes.probe(lab, tell, cancelled)


def evaluate_fleet(lab: Lab, tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """Evaluate each instance whose pipeline is on."""
    experiments = evaluate_instances(lab, None, tell, cancelled)
    errors = [experiment.error for experiment in experiments if experiment.error]
    failed = (
        f"{len(errors)} of {len(experiments)} evaluations failed. {errors[0]}" if errors else ""
    )
    return {"decisions": len(experiments), "failed": failed}


def read_event_queues(lab: Lab, tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """Read the accounts' event queues, and evaluate the instances that events are about."""
    return document(read_events(lab, tell, cancelled))


def read_past_interruptions(lab: Lab, tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """Read the accounts' interruptions of the last 90 days, once."""
    return interruption_history.document(interruption_history.read_histories(lab, tell, cancelled))


def archive_evidence(lab: Lab, tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """Archive the evidence of the days that are over."""
    return archive_days(lab, tell, cancelled)


def join_outcomes(lab: Lab, _tell: Progress, _cancelled: Cancelled) -> Mapping[str, Any]:
    """Record the outcomes of earlier predictions."""
    settled = settle(lab)
    return {"new": sum(settled.new.values()), "open": sum(settled.pending.values())}


def learn_online_weights(lab: Lab, _tell: Progress, _cancelled: Cancelled) -> Mapping[str, Any]:
    """Learn the weights of capacity forecasts from launches and probes."""
    market = lab.store.archive.active_market()
    if market is None:
        return {"note": "No market has been collected yet."}
    learnt = learn_weights(lab.store, lab.predictor, market, lab.clock.now())
    if learnt is None:
        return {"note": "No forecast of capacity can be judged yet."}
    return {"rows": learnt.task.rows, "note": learnt.lag.words(learnt.model)}


def check_drift(lab: Lab, _tell: Progress, _cancelled: Cancelled) -> Mapping[str, Any]:
    """Compare the champion's newest scored market with its reference."""
    report = drift_report(lab)
    return {"model": report.model, "alarm": report.alarm, "note": report.words}


def probe(lab: Lab, _tell: Progress, _cancelled: Cancelled) -> Mapping[str, Any]:
    """Probe every component and record its state."""
    return record_round(lab)


def evaluate_alerts(lab: Lab, _tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """Evaluate the alert rules and send the notifications that are due."""
    return evaluate_rules(lab, cancelled)


def drive_switches(lab: Lab, _tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """Expire requests, begin approved switches and drive those under way."""
    return drive_all(lab, cancelled).document()


def delete_old_data(lab: Lab, tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """Delete data that is older than the retention settings allow."""
    by = By(SPOTLAB.name, lab.clock.now(), via="scheduler")
    swept = apply_retention(lab, by, tell=tell, cancelled=cancelled)
    return {
        "rows": sum(swept.deleted.values()),
        "deleted": dict(swept.deleted),
        "note": swept.summary,
    }
