"""What the jobs do, in the lab's verbs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from spotlab.domain.access import SPOTLAB
from spotlab.domain.market import FeedKind, MarketName
from spotlab.domain.ports import By
from spotlab.maintenance.retention import sweep
from spotlab.monitoring.alerts.evaluation import look
from spotlab.monitoring.health.prober import record_round
from spotlab.pipeline.collect import Progress
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab
from spotlab.runtime.outcomes import drift_report, settle
from spotlab.runtime.placement_scores import ask, plan_first
from spotlab.scheduling import first_run

Cancelled = Callable[[], bool]
PRICES: Final = frozenset({FeedKind.SPOT_PRICES, FeedKind.PRICE_HISTORY})


def get_ready(lab: Lab, tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """Fleet, market and first decisions, where they are wanting."""
    first_run.get_ready(lab, tell, cancelled)
    plan_first(lab)
    return {}


def list_fleet(lab: Lab, _tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """Every account's instances."""
    errors = lab.sync_fleet(cancelled)
    plan_first(lab)
    return {
        "instances": len(lab.store.fleet.instances()),
        "failed": " ".join(str(error) for error in errors),
    }


def collect_prices(lab: Lab, tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """What changes by the minute."""
    return _collect(lab, PRICES, tell, cancelled)


def collect_feeds(lab: Lab, tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """What changes by the day."""
    return _collect(lab, set(FeedKind) - PRICES, tell, cancelled)


def _collect(
    lab: Lab, kinds: Collection[FeedKind], tell: Progress, cancelled: Cancelled
) -> Mapping[str, Any]:
    if lab.store.archive.active_market() is MarketName.RECORDED:
        return {"note": "Decisions are made in a recorded market: nothing is collected."}
    report = lab.collect(tell, cancelled, kinds=kinds)
    plan_first(lab)
    return {
        "market": report.market.value,
        "sources": len(report.sources),
        "new": sum(source.new for source in report.sources),
        "failed": " ".join(report.errors),
    }


def score_placement(lab: Lab, tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """How likely AWS thinks it is that requests are filled."""
    return ask(lab, tell, cancelled)


def evaluate_fleet(lab: Lab, tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """A decision about each instance."""
    made = evaluate_instances(lab, None, tell, cancelled)
    failed = [experiment.error for experiment in made if experiment.error]
    about = f"{len(failed)} of {len(made)} could not be decided. {failed[0]}" if failed else ""
    return {"decisions": len(made), "failed": about}


def join_outcomes(lab: Lab, _tell: Progress, _cancelled: Cancelled) -> Mapping[str, Any]:
    """What became of earlier predictions."""
    settled = settle(lab)
    return {"new": sum(settled.new.values()), "open": sum(settled.pending.values())}


def check_drift(lab: Lab, _tell: Progress, _cancelled: Cancelled) -> Mapping[str, Any]:
    """Whether the champion's market moved."""
    report = drift_report(lab)
    return {"model": report.model, "alarm": report.alarm, "note": report.words}


def probe(lab: Lab, _tell: Progress, _cancelled: Cancelled) -> Mapping[str, Any]:
    """Every component's state."""
    return record_round(lab)


def alert(lab: Lab, _tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """What rings, and who was told."""
    return look(lab, cancelled)


def let_go(lab: Lab, tell: Progress, cancelled: Cancelled) -> Mapping[str, Any]:
    """What is older than the settings say and not needed any more."""
    by = By(SPOTLAB.name, lab.clock.now(), via="scheduler")
    swept = sweep(lab, by, tell=tell, cancelled=cancelled)
    return {"rows": sum(swept.gone.values()), "deleted": dict(swept.gone), "note": swept.words}
