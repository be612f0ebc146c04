"""Weighted means over the other pools of a panel.

Weights depend on past availability, not on names: the weight of a pool is the square of the
correlation of its availability with that of the pool in question over the last ten days.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

REFRESH_H: Final = 6.0
"""Interval between updates of the weights."""
MEMORY_H: Final = 240.0
_SHRINK_DAYS: Final = 2.0
"""A correlation over d days is multiplied by d / (d + 2)."""
_MIN_WEIGHT: Final = 0.01
"""Weight of an uncorrelated pool."""
_MIN_VARIANCE: Final = 1e-4


class OtherPools:
    """Weighted means over the other pools of a panel.

    Args:
        hours: (n,) hours since the first tick.
        available: (n, p) 1, 0 or NaN.
    """

    def __init__(self, hours: FloatArray, available: FloatArray) -> None:
        blocks = (hours // REFRESH_H).astype(np.intp)
        self._starts = np.flatnonzero(np.diff(blocks, prepend=-1))
        ends = np.append(self._starts[1:], len(hours))
        self._blocks = [
            (slice(start, end), _weights(hours, available, int(start)))
            for start, end in zip(self._starts, ends, strict=True)
        ]

    def mean(self, values: FloatArray) -> FloatArray:
        """(n, p) mean of the others' known values; NaN if none is known."""
        known = ~np.isnan(values)
        total = self.total(np.where(known, values, 0.0))
        weight = self.total(known.astype(np.float64))
        return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0.0)

    def total(self, values: FloatArray) -> FloatArray:
        """(n, p) weighted sum of the others' values."""
        sums = np.empty_like(values)
        for rows, weights in self._blocks:
            sums[rows] = np.einsum("nj,ij->ni", values[rows], weights)
        return sums


def _weights(hours: FloatArray, available: FloatArray, start: int) -> FloatArray:
    """(p, p) weight of pool j for pool i, from ticks before `start`."""
    pools = available.shape[1]
    first = int(np.searchsorted(hours, hours[start] - MEMORY_H))
    history = available[first:start]
    weights = np.full((pools, pools), 1.0 + _MIN_WEIGHT)
    if len(history) > 1:
        known = ~np.isnan(history)
        mean = np.where(known, history, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        centred = np.where(known, history - mean, 0.0)
        covariance = centred.T @ centred / len(history)
        variance = np.diag(covariance)
        days = (hours[start] - hours[first]) / 24.0
        shrink = days / (days + _SHRINK_DAYS)
        correlation = covariance / np.sqrt(np.outer(variance, variance) + _MIN_VARIANCE) * shrink
        weights = np.clip(correlation, 0.0, 1.0) ** 2 + _MIN_WEIGHT
    np.fill_diagonal(weights, 0.0)
    return weights
