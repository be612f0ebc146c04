"""Head to head of two models on the same rows: paired differences, curves and disagreements.

The bootstrap draws the same blocks of rows for both models, so that intervals of differences are
paired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.errors import InvalidInput
from spotlab.training.block_bootstrap import DRAWS, BlockBootstrap, Interval
from spotlab.training.scores import ReliabilityBin, Scores, reliability, scores

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]

MEASURES: Final = ("auc", "pr_auc", "brier")
LOWER_IS_BETTER: Final = frozenset({"brier", "log_loss", "ece"})
SEED: Final = 7
MAX_DISAGREEMENTS: Final = 200
"""How many of the rows with the largest disagreement are listed."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision-recall curve, in the order of rising recall."""

    recall: FloatArray
    precision: FloatArray


@dataclass(frozen=True, slots=True)
class Comparison:
    """Scores of two models on the same rows; pairs are in the order of `names`.

    Args:
        names: the two models.
        rows: number of rows that both models forecast.
        refused: number of rows that at least one model rejected; no figure includes them.
        blocks: number of blocks that the bootstrap draws from.
        base_rate: share of positive outcomes.
        scores: of each model.
        intervals: of each model, by MEASURES.
        differences: first minus second, by MEASURES.
        reliability: table of each model.
        curves: precision-recall curve of each model.
        disagreements: indices of the rows whose forecasts differ most, largest difference first.
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

    def winner(self, measure: str) -> int:
        """1: the first model is significantly better; −1: the second; 0: neither.

        Args:
            measure: one of MEASURES; the paired interval of the difference decides.
        """
        difference = self.differences[measure]
        if not difference.excludes_zero:
            return 0
        first_is_higher = difference.low > 0.0
        return 1 if first_is_higher is (measure not in LOWER_IS_BETTER) else -1


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
        names: the two models.
        outcome: (n,) 0 or 1.
        first, second: (n,) forecasts 0..1; NaN for rows that the model rejected.
        blocks: (n,) block of each row, such as its day; blocks are drawn as a whole.
        seed, draws: of the bootstrap.
    Raises:
        InvalidInput: the models have no forecast row in common, or all have the same outcome.
    """
    scored = ~(np.isnan(first) | np.isnan(second))
    common_outcome, common_first, common_second = outcome[scored], first[scored], second[scored]
    if not len(common_outcome) or common_outcome.min() == common_outcome.max():
        outcomes = "none" if not len(common_outcome) else "all with the same outcome"
        raise InvalidInput(
            f"{names[0]} and {names[1]} have {len(common_outcome):,} rows in common, {outcomes}.",
            remedy="Choose data that has both outcomes and that both models accept.",
        )
    # Keyed by position, not by name: a model may be compared with itself.
    bootstrap = BlockBootstrap(
        common_outcome,
        {"1": common_first, "2": common_second},
        blocks[scored],
        seed=seed,
        draws=draws,
    )
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
        reliability=(
            reliability(common_outcome, common_first),
            reliability(common_outcome, common_second),
        ),
        curves=(
            precision_recall(common_outcome, common_first),
            precision_recall(common_outcome, common_second),
        ),
        disagreements=np.flatnonzero(scored)[largest[distance[largest] > 0.0]],
    )


def precision_recall(outcome: FloatArray, forecast: FloatArray) -> Curve:
    """Precision and recall at every distinct threshold, highest threshold first.

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
