"""Decisions, candidates and collected sources as JSON and text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from spotlab.cli.command import iso
from spotlab.domain.decision import (
    Candidate,
    Experiment,
    Verdict,
    alternative_saving,
    drop_label,
    saving,
)
from spotlab.domain.decision_explanation import DecisionExplanation
from spotlab.domain.market import Pool, Provenance
from spotlab.domain.risk_curve import risk_curve
from spotlab.domain.simultaneous_losses import Change, FleetLosses, Losses, describe
from spotlab.telemetry.invisible_characters import in_lines

if TYPE_CHECKING:
    from spotlab.pipeline.collect import CollectReport
    from spotlab.pipeline.rank import Ranking


def collect_document(report: CollectReport) -> dict[str, Any]:
    """Stable keys: counts, regions, unchanged, sources[]."""
    return {
        "market": report.market,
        "counts": report.counts,
        "regions": report.regions,
        "unchanged": report.unchanged,
        "duration_ms": round(report.duration_ms, 1),
        "sources": [
            {
                "name": source.name,
                "kind": source.kind,
                "scope": source.scope,
                "event_time": iso(source.event_time),
                "fetched_at": iso(source.fetched_at),
                "records": source.records,
                "new": source.new,
                "error": source.error or None,
                "set_aside": source.set_aside,
                "set_aside_reasons": list(source.set_aside_reasons),
            }
            for source in report.sources
        ],
    }


def collect_text(report: CollectReport) -> str:
    """One line per source, and the total."""
    lines = [
        f"{source.name}: {source.error}"
        if source.error
        else f"{source.name}: {source.records:,} {source.kind} rows"
        f"{f' for {source.scope}' if source.scope else ''}, {'new' if source.new else 'unchanged'}"
        for source in report.sources
    ]
    for source in report.sources:
        if source.set_aside:
            listed = " ".join(source.set_aside_reasons)
            lines.append(f"{source.name}: {source.set_aside:,} records were set aside. {listed}")
    return in_lines([*lines, f"{report.market} market, {report.regions} regions"])


def candidate_document(candidate: Candidate, now: datetime) -> dict[str, Any]:
    """Stable keys of candidates[] of `score`; an unknown number is null."""
    return {
        "rank": candidate.rank,
        "region": candidate.pool.region,
        "availability_zone": candidate.pool.availability_zone,
        "instance_type": candidate.pool.instance_type,
        "operating_system": candidate.pool.operating_system,
        "spot_price_usd_per_hour": candidate.spot_price_usd_per_hour,
        "on_demand_price_usd_per_hour": candidate.on_demand_price_usd_per_hour,
        "risk": candidate.risk,
        "horizon_h": candidate.horizon_h,
        "hazard_per_hour": candidate.hazard_per_hour,
        "expected_cost_usd_per_hour": candidate.expected_cost_usd_per_hour,
        "risk_curve": _curve_document(candidate),
        "reasons": list(candidate.reasons),
        "sources": [
            {
                "name": source.source,
                "event_time": iso(source.event_time),
                "age_s": round(source.age_s(now), 1),
                "approximate": source.approximate,
                "stale": source.stale,
            }
            for source in candidate.sources
        ],
    }


def _curve_document(candidate: Candidate) -> list[dict[str, float]]:
    """Risk within 1 h, 6 h, 24 h and 30 d, with its 95 % interval."""
    curve = risk_curve(candidate)
    return [] if curve is None else [asdict(each) for each in curve.points]


def score_document(ranking: Ranking, top: int, now: datetime) -> dict[str, Any]:
    """Stable keys: candidates[], dropped, model."""
    count = len(ranking.candidates)
    candidates = ranking.take(range(min(top, count)))
    return {
        "market": ranking.scored.data.market,
        "as_of": iso(ranking.scored.data.as_of),
        "model": ranking.scored.model,
        "pools": len(ranking.table),
        "candidates_found": count,
        "candidates": [candidate_document(candidate, now) for candidate in candidates],
        "dropped": ranking.dropped,
        "degraded": list(ranking.scored.data.degraded),
    }


def score_text(ranking: Ranking, top: int) -> str:
    """A table of the best candidates, and the numbers of filtered pools by reason."""
    head = f"{'#':>3}  {'pool':<34}{'USD/h':>9}{'on-demand':>11}{'risk':>8}{'expected':>10}"
    lines = [head]
    for candidate in ranking.take(range(min(top, len(ranking.candidates)))):
        on_demand = candidate.on_demand_price_usd_per_hour
        lines.append(
            f"{candidate.rank:>3}  {candidate.pool.label:<34}"
            f"{candidate.spot_price_usd_per_hour:>9.4f}"
            f"{'—' if on_demand is None else f'{on_demand:.4f}':>11}"
            f"{candidate.risk:>8.2%}{candidate.expected_cost_usd_per_hour:>10.4f}"
        )
    filtered = ", ".join(
        f"{drop_label(reason)} {count:,}" for reason, count in ranking.dropped.items()
    )
    market = ranking.scored.data
    lines.append(
        f"{len(ranking.candidates):,} of {len(ranking.table):,} pools; risk within "
        f"{ranking.workload.horizon_h:g} h by {ranking.scored.model}; {market.market} market as of "
        f"{market.as_of:%Y-%m-%d %H:%M} UTC"
    )
    if filtered:
        lines.append(f"filtered: {filtered}")
    return in_lines([*lines, *market.degraded])


def evaluate_document(experiments: Sequence[Experiment], losses: FleetLosses) -> dict[str, Any]:
    """Stable keys: decisions[], and spread of the fleet before and after their moves."""
    return {
        "spread": losses_document(losses),
        "decisions": [
            {
                "instance_id": experiment.instance.instance_id,
                "name": experiment.instance.name,
                "account": experiment.instance.account,
                "decision": experiment.verdict.decision if experiment.verdict else None,
                "reason": experiment.verdict.reason if experiment.verdict else experiment.error,
                "experiment_id": experiment.experiment_id,
                "degraded": bool(experiment.degraded),
                "degraded_reasons": list(experiment.degraded),
                "shadow": experiment.shadow,
                "market": experiment.market,
                "model": experiment.model,
                "workload": experiment.workload.workload.reference,
                "policy": experiment.policy_version,
                "current": place_document(experiment.instance.pool),
                "chosen": _chosen(experiment),
                **_savings(experiment.verdict),
                "margin": _margin(experiment),
                "candidates_evaluated": experiment.candidates_evaluated,
                "duration_ms": round(experiment.duration_ms, 2),
                "error": experiment.error or None,
            }
            for experiment in experiments
        ],
    }


def explain_document(explanation: DecisionExplanation, now: datetime) -> dict[str, Any]:
    """Stable keys: decision, margin, runner_up, flips[], words[]."""
    experiment = explanation.experiment
    verdict = experiment.verdict
    runner_up = verdict.runner_up if verdict else None
    return {
        "experiment_id": experiment.experiment_id,
        "instance_id": experiment.instance.instance_id,
        "decided_at": iso(experiment.created_at),
        "decision": verdict.decision if verdict else None,
        "workload": experiment.workload.workload.reference,
        "policy": experiment.policy_version,
        "model": experiment.model,
        "current": place_document(experiment.instance.pool),
        "chosen": _chosen(experiment),
        "margin": _margin(experiment),
        "rule": verdict.margin.rule if verdict and verdict.margin else None,
        "runner_up": None
        if runner_up is None
        else {
            "decision": runner_up.decision,
            **place_document(runner_up.pool),
            "expected_cost_usd_per_hour": runner_up.expected_cost_usd_per_hour,
            "margin": runner_up.margin.as_dict() if runner_up.margin else None,
            "reason": runner_up.reason,
        },
        "flips": [flip.as_dict() for flip in explanation.flips],
        "words": list(explanation.words),
        "sources": [
            {
                "name": source.source,
                "event_time": iso(source.event_time),
                "age_s": round(source.age_s(now), 1),
            }
            for source in _sources(experiment)
        ],
    }


def explain_text(explanation: DecisionExplanation) -> str:
    """The sentences of an explanation."""
    experiment = explanation.experiment
    verdict = experiment.verdict
    name = experiment.instance.name or experiment.instance.instance_id
    head = (
        f"#{experiment.experiment_id} {name}: {verdict.decision if verdict else 'FAILED'} "
        f"({experiment.created_at:%Y-%m-%d %H:%M} UTC, policy {experiment.policy_version}, "
        f"workload {experiment.workload.workload.reference}, model {experiment.model})"
    )
    sources = [
        f"Source: {source.source}, {source.event_time:%Y-%m-%d %H:%M} UTC."
        for source in _sources(experiment)
    ]
    return in_lines([head, *explanation.words, *sources])


def _sources(experiment: Experiment) -> list[Provenance]:
    verdict = experiment.verdict
    candidates = (verdict.current, verdict.chosen) if verdict else ()
    found = [source for each in candidates if each is not None for source in each.sources]
    return list(dict.fromkeys(found))


def _margin(experiment: Experiment) -> dict[str, float] | None:
    verdict = experiment.verdict
    return verdict.margin.as_dict() if verdict and verdict.margin else None


def losses_document(losses: FleetLosses) -> dict[str, Any]:
    """Stable keys: before, after, groups[].{group, limit, before, after}, correlation."""
    correlation = losses.correlation
    return {
        **_change(losses.fleet),
        "groups": [
            {"group": label, "limit": group.limit, **_change(group.change)}
            for label, group in sorted(losses.groups.items())
        ],
        "correlation": {
            "same_pool": correlation.same_pool,
            "same_type": correlation.same_type,
            "same_zone": correlation.same_zone,
            "within_min": correlation.within_min,
            "source": correlation.source,
        },
    }


def _change(change: Change) -> dict[str, Any]:
    return {"before": _losses(change.before), "after": _losses(change.after)}


def _losses(losses: Losses) -> dict[str, Any]:
    return {
        "instances": losses.instances,
        "on_spot": losses.on_spot,
        "largest": losses.largest,
        "pool": place_document(losses.pool) if losses.pool else None,
        "expected": losses.expected,
        "unknown": losses.unknown,
    }


def evaluate_text(experiments: Sequence[Experiment], losses: FleetLosses) -> str:
    """One line per decision, and what is lost together."""
    lines = [
        f"#{experiment.experiment_id} {experiment.instance.instance_id} "
        f"{experiment.verdict.decision if experiment.verdict else 'FAILED'}: "
        f"{experiment.verdict.reason if experiment.verdict else experiment.error}"
        for experiment in experiments
    ]
    degraded = sorted({reason for experiment in experiments for reason in experiment.degraded})
    together = [describe(losses)] if describe(losses) else []
    return in_lines([*lines, *together, *(f"Degraded: {reason}" for reason in degraded)])


def _chosen(experiment: Experiment) -> dict[str, Any] | None:
    verdict = experiment.verdict
    return place_document(verdict.chosen.pool) if verdict and verdict.chosen else None


def place_document(pool: Pool) -> dict[str, Any]:
    """Stable keys of a pool, without its operating system."""
    return {
        "region": pool.region,
        "availability_zone": pool.availability_zone,
        "instance_type": pool.instance_type,
    }


def _savings(verdict: Verdict | None) -> dict[str, float | None]:
    """What the decision saves, and what the best alternative to a STAY would save."""
    compared = (verdict.decision, verdict.saving_usd_per_hour) if verdict else (None, None)
    return {
        "saving_usd_per_hour": saving(*compared),
        "alternative_saving_usd_per_hour": alternative_saving(*compared),
    }
