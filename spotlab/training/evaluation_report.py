"""Evaluation of forecasts on rows outside the training data, as one document.

Every figure has a 95 % interval, and is compared with simple baselines on the same rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from spotlab.errors import InvalidInput
from spotlab.training.block_bootstrap import MEASURES, BlockBootstrap, Interval
from spotlab.training.scores import reliability, scores

FloatArray = NDArray[np.float64]
Document = dict[str, Any]

LEVEL: Final = 0.95
SEED: Final = 7
MODEL: Final = "model"
DIFFERENCE_MEASURES: Final = ("auc", "pr_auc", "brier")
MIN_ROWS: Final = 2
_LEADING: Final = 3
"""How many of the experts with the largest weights are named."""


class ModelWithCard(Protocol):
    """A model with its name, version and card."""

    @property
    def name(self) -> str:
        """As in the card."""
        ...

    @property
    def version(self) -> str:
        """As in the card."""
        ...

    @property
    def card(self) -> Mapping[str, Any]:
        """Content of card.json."""
        ...


def assess(
    outcome: FloatArray,
    forecast: FloatArray,
    blocks: NDArray[np.generic],
    baselines: Mapping[str, FloatArray],
    groups: Sequence[tuple[str, NDArray[np.bool_]]] = (),
    *,
    seed: int = SEED,
) -> Document:
    """Evaluate forecasts of a binary outcome.

    Args:
        outcome: (n,) 0 or 1.
        forecast: (n,) the model's probabilities; NaN for rows it rejected.
        blocks: (n,) block of each row; intervals draw whole blocks.
        baselines: (n,) probabilities by name.
        groups: (n,) masks by name, scored without an interval.
        seed: of the bootstrap.
    Returns:
        `{rows, rows_refused, base_rate, metrics, reliability, baselines, subgroups, interval}`. An
        undefined figure is null and has a `reason`.
    Raises:
        InvalidInput: the model rejected all rows but one.
    """
    scored = ~np.isnan(forecast)
    refused = int((~scored).sum())
    if int(scored.sum()) < MIN_ROWS:
        raise InvalidInput(
            f"The model rejects {refused:,} of {len(scored):,} rows.",
            remedy="Use data whose values are within the ranges in its card.",
        )
    scored_outcome, scored_forecast = outcome[scored], forecast[scored]
    scored_baselines = {name: values[scored] for name, values in baselines.items()}
    bootstrap = BlockBootstrap(
        scored_outcome, {MODEL: scored_forecast, **scored_baselines}, blocks[scored], seed=seed
    )
    return {
        "rows": len(scored_outcome),
        "rows_refused": refused,
        "base_rate": _rounded(float(scored_outcome.mean())),
        "metrics": {
            measure: _interval_document(bootstrap.interval(MODEL, measure)) for measure in MEASURES
        },
        "reliability": [
            {
                "low": row.low,
                "high": row.high,
                "rows": row.rows,
                "mean_forecast": _rounded(row.mean_forecast),
                "observed_share": _rounded(row.observed_share),
            }
            for row in reliability(scored_outcome, scored_forecast)
        ],
        "baselines": {
            name: {
                measure: _rounded(bootstrap.interval(name, measure).value) for measure in MEASURES
            }
            | {
                "model_minus_baseline": {
                    measure: _interval_document(bootstrap.difference(MODEL, name, measure))
                    for measure in DIFFERENCE_MEASURES
                }
            }
            for name in scored_baselines
        },
        "subgroups": [
            {"name": name, **_scores(scored_outcome[mask[scored]], scored_forecast[mask[scored]])}
            for name, mask in groups
            if mask[scored].any()
        ],
        "interval": {"level": LEVEL, "blocks": bootstrap.blocks, "seed": seed},
    }


def _scores(outcome: FloatArray, forecast: FloatArray) -> Document:
    return {name: _rounded(value) for name, value in scores(outcome, forecast).as_dict().items()}


def _interval_document(interval: Interval) -> Document:
    numbers = {
        "value": _rounded(interval.value),
        "low": _rounded(interval.low),
        "high": _rounded(interval.high),
    }
    return numbers | ({"reason": interval.reason} if interval.reason else {})


def _rounded(value: float) -> float | int | None:
    """Rounded to six digits, which exceeds the precision of the data; None if undefined."""
    if isinstance(value, int):
        return value
    return round(float(value), 6) if math.isfinite(value) else None


def report_text(document: Mapping[str, Any]) -> str:
    """The document as text: a table with the model and the baselines, then notes."""
    horizon = document["horizon_h"]
    lines = [
        f"{document['model']} ({document['task']}, within {horizon:g} h) on "
        f"{document['rows']:,} rows of {len(document['files'])} files, base rate "
        f"{document['base_rate']:.3f}",
        f"{'':<20}{'AUC':>9}{'PR-AUC':>9}{'Brier':>9}{'skill':>9}{'log loss':>9}{'ECE':>9}",
        f"{'model':<20}" + _table_cells({m: document["metrics"][m]["value"] for m in MEASURES}),
    ]
    for bound in ("low", "high"):
        bounds = {measure: document["metrics"][measure][bound] for measure in MEASURES}
        lines.append(f"{f'  95 % {bound}':<20}" + _table_cells(bounds))
    online = document.get("online")
    if online:
        figures = {measure: online["metrics"][measure]["value"] for measure in MEASURES}
        lines.append(f"{'online':<20}" + _table_cells(figures))
    for name, row in document["baselines"].items():
        lines.append(f"{name:<20}" + _table_cells(row))
    if online:
        lines += _online_lines(online)
    for name, row in document["baselines"].items():
        differences = [
            f"{measure} {gain['value']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})"
            for measure, gain in row["model_minus_baseline"].items()
            if gain["low"] is not None
        ]
        if differences:
            lines.append(f"model minus {name}: {', '.join(differences)}")
    reasons = {m["reason"] for m in document["metrics"].values() if "reason" in m}
    lines += [f"Undefined: {reason}." for reason in sorted(reasons)]
    return "\n".join([*lines, *(f"Warning: {text}" for text in document["warnings"])])


def _online_lines(online: Mapping[str, Any]) -> list[str]:
    """Sentences about online forecasts: against the best rule, and the experts that lead."""
    regret, lines = online["regret"], []
    if regret["best_rule"] is not None:
        gain = regret["brier"]
        interval = "" if gain["low"] is None else f" ({gain['low']:+.4f} to {gain['high']:+.4f})"
        lines.append(
            f"online minus {regret['best_rule']}, the best rule in hindsight: "
            f"brier {gain['value']:+.4f}{interval}"
        )
    for part in online["weights"]:
        leading = sorted(part["experts"].items(), key=lambda item: -item[1])[:_LEADING]
        shares = "; ".join(f"{name} {weight:.0%}" for name, weight in leading)
        lines.append(f"online weights at the end, {part['of']}: {shares}")
    return lines


def _table_cells(row: Mapping[str, Any]) -> str:
    return "".join(
        f"{'—' if row[measure] is None else format(row[measure], '.4f'):>9}" for measure in MEASURES
    )
