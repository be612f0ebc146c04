"""Scores of probabilities, and their confidence intervals.

Intervals resample groups, not rows: rows of one family are correlated, and an interval over rows
would be several times too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Statistic = Callable[..., float]

_EDGE: Final = 1e-12


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows whose forecast is within [low, high)."""

    low: float
    high: float
    rows: int
    mean_forecast: float
    observed_share: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of probabilities for a binary outcome; NaN if undefined with only one outcome.

    Args:
        rows: number of rows.
        base_rate: share of positive outcomes.
        auc: area under the ROC curve.
        pr_auc: average precision.
        brier: mean squared error of the probability.
        brier_skill: 1 - brier / Brier score of a constant forecast of the base rate.
        log_loss: mean negative log likelihood, nats.
        ece: expected calibration error over ten equally wide bins.
    """

    rows: int
    base_rate: float
    auc: float
    pr_auc: float
    brier: float
    brier_skill: float
    log_loss: float
    ece: float

    def as_dict(self) -> dict[str, float]:
        """The scores by name."""
        return asdict(self)


def scores(outcome: FloatArray, forecast: FloatArray) -> Scores:
    """Every score of (n,) forecasts 0..1 against (n,) outcomes 0 or 1."""
    return Scores(
        rows=len(outcome),
        base_rate=float(np.mean(outcome)),
        auc=auc(outcome, forecast),
        pr_auc=pr_auc(outcome, forecast),
        brier=brier(outcome, forecast),
        brier_skill=brier_skill(outcome, forecast),
        log_loss=log_loss(outcome, forecast),
        ece=ece(outcome, forecast),
    )


def auc(outcome: FloatArray, forecast: FloatArray) -> float:
    """P(positive row is forecast higher than negative row), ties counting half (Mann-Whitney)."""
    positives = int(np.sum(outcome))
    negatives = len(outcome) - positives
    if not positives or not negatives:
        return float("nan")
    rank_sum = float(np.sum(_mid_ranks(forecast)[outcome > 0]))
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def pr_auc(outcome: FloatArray, forecast: FloatArray) -> float:
    """Average precision: precision at each distinct threshold, weighted by the recall it adds."""
    positives = float(np.sum(outcome))
    if not positives:
        return float("nan")
    order = np.argsort(-forecast, kind="stable")
    last_of_tie = np.r_[np.flatnonzero(np.diff(forecast[order])), len(order) - 1]
    true_positives = np.cumsum(outcome[order])[last_of_tie]
    precision = true_positives / (last_of_tie + 1)
    return float(np.sum(np.diff(np.r_[0.0, true_positives]) * precision) / positives)


def brier(outcome: FloatArray, forecast: FloatArray) -> float:
    """Mean squared error of the probability."""
    return float(np.mean((forecast - outcome) ** 2))


def brier_skill(outcome: FloatArray, forecast: FloatArray) -> float:
    """1 is perfect; 0 is no better than a constant forecast of the base rate."""
    base = float(np.mean(outcome))
    reference = base * (1.0 - base)
    return 1.0 - brier(outcome, forecast) / reference if reference else float("nan")


def log_loss(outcome: FloatArray, forecast: FloatArray) -> float:
    """Mean negative log likelihood, nats."""
    clipped = np.clip(forecast, _EDGE, 1.0 - _EDGE)
    return float(-np.mean(outcome * np.log(clipped) + (1.0 - outcome) * np.log1p(-clipped)))


def ece(outcome: FloatArray, forecast: FloatArray, bins: int = 10) -> float:
    """Expected calibration error: mean distance of forecast and observed share of the bins."""
    table = reliability(outcome, forecast, bins)
    gaps = [row.rows * abs(row.mean_forecast - row.observed_share) for row in table]
    return float(sum(gaps) / len(outcome))


def reliability(
    outcome: FloatArray, forecast: FloatArray, bins: int = 10
) -> tuple[ReliabilityBin, ...]:
    """The reliability table over equally wide bins, without empty bins."""
    bin_index = np.minimum((forecast * bins).astype(np.intp), bins - 1)
    rows = np.bincount(bin_index, minlength=bins)
    forecast_sums = np.bincount(bin_index, weights=forecast, minlength=bins)
    outcome_sums = np.bincount(bin_index, weights=outcome, minlength=bins)
    return tuple(
        ReliabilityBin(
            low=i / bins,
            high=(i + 1) / bins,
            rows=int(rows[i]),
            mean_forecast=float(forecast_sums[i] / rows[i]),
            observed_share=float(outcome_sums[i] / rows[i]),
        )
        for i in np.flatnonzero(rows)
    )


def block_interval(
    statistic: Statistic,
    columns: Sequence[FloatArray],
    groups: Sequence[str],
    *,
    seed: int,
    draws: int = 200,
    level: float = 0.95,
) -> tuple[float, float]:
    """Bootstrap interval of a statistic, drawing whole groups with replacement.

    Args:
        statistic: of the columns, such as `auc` of outcome and forecast.
        columns: (n,) arrays; each draw takes the same rows of all of them, so differences are
            paired.
        groups: (n,) group of each row.
        seed: of the draws.
        draws: number of resamples; those in which the statistic is NaN are ignored.
        level: 0.95 gives the 2.5th and 97.5th percentiles.
    """
    rng = np.random.default_rng(seed)
    _, group_index = np.unique(np.asarray(groups), return_inverse=True)
    blocks = [np.flatnonzero(group_index == number) for number in range(int(group_index.max()) + 1)]
    values = []
    for _ in range(draws):
        rows = np.concatenate([blocks[i] for i in rng.integers(len(blocks), size=len(blocks))])
        values.append(statistic(*(column[rows] for column in columns)))
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _mid_ranks(values: FloatArray) -> FloatArray:
    """Ranks from 1; equal values share their mean rank."""
    _, value_index, count = np.unique(values, return_inverse=True, return_counts=True)
    last_ranks = np.cumsum(count).astype(np.float64)
    return np.asarray((last_ranks - (count - 1) / 2.0)[value_index], dtype=np.float64)
