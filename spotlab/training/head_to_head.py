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
from spotlab.training.block_bootstrap import DRAWS, Interval, Resampled
from spotlab.training.scores import ReliabilityBin, Scores, reliability, scores

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]

MEASURES: Final = ("auc", "pr_auc", "brier")
LOWER_IS_BETTER: Final = frozenset({"brier", "log_loss", "ece"})
SEED: Final = 7
MOST_ROWS: Final = 200
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
        names: of the two.
        outcome: (n,) 0 or 1.
        first, second: (n,) forecasts 0..1; NaN where the model refused the row.
        blocks: (n,) what is drawn as a whole, such as the day.
        seed, draws: of the bootstrap.
    Raises:
        InvalidInput: no row that both forecast, or all with one outcome.
    """
    both = ~(np.isnan(first) | np.isnan(second))
    seen, one, other = outcome[both], first[both], second[both]
    if not len(seen) or seen.min() == seen.max():
        have = "none" if not len(seen) else "all with the same outcome"
        raise InvalidInput(
            f"{names[0]} and {names[1]} have {len(seen):,} rows in common, {have}.",
            remedy="Choose data in which something happened, and that both models take.",
        )
    # By place, not by name: a model may be compared with itself.
    drawn = Resampled(seen, {"1": one, "2": other}, blocks[both], seed=seed, draws=draws)
    apart = np.abs(one - other)
    most = np.argsort(-apart, kind="stable")[:MOST_ROWS]
    return Comparison(
        names=names,
        rows=len(seen),
        refused=int((~both).sum()),
        blocks=drawn.blocks,
        base_rate=float(seen.mean()),
        scores=(scores(seen, one), scores(seen, other)),
        intervals=(_each(drawn, "1"), _each(drawn, "2")),
        differences={measure: drawn.difference("1", "2", measure) for measure in MEASURES},
        reliability=(reliability(seen, one), reliability(seen, other)),
        curves=(precision_recall(seen, one), precision_recall(seen, other)),
        disagreements=np.flatnonzero(both)[most[apart[most] > 0.0]],
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


def _each(drawn: Resampled, name: str) -> dict[str, Interval]:
    return {measure: drawn.interval(name, measure) for measure in MEASURES}
