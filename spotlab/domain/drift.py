"""Sketches of scored markets, and distances of distributions (PSI, KS, rank correlation)."""

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
"""Quantiles in a sketch: 0, 5, … 100 %."""
PSI_CLASSES: Final = 10
"""Classes of the population stability index, equally likely in the reference."""
KS_CLASSES: Final = 20
"""The Kolmogorov-Smirnov distance is evaluated at their edges, which is a sketch's resolution."""
_EMPTY_CLASS_SHARE: Final = 1e-4
"""Used for an empty class, because the logarithm of 0 is not finite."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """A distribution as 21 quantiles.

    Args:
        rows: number of values, including unknown ones.
        unknown: share of NaN, 0..1.
        quantiles: at LEVELS; empty if all values are unknown.
    """

    rows: int
    unknown: float
    quantiles: tuple[float, ...]

    @classmethod
    def of(cls, values: FloatArray) -> Sketch:
        """The sketch of (n,) values."""
        known = values[np.isfinite(values)]
        unknown = (len(values) - len(known)) / len(values) if len(values) else 1.0
        quantiles: FloatArray = np.quantile(known, LEVELS) if len(known) else known
        return cls(len(values), unknown, tuple(float(value) for value in quantiles))

    def draw(self, count: int) -> FloatArray:
        """`count` values of this distribution: its quantile function at even steps."""
        if not self.quantiles:
            return np.full(count, np.nan)
        missing = round(self.unknown * count)
        levels = (np.arange(count - missing) + 0.5) / max(1, count - missing)
        known = np.interp(levels, LEVELS, self.quantiles)
        return np.concatenate([known, np.full(missing, np.nan)])


@dataclass(frozen=True, slots=True)
class MarketSketch:
    """Distributions of one scored market, for drift.

    Args:
        market: which market.
        model: "name@version" that scored it.
        at: aware UTC.
        pools: number of pools.
        features: of each feature of the model.
        prediction: of the model's hazard, per hour.
        importance: mean |contribution| of each feature, log-odds, over a sample of pools; empty if
            the model has no explanations.
    """

    market: MarketName
    model: str
    at: datetime
    pools: int
    features: Mapping[str, Sketch]
    prediction: Sketch
    importance: Mapping[str, float] = field(default_factory=dict)


def class_edges(values: FloatArray, classes: int) -> FloatArray:
    """Inner edges of classes with about equally many known values; fewer if many are equal."""
    known = values[np.isfinite(values)]
    if not len(known):
        return known
    return np.unique(np.quantile(known, np.linspace(0, 1, classes + 1)[1:-1]))


def class_counts(values: FloatArray, edges: FloatArray) -> FloatArray:
    """Number of (n,) values in each class; the last count is that of unknown values."""
    known = values[np.isfinite(values)]
    slot = np.searchsorted(edges, known, side="right")
    counts = np.bincount(slot, minlength=len(edges) + 1)
    return np.append(counts, len(values) - len(known)).astype(np.float64)


def psi(before: FloatArray, now: FloatArray) -> FloatArray:
    """Population stability index of class counts, over the last axis; unknown is a class.

    0: equal; by convention, 0.1 is a small change and 0.25 a large one. NaN if one side is empty.
    """
    old, new = (np.maximum(_shares(counts), _EMPTY_CLASS_SHARE) for counts in (before, now))
    return np.asarray(((new - old) * np.log(new / old)).sum(axis=-1))


def ks(before: FloatArray, now: FloatArray) -> FloatArray:
    """Largest distance of the distribution functions at the classes' edges (Kolmogorov-Smirnov).

    Over the last axis, known values only; NaN if one side has none.
    """
    old, new = (np.cumsum(_shares(counts[..., :-1]), axis=-1) for counts in (before, now))
    return np.asarray(np.abs(old - new).max(axis=-1))


def rank_correlation(first: FloatArray, second: FloatArray) -> float:
    """Spearman's correlation; ties get their mean rank; NaN if one side is constant."""
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
