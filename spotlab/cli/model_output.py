"""Models and their history as JSON and text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from spotlab.domain.online_weights import OnlineWeights, pool_label
from spotlab.domain.ports import ModelEvent
from spotlab.telemetry.invisible_characters import in_lines, visible

if TYPE_CHECKING:
    from spotlab.runtime.model_upload import UploadReport
    from spotlab.services.models import ModelEntry


def entry_document(entry: ModelEntry) -> dict[str, Any]:
    """Stable keys of models[]: name, version, task, state, enabled, digest, metrics, moves, …"""
    record = entry.record
    return {
        "name": record.name,
        "version": record.version,
        "task": record.task,
        "state": record.state,
        "enabled": record.enabled,
        "registered_at": record.registered_at.isoformat(),
        "digest": record.digest,
        "path": record.path,
        "metrics": entry.figures,
        "instances": list(entry.instances),
        "moves": [move.value for move in entry.moves],
        "refused": entry.refused or None,
    }


def list_text(entries: Sequence[ModelEntry]) -> str:
    """A table of versions."""
    head = f"{'model':<28}{'task':<10}{'state':<20}{'registered':<18}{'AUC':<22}{'Brier':<22}digest"
    lines = [head]
    for entry in entries:
        record, figures = entry.record, entry.figures
        state = record.state if record.enabled else f"{record.state}, disabled"
        lines.append(
            f"{record.reference:<28}{record.task:<10}{state:<20}"
            f"{record.registered_at:%Y-%m-%d %H:%M}  {_figure(figures.get('auc')):<22}"
            f"{_figure(figures.get('brier')):<22}{record.digest[:12]}"
            f"{f'  rejected: {entry.refused}' if entry.refused else ''}"
        )
    return in_lines(lines)


def _figure(figure: Mapping[str, float | None] | None) -> str:
    if figure is None:
        return "—"
    low, high = figure["low"], figure["high"]
    interval = f" ({low:.3f}-{high:.3f})" if low is not None and high is not None else ""
    return f"{figure['value']:.4f}{interval}"


def entry_text(entry: ModelEntry, events: Sequence[ModelEvent]) -> str:
    """One version as text: state, summary, figures, and history."""
    record = entry.record
    lines = [
        f"{record.reference}: {record.state}{'' if record.enabled else ', disabled'}, "
        f"task {record.task}",
        str(record.card.get("summary", "")),
        f"digest {record.digest}",
        f"files: {entry.refused or 'as registered'}",
        *(f"{name}: {_figure(figure)}" for name, figure in entry.figures.items()),
        f"assigned to: {', '.join(entry.instances) or 'no instance'}",
        f"actions: {', '.join(entry.moves) or 'none'}",
        "history:",
        *(event_text(event) for event in events),
    ]
    return in_lines(line for line in lines if line)


def event_document(event: ModelEvent) -> dict[str, Any]:
    """Stable keys of events[]: those of ModelEvent, with the time in ISO 8601."""
    return asdict(event) | {"at": event.at.isoformat()}


def event_text(event: ModelEvent) -> str:
    """One event on one line."""
    model = f"{event.name}@{event.version}" if event.name else "an upload"
    change = f" ({event.before or 'new'} → {event.after})" if event.after else ""
    instance = f" for {event.instance_id}" if event.instance_id else ""
    return visible(
        f"{event.at:%Y-%m-%d %H:%M:%S} UTC  {event.actor}: {event.action} {model}{instance}{change}"
        f"{f': {event.reason}' if event.reason else ''}"
    )


def upload_document(report: UploadReport) -> dict[str, Any]:
    """Stable keys: name, version, task, state, digest, first_prediction, seconds."""
    record = report.record
    return {
        "name": record.name,
        "version": record.version,
        "task": record.task,
        "state": record.state,
        "digest": record.digest,
        "first_prediction": asdict(report.first),
        "seconds": round(report.seconds, 3),
    }


def upload_text(report: UploadReport) -> str:
    """The accepted upload and its trial prediction."""
    first = report.first
    return (
        f"{report.record.reference} is now a candidate model for the task {report.record.task}. "
        f"The trial prediction on {first.rows} synthetic rows "
        f"gave risks from {first.risk_low:.2%} to "
        f"{first.risk_high:.2%} within 24 h."
    )


def weights_text(weights: OnlineWeights | None) -> str:
    """Weights and running losses of live capacity forecasts."""
    if weights is None:
        return (
            "No live forecast of capacity has been judged in this market yet. Turn on launch "
            "probes (SPOTLAB_LAUNCH_PROBES_A_DAY), or wait if they are on."
        )
    lines = [weights.lag.words(weights.model), f"Learnt at {weights.at:%Y-%m-%d %H:%M} UTC."]
    for each in weights.standings:
        horizon = "all horizons" if each.horizon_h is None else f"{each.horizon_h:g} h"
        judged = f"{each.rows:,} judged"
        if each.first_at is not None and each.last_at is not None:
            judged += f", {each.first_at:%Y-%m-%d %H:%M} to {each.last_at:%Y-%m-%d %H:%M}"
        lines.append(f"{pool_label(each.pool)}, {horizon}: {judged}")
        lines += [
            f"  {expert.name:<18} weight {_or_dash(expert.weight)}  loss {_or_dash(expert.loss)}"
            for expert in each.experts
        ]
    return in_lines(lines)


def _or_dash(value: float | None) -> str:
    return f"{value:.4f}" if value is not None else "—".rjust(6)
