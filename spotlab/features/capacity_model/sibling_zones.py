"""What the other pools of a panel tell of one.

Which pools go together is learned from their own past, not from their names: a pool weighs as the
square of the correlation of its availability with this one's over the last ten days.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

REFRESH_H: Final = 6.0
"""How often the weights are learned anew."""
MEMORY_H: Final = 240.0
_SHRINK_DAYS: Final = 2.0
"""A correlation over d days counts as d / (d + 2) of itself."""
_LEAST: Final = 0.01
"""Weight of a pool that does not go together with this one."""
_QUIET: Final = 1e-4


class Others:
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
        """(n, p) mean of the others' values, unknown ones left out; NaN: none is known."""
        known = ~np.isnan(values)
        total = self.total(np.where(known, values, 0.0))
        weight = self.total(known.astype(np.float64))
        return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0.0)

    def total(self, values: FloatArray) -> FloatArray:
        """(n, p) weighted sum of the others' values."""
        found = np.empty_like(values)
        for rows, weights in self._blocks:
            found[rows] = np.einsum("nj,ij->ni", values[rows], weights)
        return found


def _weights(hours: FloatArray, available: FloatArray, start: int) -> FloatArray:
    """(p, p) weight of pool j for pool i, from ticks before `start`."""
    pools = available.shape[1]
    first = int(np.searchsorted(hours, hours[start] - MEMORY_H))
    seen = available[first:start]
    weights = np.full((pools, pools), 1.0 + _LEAST)
    if len(seen) > 1:
        known = ~np.isnan(seen)
        mean = np.where(known, seen, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        moved = np.where(known, seen - mean, 0.0)
        together = moved.T @ moved / len(seen)
        spread = np.diag(together)
        days = (hours[start] - hours[first]) / 24.0
        shrink = days / (days + _SHRINK_DAYS)
        correlation = together / np.sqrt(np.outer(spread, spread) + _QUIET) * shrink
        weights = np.clip(correlation, 0.0, 1.0) ** 2 + _LEAST
    np.fill_diagonal(weights, 0.0)
    return weights
