"""A head to head of two models, as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from spotlab.services.model_comparison import ComparisonRequest, ComparisonResult
from spotlab.training.block_bootstrap import Interval
from spotlab.training.head_to_head import MEASURES

_LABELS = {"auc": "AUC", "pr_auc": "PR-AUC", "brier": "Brier"}


def comparison_document(request: ComparisonRequest, result: ComparisonResult) -> dict[str, Any]:
    """Stable keys: first, second, rows, base_rate, metrics, difference, winner."""
    comparison, rows = result.comparison, result.rows
    return {
        "task": request.task,
        "first": request.first,
        "second": request.second,
        "digest": result.digest,
        "rows": comparison.rows,
        "refused": comparison.refused,
        "blocks": comparison.blocks,
        "block": rows.block,
        "horizon_h": rows.horizon_h,
        "label": rows.label,
        "base_rate": comparison.base_rate,
        "metrics": {
            name: {measure: _interval(intervals[measure]) for measure in MEASURES}
            for name, intervals in zip(("first", "second"), comparison.intervals, strict=True)
        },
        "difference": {measure: _interval(comparison.differences[measure]) for measure in MEASURES},
        "winner": {measure: _winner(result, measure) for measure in MEASURES},
        "sources": list(rows.sources),
        "warnings": list(rows.warnings),
        "notes": list(rows.notes),
    }


def comparison_text(result: ComparisonResult) -> str:
    """A table of the metrics, and what limits the comparison."""
    comparison, rows = result.comparison, result.rows
    first, second = comparison.names
    head = f"{'':<8}{'first':<27}{'second':<27}{'first − second (95 %)':<31}better"
    lines = [
        f"{_LABELS[measure]:<8}{_text(comparison.intervals[0][measure]):<27}"
        f"{_text(comparison.intervals[1][measure]):<27}"
        f"{_text(comparison.differences[measure]):<31}"
        f"{_winner(result, measure) or 'no significant difference'}"
        for measure in MEASURES
    ]
    summary = (
        f"{comparison.rows:,} rows of {comparison.blocks:,} blocks ({rows.block}); base rate "
        f"{comparison.base_rate:.3f}; outcome: {rows.label}."
    )
    return "\n".join(
        [f"first: {first}, second: {second}", head, *lines, summary, *rows.warnings, *rows.notes]
    )


def _winner(result: ComparisonResult, measure: str) -> str | None:
    winner = result.comparison.winner(measure)
    return {1: result.comparison.names[0], -1: result.comparison.names[1]}.get(winner)


def _interval(interval: Interval) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value
        for name, value in asdict(interval).items()
    }


def _text(interval: Interval) -> str:
    if not (np.isfinite(interval.low) and np.isfinite(interval.high)):
        return f"{interval.value:.4f}"
    return f"{interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f})"
