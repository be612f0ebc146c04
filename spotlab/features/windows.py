"""Statistics of price windows over change points, many pools at a time.

A spot price is a step function: it holds from one change point to the next. So a window's mean and
deviation weigh every price by the time it was in force, and a pool that publishes the same price
ten times counts no more than one that publishes it once.

The points of all pools lie in one array, pool after pool, oldest first (CSR: pool i owns
`offsets[i]:offsets[i + 1]`), so that no step loops over pools in Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_COVERAGE: Final = 0.5
"""A window whose known part is shorter than this share is unknown: an hour says nothing about a
month."""


@dataclass(frozen=True, slots=True)
class ChangePoints:
    """Change points of n pools.

    Args:
        offsets: (n + 1,) where each pool's points start and end.
        age_h: (m,) hours before the moment of asking; falls within a pool.
        price: (m,) USD per hour from then on.
    """

    offsets: Ints
    age_h: Floats
    price: Floats

    @classmethod
    def of(cls, pool: Ints, age_h: Floats, price: Floats, pools: int) -> ChangePoints:
        """Sort points into place.

        Args:
            pool: (m,) which pool, 0..pools - 1, in any order.
            age_h: (m,) hours; a point of the future (negative) is left out.
            price: (m,) USD per hour; what is not a positive number is left out.
            pools: n.
        Returns:
            One point a pool and moment: of several at one moment the dearest stays, so that the
            order of the rows cannot matter.
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
        """These pools, in this order; a pool may be taken twice."""
        counts = np.diff(self.offsets)[pools]
        offsets = np.append(0, np.cumsum(counts))
        index = np.arange(offsets[-1]) + np.repeat(self.offsets[pools] - offsets[:-1], counts)
        return ChangePoints(offsets, self.age_h[index], self.price[index])

    def newest_index(self, hours_ago: float) -> Ints:
        """(n,) index of the newest point at least that old, by bisection; -1 for none."""
        low, high = self.offsets[:-1].copy(), self.offsets[1:].copy()
        while (open_ := low < high).any():
            middle = (low + high) // 2
            older = open_ & (self.age_h[np.where(open_, middle, 0)] >= hours_ago)
            low = np.where(older, middle + 1, low)
            high = np.where(open_ & ~older, middle, high)
        return np.where(low > self.offsets[:-1], low - 1, -1)

    def price_at(self, hours_ago: float) -> Floats:
        """(n,) price in force that long ago, USD per hour; NaN before the first known point."""
        if not len(self.price):
            return np.full(len(self.offsets) - 1, np.nan)
        index = self.newest_index(hours_ago)
        return np.where(index >= 0, self.price[index], np.nan)

    def hours_since_change(self) -> Floats:
        """(n,) age of the newest point whose price differs from the one before it, hours.

        NaN where the known points hold no change: when the price last moved is then unknown.
        """
        changed = np.flatnonzero(self.price[1:] != self.price[:-1]) + 1
        owner = np.searchsorted(self.offsets, changed, side="right") - 1
        same_pool = changed > self.offsets[owner]
        since = np.full(len(self.offsets) - 1, np.nan)
        since[owner[same_pool]] = self.age_h[changed[same_pool]]  # oldest first: the newest stays
        return since


@dataclass(frozen=True, slots=True)
class Window:
    """Time-weighted statistics of the last `window_h` hours, (n,) each; NaN is unknown.

    Args:
        mean: USD per hour.
        log_std: standard deviation of the natural logarithm of the price.
    """

    mean: Floats
    log_std: Floats


def window(points: ChangePoints, window_h: float) -> Window:
    """Statistics over the last `window_h` hours of every pool.

    Prices are centred before they are squared: E[x²] − E[x]² of raw prices cancels.
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


def _hours_valid(age_h: Floats, ends: Ints, window_h: float) -> Floats:
    since = np.minimum(age_h, window_h)
    until = np.append(since[1:], 0.0)
    until[ends - 1] = 0.0  # the newest price is in force until now
    return np.asarray(since - until)


def _in_order(pool: Ints, age_h: Floats) -> bool:
    later_pool, same_pool = pool[1:] > pool[:-1], pool[1:] == pool[:-1]
    return bool((later_pool | (same_pool & (age_h[1:] < age_h[:-1]))).all())
