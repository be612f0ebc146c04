"""Where affine conditions on many pools hold: the ends of the union of their intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from spotlab.domain.risk import FloatArray


class Line:
    """at + slope × offset, for one number or (n,) of them."""

    __slots__ = ("at", "slope")

    def __init__(self, at: FloatArray, slope: FloatArray) -> None:
        self.at, self.slope = at, slope

    def minus(self, other: Line) -> Line:
        """The difference of two."""
        return Line(self.at - other.at, self.slope - other.slope)

    def times(self, factor: float) -> Line:
        """A multiple of it."""
        return Line(self.at * factor, self.slope * factor)

    def less(self, amount: float) -> Line:
        """It, less a constant."""
        return Line(self.at - amount, self.slope)


def line_between(at: float, further: float, step: float) -> Line:
    """The line through a value at offset 0 and another at `step`."""
    return Line(np.array([at]), np.array([(further - at) / step]))


def ends_of_union(conditions: Sequence[Line]) -> Iterator[float]:
    """Finite ends of the union over pools of the offsets where all conditions are at least 0."""
    count = max(len(each.at) for each in conditions)
    if count == 0:
        return
    low, high = np.full(count, -np.inf), np.full(count, np.inf)
    for line in conditions:
        with np.errstate(divide="ignore", invalid="ignore"):
            root = -line.at / line.slope
        low = np.where(line.slope > 0, np.maximum(low, root), low)
        high = np.where(line.slope < 0, np.minimum(high, root), high)
        never = (line.slope == 0) & (line.at < 0)
        low, high = np.where(never, np.inf, low), np.where(never, -np.inf, high)
    held = low <= high
    if not held.any():
        return
    order = np.argsort(low[held], kind="stable")
    starts, stops = low[held][order], high[held][order]
    reach = np.maximum.accumulate(stops)
    gaps = np.flatnonzero(starts[1:] > reach[:-1])
    for end in (starts[0], *starts[gaps + 1], *reach[gaps], reach[-1]):
        if np.isfinite(end):
            yield float(end)
