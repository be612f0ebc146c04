"""Baseline forecasts that a capacity model must beat.

At each tick they use only records up to then. Their parameters are fitted on training rows and
stored as plain numbers in the model's card, so that model and baselines can be compared on new
files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import TracePanel
from spotlab.errors import InvalidInput
from spotlab.features.capacity_model.history import running_counts
from spotlab.training.capacity.rows import CapacityRows

FloatArray = NDArray[np.float64]
Document = dict[str, Any]

BASELINES_KEY: Final = "baselines"
"""Key in a card for the parameters from `fit_baselines`, one document per horizon."""
NAMES: Final = ("base_rate", "persistence", "streak_only", "availability_24h", "pool_rate")
"""The baselines of a capacity model, in display order."""
POOL_PRIOR_ROWS: Final = 100.0
"""Weight of the base rate, in rows, when a pool's own rate is shrunk towards it."""
_DAY_H: Final = 24.0
_EDGE: Final = 1e-6
_STREAK_DIGITS: Final = 9
"""Rounding that makes equal streaks tie: differences of float hours differ in their last bits."""


def fit_baselines(parts: Sequence[tuple[TracePanel, CapacityRows]]) -> Document:
    """Fit the parameters of every baseline for one horizon.

    - base_rate: share of training rows that lost capacity.
    - persistence: one rate if the pool was unavailable within one horizon before, else another.
    - streak_only: logistic regression on ln(1 + hours since the pool was last unavailable).
    - availability_24h: logistic regression on the share of available ticks in the last 24 hours.
    - pool_rate: share of the pool's own earlier rows that lost capacity, shrunk towards base_rate.

    Args:
        parts: panels with their training rows, all of one horizon.
    Raises:
        InvalidInput: there are no rows, or rows of several horizons.
    """
    horizons = {rows.horizon_h for _, rows in parts}
    if len(horizons) != 1 or not sum(len(rows) for _, rows in parts):
        raise InvalidInput(
            f"Baselines cannot be fitted for horizons of {sorted(horizons)} h.",
            remedy="Use training rows of one horizon.",
        )
    label = np.concatenate([rows.label for _, rows in parts])

    def concatenated(feature: Callable[[TracePanel, CapacityRows], FloatArray]) -> FloatArray:
        return np.concatenate([feature(panel, rows) for panel, rows in parts])

    lost = concatenated(lost_before)
    base_rate = float(label.mean())
    return {
        "horizon_h": horizons.pop(),
        "base_rate": base_rate,
        "persistence": {
            "after_loss": _rate(label[lost == 1.0], base_rate),
            "otherwise": _rate(label[lost == 0.0], base_rate),
        },
        "streak_only": fit_logistic(np.log1p(concatenated(streak_h)), label),
        "availability_24h": fit_logistic(concatenated(availability_24h), label),
    }


def forecast_baselines(
    fitted: Document | Sequence[Document], panel: TracePanel, rows: CapacityRows
) -> dict[str, FloatArray]:
    """Forecasts of each baseline for the rows.

    Args:
        fitted: from `fit_baselines`, for one or several horizons. Between two horizons the
            cumulative hazard is interpolated in ln(horizon); outside of them it is proportional to
            the horizon.
        panel, rows: rows to forecast. Only `pool_rate` uses labels: those that are complete at the
            time of the forecast.
    Returns:
        (n,) probabilities by name.
    Raises:
        InvalidInput: there are no parameters.
    """
    documents = [fitted] if isinstance(fitted, Mapping) else list(fitted)
    if not documents:
        raise InvalidInput("No baseline was fitted.", remedy="Fit at least one horizon.")
    documents.sort(key=lambda document: float(document["horizon_h"]))
    horizons = np.array([float(document["horizon_h"]) for document in documents])
    position = int(np.searchsorted(horizons, rows.horizon_h))
    nearest = documents[max(0, position - 1) : position + 1]
    features = {
        "before": lost_before(panel, rows),
        "streak": np.log1p(streak_h(panel, rows)),
        "availability": availability_24h(panel, rows),
    }
    at_own_horizon = [_at_own_horizon(document, features) for document in nearest]
    forecasts = {
        name: _interpolated(
            [(d["horizon_h"], f[name]) for d, f in zip(nearest, at_own_horizon, strict=True)], rows
        )
        for name in at_own_horizon[0]
    }
    return forecasts | {"pool_rate": _pool_rate(rows, forecasts["base_rate"])}


def rule_parameters(card: Mapping[str, Any]) -> list[Document]:
    """The usable parameters in a model's card, which holds one document or one per horizon."""
    stored = card.get(BASELINES_KEY, ())
    documents = [stored] if isinstance(stored, Mapping) else list(stored)
    return [dict(each) for each in documents if isinstance(each, Mapping) and "horizon_h" in each]


def streak_h(panel: TracePanel, rows: CapacityRows) -> FloatArray:
    """(n,) hours since the pool was last unavailable, or since its first record."""
    tick = np.arange(len(panel.elapsed_h))[:, None]
    first = np.argmax(~np.isnan(panel.available), axis=0)
    last_out = np.maximum.accumulate(np.where(panel.available == 0.0, tick, -1), axis=0)
    since = np.maximum(last_out, first)[rows.tick, rows.pool]
    hours = panel.elapsed_h[rows.tick] - panel.elapsed_h[since]
    return np.asarray(np.round(hours, _STREAK_DIGITS), dtype=np.float64)


def availability_24h(panel: TracePanel, rows: CapacityRows) -> FloatArray:
    """(n,) share of the recorded ticks of the last 24 hours at which the pool was available."""
    up = running_counts(panel.available == 1.0)
    recorded = running_counts(~np.isnan(panel.available))
    start = np.searchsorted(panel.elapsed_h, panel.elapsed_h[rows.tick] - _DAY_H + _EDGE)
    ups = up[rows.tick + 1, rows.pool] - up[start, rows.pool]
    return np.asarray(
        ups / (recorded[rows.tick + 1, rows.pool] - recorded[start, rows.pool]), dtype=np.float64
    )


def lost_before(panel: TracePanel, rows: CapacityRows) -> FloatArray:
    """(n,) 1.0 if the pool was unavailable within one horizon before, else 0.0."""
    out = running_counts(panel.available == 0.0)
    start = np.searchsorted(panel.elapsed_h, panel.elapsed_h[rows.tick] - rows.horizon_h - _EDGE)
    return (out[rows.tick + 1, rows.pool] > out[start, rows.pool]).astype(np.float64)


def _rate(label: FloatArray, base_rate: float) -> float:
    return float(label.mean()) if len(label) else base_rate


def _at_own_horizon(
    document: Document, features: Mapping[str, FloatArray]
) -> dict[str, FloatArray]:
    persistence = document["persistence"]
    return {
        "base_rate": np.full(len(features["before"]), float(document["base_rate"])),
        "persistence": np.where(
            features["before"] == 1.0, persistence["after_loss"], persistence["otherwise"]
        ),
        "streak_only": _probability(document["streak_only"], features["streak"]),
        "availability_24h": _probability(document["availability_24h"], features["availability"]),
    }


def _interpolated(forecasts: Sequence[tuple[float, FloatArray]], rows: CapacityRows) -> FloatArray:
    hazards = [(float(horizon), -np.log1p(-np.minimum(p, 1.0 - 1e-9))) for horizon, p in forecasts]
    if len(hazards) == 1:
        horizon, hazard = hazards[0]
        return np.asarray(-np.expm1(-hazard * rows.horizon_h / horizon), dtype=np.float64)
    (low, first), (high, second) = hazards
    share = np.log(rows.horizon_h / low) / np.log(high / low)
    return np.asarray(-np.expm1(-((1.0 - share) * first + share * second)), dtype=np.float64)


def _pool_rate(rows: CapacityRows, base_rate: FloatArray) -> FloatArray:
    """(n,) loss rate of the pool's own earlier rows whose label was complete by then."""
    rate = base_rate.copy()
    for pool in np.unique(rows.pool):
        own = np.flatnonzero(rows.pool == pool)
        losses = np.concatenate([[0.0], np.cumsum(rows.label[own])])
        complete = np.searchsorted(
            rows.elapsed_h[own], rows.elapsed_h[own] - rows.horizon_h + _EDGE, side="right"
        )
        prior = POOL_PRIOR_ROWS * base_rate[own]
        rate[own] = (losses[complete] + prior) / (complete + POOL_PRIOR_ROWS)
    return rate


def _probability(fitted: Mapping[str, float], feature: FloatArray) -> FloatArray:
    logit = fitted["intercept"] + fitted["slope"] * feature
    return np.asarray(1.0 / (1.0 + np.exp(-logit)), dtype=np.float64)


def fit_logistic(feature: FloatArray, label: FloatArray) -> dict[str, float]:
    """Logistic regression by Newton's method, with a weak ridge penalty on the slope."""
    design = np.column_stack([np.ones_like(feature), feature])
    ridge = np.diag([1e-9, 1e-3])
    weights = np.zeros(2)
    for _ in range(100):
        probability = 1.0 / (1.0 + np.exp(-np.clip(design @ weights, -30.0, 30.0)))
        gradient = design.T @ (label - probability) - ridge @ weights
        curvature = (design * (probability * (1.0 - probability))[:, None]).T @ design + ridge
        step = np.linalg.solve(curvature + 1e-12 * np.eye(2), gradient)
        weights = weights + np.clip(step, -5.0, 5.0)
        if np.abs(step).max() < 1e-10:
            break
    return {"intercept": float(weights[0]), "slope": float(weights[1])}
