"""Intervals of scores by drawing whole blocks of rows.

The rows of a day (or of a family) rise and fall together, so whole blocks are drawn. A draw counts
a row as often as its block was drawn; the same draws serve every forecaster, so that differences
are paired. Nothing is sorted again: 500 draws of 17,000 rows and six forecasters take 4 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

MEASURES: Final = ("auc", "pr_auc", "brier", "brier_skill", "log_loss", "ece")
DRAWS: Final = 500
FEWEST_BLOCKS: Final = 5
"""With fewer blocks an interval would say more about luck than about the model."""
_BINS: Final = 10
_EDGE: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its 95 % interval.

    Args:
        value: NaN where it is not defined.
        low, high: NaN where there is no interval.
        reason: why a part is missing; "" where nothing is.
    """

    value: float
    low: float
    high: float
    reason: str = ""

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval is on one side of zero."""
        return self.low > 0.0 or self.high < 0.0


class Resampled:
    """Scores of several forecasters on the same rows, as they are and in every draw.

    Args:
        outcome: (n,) 0 or 1.
        forecasts: (n,) probabilities by name.
        blocks: (n,) what is drawn as a whole, such as the day.
        seed, draws: of the bootstrap.
    """

    def __init__(
        self,
        outcome: FloatArray,
        forecasts: Mapping[str, FloatArray],
        blocks: NDArray[np.generic],
        *,
        seed: int,
        draws: int = DRAWS,
    ) -> None:
        _, member = np.unique(blocks, return_inverse=True)
        self.blocks = int(member.max()) + 1 if len(member) else 0
        rng = np.random.default_rng(seed)
        drawn = rng.integers(self.blocks, size=(draws, self.blocks))
        times = np.stack([np.bincount(row, minlength=self.blocks) for row in drawn])
        weights = np.vstack([np.ones((1, self.blocks)), times])
        self._scores = {
            name: _Ranked(outcome, forecast, member).scores(weights)
            for name, forecast in forecasts.items()
        }

    def interval(self, name: str, measure: str) -> Interval:
        """A forecaster's score."""
        return self._summary(self._scores[name][:, MEASURES.index(measure)])

    def difference(self, name: str, other: str, measure: str) -> Interval:
        """How much higher the first one's score is than the other's, on the same rows."""
        place = MEASURES.index(measure)
        return self._summary(self._scores[name][:, place] - self._scores[other][:, place])

    def _summary(self, values: FloatArray) -> Interval:
        value, drawn = float(values[0]), values[1:]
        if np.isnan(value):
            return Interval(value, np.nan, np.nan, "every row has the same outcome")
        if self.blocks < FEWEST_BLOCKS:
            reason = f"{self.blocks} blocks are too few for an interval"
            return Interval(value, np.nan, np.nan, reason)
        known = drawn[~np.isnan(drawn)]
        if 2 * len(known) < len(drawn):
            return Interval(value, np.nan, np.nan, "most draws hold one outcome only")
        low, high = np.quantile(known, [0.025, 0.975])
        return Interval(value, float(low), float(high))


class _Ranked:
    """One forecaster's rows in the order of its forecast."""

    def __init__(self, outcome: FloatArray, forecast: FloatArray, member: NDArray[np.intp]) -> None:
        order = np.argsort(-forecast, kind="stable")
        falling = forecast[order]
        self._starts = np.r_[0, np.flatnonzero(np.diff(falling)) + 1]
        self._yes, self._block = outcome[order], member[order]
        sure = np.clip(forecast, _EDGE, 1.0 - _EDGE)
        nats = -(outcome * np.log(sure) + (1.0 - outcome) * np.log1p(-sure))
        parts = [np.ones_like(outcome), outcome, (forecast - outcome) ** 2, nats]
        blocks = int(member.max()) + 1
        self._sums = np.stack([np.bincount(member, part, blocks) for part in parts], axis=1)
        slot = np.minimum((forecast * _BINS).astype(np.intp), _BINS - 1)
        self._gaps = np.bincount(member * _BINS + slot, forecast - outcome, blocks * _BINS).reshape(
            blocks, _BINS
        )

    def scores(self, weights: FloatArray) -> FloatArray:
        """(d, 6) MEASURES for (d, blocks) weights."""
        rows, yes, error, nats = (weights @ self._sums).T
        brier = error / rows
        base = yes / rows
        reference = base * (1.0 - base)
        skill = np.full(len(rows), np.nan)
        np.divide(brier, reference, out=skill, where=reference > 0.0)
        ece = np.abs(weights @ self._gaps).sum(axis=1) / rows
        ranks = np.array([self._ranks(weight) for weight in weights])
        return np.column_stack([ranks, brier, 1.0 - skill, nats / rows, ece])

    def _ranks(self, weight: FloatArray) -> tuple[float, float]:
        """AUC, ties counting half, and average precision."""
        ordered = weight[self._block]
        yes = np.add.reduceat(ordered * self._yes, self._starts)
        no = np.add.reduceat(ordered, self._starts) - yes
        hits, false = np.cumsum(yes), np.cumsum(no)
        if not hits[-1] or not false[-1]:
            return np.nan, np.nan
        auc = float(np.sum(no * (hits - 0.5 * yes)) / (hits[-1] * false[-1]))
        alarms = hits + false
        precision = np.divide(hits, alarms, out=np.zeros_like(hits), where=alarms > 0.0)
        return auc, float(np.sum(yes * precision) / hits[-1])
