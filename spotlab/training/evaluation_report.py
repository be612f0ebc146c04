"""How good forecasts are on rows that training has not seen, as one document.

Every figure stands beside its 95 % interval, and beside the same figure of simple baselines on the
same rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.errors import InvalidInput
from spotlab.training.block_bootstrap import MEASURES, Interval, Resampled
from spotlab.training.scores import reliability, scores

FloatArray = NDArray[np.float64]
Document = dict[str, Any]

LEVEL: Final = 0.95
SEED: Final = 7
MODEL: Final = "model"
COMPARED: Final = ("auc", "pr_auc", "brier")
FEWEST_ROWS: Final = 2


def assess(
    outcome: FloatArray,
    forecast: FloatArray,
    blocks: NDArray[np.generic],
    baselines: Mapping[str, FloatArray],
    groups: Sequence[tuple[str, NDArray[np.bool_]]] = (),
    *,
    seed: int = SEED,
) -> Document:
    """Everything there is to say about forecasts of a yes-or-no outcome.

    Args:
        outcome: (n,) 0 or 1.
        forecast: (n,) the model's probabilities; NaN where it refused the row.
        blocks: (n,) what intervals draw as a whole.
        baselines: (n,) probabilities by name.
        groups: (n,) masks by name, scored without an interval.
        seed: of the bootstrap.
    Returns:
        `{rows, rows_refused, base_rate, metrics, reliability, baselines, subgroups, interval}`. A
        figure that is not defined is null, with the reason beside it.
    Raises:
        InvalidInput: the model refused all but a row.
    """
    kept = ~np.isnan(forecast)
    refused = int((~kept).sum())
    if int(kept.sum()) < FEWEST_ROWS:
        raise InvalidInput(
            f"The model refuses {refused:,} of {len(kept):,} rows.",
            remedy="Give data whose values are within the range of its card.",
        )
    seen, said = outcome[kept], forecast[kept]
    others = {name: values[kept] for name, values in baselines.items()}
    drawn = Resampled(seen, {MODEL: said, **others}, blocks[kept], seed=seed)
    return {
        "rows": len(seen),
        "rows_refused": refused,
        "base_rate": _number(float(seen.mean())),
        "metrics": {measure: _entry(drawn.interval(MODEL, measure)) for measure in MEASURES},
        "reliability": [
            {
                "low": row.low,
                "high": row.high,
                "rows": row.rows,
                "mean_forecast": _number(row.mean_forecast),
                "observed_share": _number(row.observed_share),
            }
            for row in reliability(seen, said)
        ],
        "baselines": {
            name: {measure: _number(drawn.interval(name, measure).value) for measure in MEASURES}
            | {
                "model_minus_baseline": {
                    measure: _entry(drawn.difference(MODEL, name, measure)) for measure in COMPARED
                }
            }
            for name in others
        },
        "subgroups": [
            {"name": name, **_scores(seen[mask[kept]], said[mask[kept]])}
            for name, mask in groups
            if mask[kept].any()
        ],
        "interval": {"level": LEVEL, "blocks": drawn.blocks, "seed": seed},
    }


def _scores(outcome: FloatArray, forecast: FloatArray) -> Document:
    return {name: _number(value) for name, value in asdict(scores(outcome, forecast)).items()}


def _entry(interval: Interval) -> Document:
    numbers = {
        "value": _number(interval.value),
        "low": _number(interval.low),
        "high": _number(interval.high),
    }
    return numbers | ({"reason": interval.reason} if interval.reason else {})


def _number(value: float) -> float | int | None:
    """Six digits are more than is known; what is not defined is null."""
    if isinstance(value, int):
        return value
    return round(float(value), 6) if math.isfinite(value) else None


def text_of(document: Mapping[str, Any]) -> str:
    """The document for a person: a line a figure, then the baselines."""
    horizon = document["horizon_h"]
    lines = [
        f"{document['model']} ({document['task']}, within {horizon:g} h) on "
        f"{document['rows']:,} rows of {len(document['files'])} files, base rate "
        f"{document['base_rate']:.3f}",
        f"{'':<20}{'AUC':>9}{'PR-AUC':>9}{'Brier':>9}{'skill':>9}{'log loss':>9}{'ECE':>9}",
        f"{'model':<20}" + _figures({m: document["metrics"][m]["value"] for m in MEASURES}),
    ]
    for end in ("low", "high"):
        ends = {measure: document["metrics"][measure][end] for measure in MEASURES}
        lines.append(f"{f'  95 % {end}':<20}" + _figures(ends))
    for name, row in document["baselines"].items():
        lines.append(f"{name:<20}" + _figures(row))
    for name, row in document["baselines"].items():
        parts = [
            f"{measure} {gain['value']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})"
            for measure, gain in row["model_minus_baseline"].items()
            if gain["low"] is not None
        ]
        if parts:
            lines.append(f"model minus {name}: {', '.join(parts)}")
    reasons = {m["reason"] for m in document["metrics"].values() if "reason" in m}
    lines += [f"Not defined: {reason}." for reason in sorted(reasons)]
    return "\n".join([*lines, *(f"Warning: {text}" for text in document["warnings"])])


def _figures(row: Mapping[str, Any]) -> str:
    return "".join(
        f"{'—' if row[measure] is None else format(row[measure], '.4f'):>9}" for measure in MEASURES
    )
