"""Drift sketches: small summaries of a scored market."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import numpy as np

from spotlab.domain.drift import FloatArray, MarketSketch, Sketch
from spotlab.domain.ports import RiskModel
from spotlab.errors import InvalidInput
from spotlab.pipeline.score import ScoredMarket

SKETCH_EVERY: Final = timedelta(hours=1)
"""Minimum time between two sketches of a market; each takes 10 KB."""
EXPLAINED_POOLS: Final = 500


def sketch(scored: ScoredMarket, model: RiskModel) -> MarketSketch:
    """Summarise a scored market; importance is computed from at most EXPLAINED_POOLS pools.

    Args:
        scored: the market, scored by `model`.
        model: computes the contributions.
    """
    matrix = scored.frame.select(model.feature_names)
    hazard = scored.table["hazard_per_hour"].to_numpy(dtype=np.float64, copy=True)
    for row, evidence in scored.evidence.items():
        hazard[row] = evidence.prior_hazard_per_hour
    sample = np.unique(np.linspace(0, len(matrix) - 1, EXPLAINED_POOLS).astype(np.intp))
    return MarketSketch(
        market=scored.data.market,
        model=scored.model,
        at=scored.data.as_of,
        pools=len(matrix),
        features={
            name: Sketch.of(matrix[:, column]) for column, name in enumerate(model.feature_names)
        },
        prediction=Sketch.of(hazard),
        importance=_importance(model, matrix[sample]) if len(matrix) else {},
    )


def _importance(model: RiskModel, matrix: FloatArray) -> dict[str, float]:
    try:
        contributions, _ = model.contributions(np.ascontiguousarray(matrix))
    except InvalidInput:  # the model has no explanation
        return {}
    explained = contributions[np.isfinite(contributions).all(axis=1)]
    if not len(explained):
        return {}
    sizes = np.abs(explained).mean(axis=0)
    return {name: float(size) for name, size in zip(model.feature_names, sizes, strict=True)}
