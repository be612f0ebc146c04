"""Two models on the same rows: paired differences, curves and where they disagree.

Whole blocks of rows are drawn, the same ones for both models, so the interval
of a difference is that of the difference and not of two figures side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.errors import InvalidInput
from spotlab.training.block_bootstrap import DRAWS, Interval, BlockBootstrap
from spotlab.training.scores import ReliabilityBin, Scores, reliability, scores

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]

MEASURES: Final = ("auc", "pr_auc", "brier")
SEED: Final = 7
MAX_DISAGREEMENTS: Final = 200
"""How many rows are listed where the two disagree most."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision at each recall, recall rising."""

    recall: FloatArray
    precision: FloatArray


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two models said about the same rows.

    Args:
        names: of the two.
        rows: rows that both gave a forecast for.
        refused: rows that at least one of them refused; they are in no figure.
        blocks: how many blocks were drawn from.
        base_rate: share of yes.
        scores: of each.
        intervals: of each one's MEASURES.
        differences: first minus second, by MEASURES.
        reliability: table of each.
        curves: precision and recall of each.
        disagreements: places of the rows where the forecasts differ most, largest first.
    """

    names: tuple[str, str]
    rows: int
    refused: int
    blocks: int
    base_rate: float
    scores: tuple[Scores, Scores]
    intervals: tuple[Mapping[str, Interval], Mapping[str, Interval]]
    differences: Mapping[str, Interval]
    reliability: tuple[tuple[ReliabilityBin, ...], tuple[ReliabilityBin, ...]]
    curves: tuple[Curve, Curve]
    disagreements: Rows


def compare(
    names: tuple[str, str],
    outcome: FloatArray,
    first: FloatArray,
    second: FloatArray,
    blocks: NDArray[np.generic],
    *,
    seed: int = SEED,
    draws: int = DRAWS,
) -> Comparison:
    """Compare two models' forecasts of the same rows.

    Args:
        names: of the two.
        outcome: (n,) 0 or 1.
        first, second: (n,) forecasts 0..1; NaN where the model refused the row.
        blocks: (n,) what is drawn as a whole, such as the day.
        seed, draws: of the bootstrap.
    Raises:
        InvalidInput: no row that both forecast, or all with one outcome.
    """
    scored = ~(np.isnan(first) | np.isnan(second))
    common_outcome, common_first, common_second = outcome[scored], first[scored], second[scored]
    if not len(common_outcome) or common_outcome.min() == common_outcome.max():
        outcomes = "none" if not len(common_outcome) else "all with the same outcome"
        raise InvalidInput(
            f"{names[0]} and {names[1]} have {len(common_outcome):,} rows in common, {outcomes}.",
            remedy="Choose data in which something happened, and that both models take.",
        )
    # By place, not by name: a model may be compared with itself.
    bootstrap = BlockBootstrap(common_outcome, {"1": common_first, "2": common_second}, blocks[scored], seed=seed, draws=draws)
    distance = np.abs(common_first - common_second)
    largest = np.argsort(-distance, kind="stable")[:MAX_DISAGREEMENTS]
    return Comparison(
        names=names,
        rows=len(common_outcome),
        refused=int((~scored).sum()),
        blocks=bootstrap.blocks,
        base_rate=float(common_outcome.mean()),
        scores=(scores(common_outcome, common_first), scores(common_outcome, common_second)),
        intervals=(_intervals(bootstrap, "1"), _intervals(bootstrap, "2")),
        differences={measure: bootstrap.difference("1", "2", measure) for measure in MEASURES},
        reliability=(reliability(common_outcome, common_first), reliability(common_outcome, common_second)),
        curves=(precision_recall(common_outcome, common_first), precision_recall(common_outcome, common_second)),
        disagreements=np.flatnonzero(scored)[largest[distance[largest] > 0.0]],
    )


def precision_recall(outcome: FloatArray, forecast: FloatArray) -> Curve:
    """Precision and recall at every distinct threshold, highest first.

    >>> curve = precision_recall(np.array([1.0, 0.0, 1.0]), np.array([0.9, 0.5, 0.5]))
    >>> curve.recall.tolist(), [round(float(share), 3) for share in curve.precision]
    ([0.5, 1.0], [1.0, 0.667])
    """
    order = np.argsort(-forecast, kind="stable")
    last_of_tie = np.r_[np.flatnonzero(np.diff(forecast[order])), len(order) - 1]
    hits = np.cumsum(outcome[order])[last_of_tie]
    return Curve(hits / hits[-1], hits / (last_of_tie + 1))


def _intervals(bootstrap: BlockBootstrap, name: str) -> dict[str, Interval]:
    return {measure: bootstrap.interval(name, measure) for measure in MEASURES}
