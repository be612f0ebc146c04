"""Decisions, candidates and collected sources as JSON and text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from spotlab.cli.command import iso
from spotlab.domain.decision import Candidate, Experiment, Verdict, alternative_saving, saving
from spotlab.domain.market import Pool
from spotlab.pipeline.collect import CollectReport
from spotlab.pipeline.rank import Ranking
from spotlab.telemetry.invisible_characters import in_lines


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
    filtered = ", ".join(f"{count:,} {reason}" for reason, count in ranking.dropped.items())
    market = ranking.scored.data
    lines.append(
        f"{len(ranking.candidates):,} of {len(ranking.table):,} pools; risk within "
        f"{ranking.workload.horizon_h:g} h by {ranking.scored.model}; {market.market} market as of "
        f"{market.as_of:%Y-%m-%d %H:%M} UTC"
    )
    if filtered:
        lines.append(f"filtered: {filtered}")
    return in_lines([*lines, *market.degraded])


def evaluate_document(experiments: Sequence[Experiment]) -> dict[str, Any]:
    """Stable keys of decisions[] of `evaluate`."""
    return {
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
                "current": _place(experiment.instance.pool),
                "chosen": _chosen(experiment),
                **_savings(experiment.verdict),
                "candidates_evaluated": len(experiment.candidates),
                "duration_ms": round(experiment.duration_ms, 2),
                "error": experiment.error or None,
            }
            for experiment in experiments
        ]
    }


def evaluate_text(experiments: Sequence[Experiment]) -> str:
    """One line per decision."""
    lines = [
        f"#{experiment.experiment_id} {experiment.instance.instance_id} "
        f"{experiment.verdict.decision if experiment.verdict else 'FAILED'}: "
        f"{experiment.verdict.reason if experiment.verdict else experiment.error}"
        for experiment in experiments
    ]
    degraded = sorted({reason for experiment in experiments for reason in experiment.degraded})
    return in_lines([*lines, *(f"Degraded: {reason}" for reason in degraded)])


def _chosen(experiment: Experiment) -> dict[str, Any] | None:
    verdict = experiment.verdict
    return _place(verdict.chosen.pool) if verdict and verdict.chosen else None


def _place(pool: Pool) -> dict[str, Any]:
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
