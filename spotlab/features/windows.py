"""Time-weighted price statistics over windows, for many pools at a time.

A spot price is a step function: it is valid from one change point to the next. So a window's mean
and deviation weight every price by its duration, and it makes no difference whether a pool
publishes the same price once or ten times.

The points of all pools are in one array, sorted by pool and then oldest first (CSR: pool i has
`offsets[i]:offsets[i + 1]`), so that no step loops over pools in Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Number = TypeVar("Number", bound=np.generic)

DAY_H: Final = 24.0
WEEK_H: Final = 7 * DAY_H
MONTH_H: Final = 30 * DAY_H
MIN_COVERAGE: Final = 0.5
"""Share of a window that must be known; otherwise its statistics are unknown."""


@dataclass(frozen=True, slots=True)
class ChangePoints:
    """Change points of n pools.

    Args:
        offsets: (n + 1,) start and end of each pool's points.
        age_h: (m,) hours before now; decreasing within a pool.
        price: (m,) USD per hour from then on.
    """

    offsets: Ints
    age_h: Floats
    price: Floats

    @classmethod
    def of(cls, pool: Ints, age_h: Floats, price: Floats, pools: int) -> ChangePoints:
        """Sort points by pool and age.

        Args:
            pool: (m,) pool number, 0..pools - 1, in any order.
            age_h: (m,) hours; points in the future (negative) are ignored.
            price: (m,) USD per hour; values that are not positive numbers are ignored.
            pools: n.
        Returns:
            One point per pool and time: the highest of several prices, so that the result does not
            depend on the order of the rows.
        """
        usable = (age_h >= 0.0) & (price > 0.0) & np.isfinite(price)
        if not usable.all():
            pool, age_h, price = pool[usable], age_h[usable], price[usable]
        if not _in_order(pool, age_h):
            order = np.lexsort((price, -age_h, pool))
            pool, age_h, price = pool[order], age_h[order], price[order]
            highest = np.append((pool[1:] != pool[:-1]) | (age_h[1:] != age_h[:-1]), True)
            pool, age_h, price = pool[highest], age_h[highest], price[highest]
        return cls(np.searchsorted(pool, np.arange(pools + 1)), age_h, price)

    def take(self, pools: Ints) -> ChangePoints:
        """The points of these pools, in this order; a pool may occur twice."""
        counts = np.diff(self.offsets)[pools]
        offsets = np.append(0, np.cumsum(counts))
        index = np.arange(offsets[-1]) + np.repeat(self.offsets[pools] - offsets[:-1], counts)
        return ChangePoints(offsets, self.age_h[index], self.price[index])

    def newest_index(self, hours_ago: float) -> Ints:
        """(n,) index of the newest point that is at least this old, by bisection; -1: none."""
        low, high = self.offsets[:-1].copy(), self.offsets[1:].copy()
        while (open_ := low < high).any():
            middle = (low + high) // 2
            older = open_ & (self.age_h[np.where(open_, middle, 0)] >= hours_ago)
            low = np.where(older, middle + 1, low)
            high = np.where(open_ & ~older, middle, high)
        return np.where(low > self.offsets[:-1], low - 1, -1)

    def price_at(self, hours_ago: float) -> Floats:
        """(n,) price at that time, USD per hour; NaN before the first known point."""
        if not len(self.price):
            return np.full(len(self.offsets) - 1, np.nan)
        index = self.newest_index(hours_ago)
        return np.where(index >= 0, self.price[index], np.nan)

    def hours_since_change(self) -> Floats:
        """(n,) age of the newest point whose price differs from the one before it, hours.

        NaN if the known points contain no change, since the last change is then unknown.
        """
        changed = np.flatnonzero(self.price[1:] != self.price[:-1]) + 1
        owner = np.searchsorted(self.offsets, changed, side="right") - 1
        same_pool = changed > self.offsets[owner]
        since = np.full(len(self.offsets) - 1, np.nan)
        since[owner[same_pool]] = self.age_h[changed[same_pool]]  # oldest first: the newest wins
        return since


@dataclass(frozen=True, slots=True)
class Window:
    """Time-weighted statistics of a window, (n,) each; NaN is unknown.

    Args:
        mean: USD per hour.
        log_std: standard deviation of the natural logarithm of the price.
    """

    mean: Floats
    log_std: Floats


def window(points: ChangePoints, window_h: float) -> Window:
    """Statistics over the last `window_h` hours of every pool.

    Prices are centred before they are squared: E[x²] − E[x]² of raw prices loses digits.
    """
    n = len(points.offsets) - 1
    starts = points.offsets[:-1]
    first = np.maximum(points.newest_index(window_h), starts) if len(points.price) else starts
    counts = points.offsets[1:] - first
    known = np.flatnonzero(counts)
    mean, log_std = np.full(n, np.nan), np.full(n, np.nan)
    if not len(known):
        return Window(mean, log_std)
    counts = counts[known]
    ends = np.cumsum(counts)
    bounds = ends - counts
    index = np.arange(ends[-1]) + np.repeat(first[known] - bounds, counts)
    hours = _hours_valid(points.age_h[index], ends, window_h)
    covered = np.add.reduceat(hours, bounds)
    enough = covered >= MIN_COVERAGE * window_h
    weight = np.where(enough, covered, np.nan)

    price = points.price[index]
    newest = price[ends - 1]
    deviation = price - np.repeat(newest, counts)
    mean[known] = newest + np.add.reduceat(hours * deviation, bounds) / weight

    deviation = np.log(price) - np.repeat(np.log(newest), counts)
    centre = np.add.reduceat(hours * deviation, bounds) / weight
    deviation -= np.repeat(centre, counts)
    log_std[known] = np.sqrt(np.add.reduceat(hours * deviation * deviation, bounds) / weight)
    return Window(mean, log_std)


@dataclass(frozen=True, slots=True)
class PastPrices:
    """What the history features need to know about the past of n pools; NaN is unknown.

    Args:
        price_1d, price_7d, price_30d: (n,) price so many days ago, USD per hour.
        hours_since_change: (n,) hours.
        log_std_7d, log_std_30d: (n,) as in `Window`.
        mean_30d: (n,) as in `Window`.
    """

    price_1d: Floats
    price_7d: Floats
    price_30d: Floats
    hours_since_change: Floats
    log_std_7d: Floats
    log_std_30d: Floats
    mean_30d: Floats

    @classmethod
    def of(cls, points: ChangePoints) -> PastPrices:
        """Compute them with numpy; `window_kernels` computes the same, to the last bit."""
        week, month = window(points, WEEK_H), window(points, MONTH_H)
        return cls(
            price_1d=points.price_at(DAY_H),
            price_7d=points.price_at(WEEK_H),
            price_30d=points.price_at(MONTH_H),
            hours_since_change=points.hours_since_change(),
            log_std_7d=week.log_std,
            log_std_30d=month.log_std,
            mean_30d=month.mean,
        )


def blocks_of(points: Ints, first: int, last: int, size: int) -> list[int]:
    """Bounds of blocks of pools with at most `size` points each, or of one pool.

    Args:
        points: (n,) number of points up to the end of each pool.
        first, last: the pools first..last - 1 are divided.
        size: points.
    """
    bounds = [first]
    while bounds[-1] < last:
        before = points[bounds[-1] - 1] if bounds[-1] else 0
        end = int(np.searchsorted(points, before + size, side="right"))
        bounds.append(min(max(end, bounds[-1] + 1), last))
    return bounds


def _hours_valid(age_h: Floats, ends: Ints, window_h: float) -> Floats:
    since = np.minimum(age_h, window_h)
    until = np.append(since[1:], 0.0)
    until[ends - 1] = 0.0  # the newest price is valid until now
    return np.asarray(since - until)


def _in_order(pool: Ints, age_h: Floats) -> bool:
    later_pool, same_pool = pool[1:] > pool[:-1], pool[1:] == pool[:-1]
    return bool((later_pool | (same_pool & (age_h[1:] < age_h[:-1]))).all())


def read_only(values: NDArray[Number]) -> NDArray[Number]:
    """A view that cannot be written to: numba compiles one kernel for such arrays only."""
    view = np.ascontiguousarray(values).view()
    view.flags.writeable = False
    return view
