"""A scored market in a few numbers, and how far two of them are apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.market import MarketName

FloatArray = NDArray[np.float64]

LEVELS: Final = tuple(i / 20 for i in range(21))
"""Quantiles that are kept: 0, 5, … 100 %."""
PSI_CLASSES: Final = 10
"""Classes of the population stability index, equally likely in the reference."""
KS_CLASSES: Final = 20
"""The Kolmogorov-Smirnov distance is looked for between these: a sketch knows no more."""
_RARE: Final = 1e-4
"""Share that stands for an empty class; the logarithm of 0 is none."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """A distribution in 21 quantiles.

    Args:
        rows: how many values there were, unknown ones included.
        unknown: share of NaN, 0..1.
        quantiles: at LEVELS; empty when every value is unknown.
    """

    rows: int
    unknown: float
    quantiles: tuple[float, ...]

    @classmethod
    def of(cls, values: FloatArray) -> Sketch:
        """The sketch of (n,) values."""
        known = values[np.isfinite(values)]
        unknown = (len(values) - len(known)) / len(values) if len(values) else 1.0
        found: FloatArray = np.quantile(known, LEVELS) if len(known) else known
        return cls(len(values), unknown, tuple(float(value) for value in found))

    def draw(self, count: int) -> FloatArray:
        """`count` values that lie as the sketch says: its quantile function, evenly read."""
        if not self.quantiles:
            return np.full(count, np.nan)
        missing = round(self.unknown * count)
        levels = (np.arange(count - missing) + 0.5) / max(1, count - missing)
        known = np.interp(levels, LEVELS, self.quantiles)
        return np.concatenate([known, np.full(missing, np.nan)])


@dataclass(frozen=True, slots=True)
class MarketSketch:
    """What drift needs of one scored market.

    Args:
        market: which market.
        model: "name@version" that scored it.
        at: aware UTC.
        pools: how many.
        features: of each feature of the model.
        prediction: of the model's hazard, per hour.
        importance: mean |contribution| of each feature, log-odds, over a sample of pools; empty
            where the model has no explanation.
    """

    market: MarketName
    model: str
    at: datetime
    pools: int
    features: Mapping[str, Sketch]
    prediction: Sketch
    importance: Mapping[str, float] = field(default_factory=dict)


def class_edges(values: FloatArray, classes: int) -> FloatArray:
    """Inner edges of about equally likely classes of the known values; fewer where many tie."""
    known = values[np.isfinite(values)]
    if not len(known):
        return known
    return np.unique(np.quantile(known, np.linspace(0, 1, classes + 1)[1:-1]))


def class_counts(values: FloatArray, edges: FloatArray) -> FloatArray:
    """How many (n,) values lie in each class; the last count is of the unknown ones."""
    known = values[np.isfinite(values)]
    slot = np.searchsorted(edges, known, side="right")
    counts = np.bincount(slot, minlength=len(edges) + 1)
    return np.append(counts, len(values) - len(known)).astype(np.float64)


def psi(before: FloatArray, now: FloatArray) -> FloatArray:
    """Population stability index of class counts, over the last axis; unknown is a class.

    0 is equal; by custom 0.1 is a little and 0.25 a lot. NaN where one side is empty.
    """
    was, is_now = (np.maximum(_shares(counts), _RARE) for counts in (before, now))
    return np.asarray(((is_now - was) * np.log(is_now / was)).sum(axis=-1))


def ks(before: FloatArray, now: FloatArray) -> FloatArray:
    """Largest distance of the distribution functions at the classes' edges (Kolmogorov-Smirnov).

    Over the last axis, known values only; NaN where one side has none.
    """
    was, is_now = (np.cumsum(_shares(counts[..., :-1]), axis=-1) for counts in (before, now))
    return np.asarray(np.abs(was - is_now).max(axis=-1))


def rank_correlation(first: FloatArray, second: FloatArray) -> float:
    """Spearman's; ties share the mean of their ranks; NaN where one side is constant."""
    one, other = _ranks(first), _ranks(second)
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def _shares(counts: FloatArray) -> FloatArray:
    total = counts.sum(axis=-1, keepdims=True)
    return np.asarray(counts / np.where(total > 0, total, np.nan))


def _ranks(values: FloatArray) -> FloatArray:
    _, slot, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count).astype(np.float64)
    return np.asarray((last - (count - 1) / 2.0)[slot], dtype=np.float64)
