"""The simulated spot market: a pure function of (seed, time).

The market is computed per day, from the seed and the noise of this and earlier days only. So any
process can compute any day in any order and gets the same numbers.

- Spot price of a pool = on-demand price × position. log(position) is a level of its region and
  family, its type and its zone, plus two Ornstein-Uhlenbeck processes, plus stress (shortages.py).
- Advisor bucket = a pressure of its region, family and type, cut at fixed levels. The pressure
  drifts, and rises in the weeks after a stress.

The source of each constant is stated below it; tests/demo/test_market.py measures the results.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.demo.catalogue import GROUPS, OFFERS, POOLS
from spotlab.demo.noise import DAY_S, FloatArray, IntArray, Stream, draws, kernel, weighted_past
from spotlab.demo.shortages import MEAN_SHARE, Stress

SLOTS: Final = 6
"""A price can change once in each sixth of a day. It always does in the first, as AWS records every
price about daily, and in the others with probability CHANGE_SHARE. That gives 2.2 change points per
day and pool, between the 1.9 (2020) and 2.4 (2021) of recorded DescribeSpotPriceHistory."""
CHANGE_SHARE: Final = 0.24

POSITION: Final = 0.37
"""Median spot price as a share of on-demand: the advisor's mean saving was 62-63 % for these
families and regions in 2024 and 2025."""
PRICE_SD_GROUP, PRICE_SD_TYPE, PRICE_SD_ZONE = 0.15, 0.08, 0.07
"""Constant spread of log(position). It results in a spread of 7 percentage points of savings, as in
the advisor, and in a cheapest zone at 0.90-0.95 of the zones' mean, as in the public price feed."""
PRICE_MOVE_SD_GROUP, PRICE_MOVE_DAYS_GROUP = 0.05, 20.0
PRICE_MOVE_SD_POOL, PRICE_MOVE_DAYS_POOL = 0.03, 5.0
"""Slow and fast variation: since AWS's pricing change of 2017, prices move little and smoothly."""

BUCKET_CUTS: Final = np.array([-0.595, -0.008, 0.383, 0.700])
"""Levels at which a standard normal pressure is cut to get the mean shares of the advisor's buckets
in 2024 and 2025: .28 .22 .15 .11 .24, so .35 at bucket 3 and above (published: .25 and .455)."""
PRESSURE_FAMILY, PRESSURE_GROUP, PRESSURE_OFFER = 0.30, 0.25, 0.36
"""Constant shares of the pressure's variance. Region × family explains over half of the variance of
buckets."""
PRESSURE_MOVE_GROUP, PRESSURE_MOVE_OFFER, PRESSURE_MOVE_DAYS = 0.02, 0.0275, 14.4
PRESSURE_STRESS: Final = 1.9
"""14-16 % of buckets change within one week, 25 % within two, 41 % within 87 days. For buckets cut
from a normal variable, that means correlations of .991, .974 and .901: a tenth of the variance
moves, with autocorrelation (1 + t/14.4 d) e^(-t/14.4 d). Nearly half of that tenth is stress."""

_MEMORY_D: Final = 100
"""The effect of older noise is below one percent."""
_PRESSURE_KERNEL: Final = kernel(PRESSURE_MOVE_DAYS, smooth=True, days=_MEMORY_D)
_MEAN_STRESS: Final = MEAN_SHARE * float(np.add.reduce(_PRESSURE_KERNEL))
_GROUP_KERNEL: Final = kernel(PRICE_MOVE_DAYS_GROUP, smooth=False, days=_MEMORY_D)
_POOL_KERNEL: Final = kernel(PRICE_MOVE_DAYS_POOL, smooth=False, days=_MEMORY_D // 2)

_POOL_GROUP: Final = np.array([pool.group for pool in POOLS])
_POOL_OFFER: Final = np.array([pool.offer for pool in POOLS])
_OFFER_GROUP: Final = np.array([GROUPS.index((region, spec.family)) for region, spec in OFFERS])
_ON_DEMAND: Final = np.array([pool.spec.on_demand_usd_per_hour(pool.region) for pool in POOLS])
_ZONES_OF_OFFER: Final = np.bincount(_POOL_OFFER, minlength=len(OFFERS))


@dataclass(frozen=True, slots=True)
class Day:
    """Prices of one day: (pools, SLOTS) arrays; `changes` marks the slots with a change point."""

    epoch_s: IntArray
    usd_per_hour: FloatArray
    changes: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ChangePoints:
    """Change points: index into POOLS, seconds since 1970, USD per hour (Linux)."""

    pool: IntArray
    epoch_s: IntArray
    usd_per_hour: FloatArray


class Market:
    """The simulated market of one seed.

    Args:
        seed: 0 or more; each seed has its own market.

    `usual_usd_per_hour` (pools) and `usual_pressure` (offers) are the constant levels that prices
    and pressures vary around.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._stress = Stress(seed)
        static = draws(seed, Stream.STATIC)
        self._price_level = (
            np.log(POSITION)
            + PRICE_SD_GROUP * static.standard_normal(len(GROUPS))[_POOL_GROUP]
            + PRICE_SD_TYPE * static.standard_normal(len(OFFERS))[_POOL_OFFER]
            + PRICE_SD_ZONE * static.standard_normal(len(POOLS))
        )
        self.usual_pressure = (
            np.sqrt(PRESSURE_FAMILY) * _family_pressure()
            + np.sqrt(PRESSURE_GROUP) * static.standard_normal(len(GROUPS))[_OFFER_GROUP]
            + np.sqrt(PRESSURE_OFFER) * static.standard_normal(len(OFFERS))
        )
        self.usual_usd_per_hour = _ON_DEMAND * np.exp(self._price_level)
        by_day = lru_cache(maxsize=512)
        self._price_noise = by_day(self._draw_price_noise)
        self._pressure_noise = by_day(self._draw_pressure_noise)
        self._log_position = by_day(self._compute_log_position)
        self.pressure = by_day(self._compute_pressure)
        self.day = by_day(self._compute_day)

    def prices_at(self, at: datetime) -> ChangePoints:
        """The newest change point of each pool at a time, in the order of POOLS."""
        now = int(at.timestamp())
        days = [self.day(now // DAY_S - 1), self.day(now // DAY_S)]
        epoch_s = np.hstack([day.epoch_s for day in days])
        known = np.hstack([day.changes for day in days]) & (epoch_s <= now)
        newest = known.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
        rows = np.arange(len(POOLS))
        prices = np.hstack([day.usd_per_hour for day in days])
        return ChangePoints(rows, epoch_s[rows, newest], prices[rows, newest])

    def history(self, start: datetime, end: datetime) -> ChangePoints:
        """Every change point in [start, end], oldest first."""
        first, last = int(np.ceil(start.timestamp())), int(end.timestamp())
        parts = [np.empty((3, 0))]
        for number in range(first // DAY_S, last // DAY_S + 1):
            day = self.day(number)
            inside = day.changes & (day.epoch_s >= first) & (day.epoch_s <= last)
            pool = np.nonzero(inside)[0]
            parts.append(np.stack([pool, day.epoch_s[inside], day.usd_per_hour[inside]]))
        pool, epoch_s, price = np.hstack(parts)
        order = np.lexsort((pool, epoch_s))
        return ChangePoints(
            pool[order].astype(np.int64), epoch_s[order].astype(np.int64), price[order]
        )

    def buckets(self, day: int) -> IntArray:
        """Advisor bucket (0..4) of every offer of OFFERS, as of a day (days since 1970)."""
        return np.digitize(self.pressure(day), BUCKET_CUTS).astype(np.int64)

    def mean_positions(self, day: int) -> FloatArray:
        """Price position of each offer: mean over the previous 30 days and the zones.

        NaN if no zone of the region offers the type.
        """
        past = [self.day(day - back).usd_per_hour.mean(axis=1) for back in range(1, 31)]
        sums = np.bincount(_POOL_OFFER, np.mean(past, axis=0) / _ON_DEMAND, len(OFFERS))
        return np.where(_ZONES_OF_OFFER, sums / np.maximum(_ZONES_OF_OFFER, 1), np.nan)

    def stress(self, at: datetime) -> FloatArray:
        """Rise of log(price) of each pool due to a shortage; 0: no shortage."""
        now = np.full((len(POOLS), 1), at.timestamp())
        return self._stress.rise(day_of(at), now)[:, 0]

    def _draw_price_noise(self, day: int) -> FloatArray:
        return draws(self.seed, Stream.PRICE, day).standard_normal(len(GROUPS) + len(POOLS))

    def _draw_pressure_noise(self, day: int) -> FloatArray:
        return draws(self.seed, Stream.ADVISOR, day).standard_normal(len(GROUPS) + len(OFFERS))

    def _compute_log_position(self, day: int) -> FloatArray:
        """log(position) of each pool at the start of a day, without stress."""
        split = len(GROUPS)
        group = weighted_past(_GROUP_KERNEL, day, lambda past: self._price_noise(past)[:split])
        pool = weighted_past(_POOL_KERNEL, day, lambda past: self._price_noise(past)[split:])
        moves = PRICE_MOVE_SD_GROUP * group[_POOL_GROUP] + PRICE_MOVE_SD_POOL * pool
        return np.asarray(self._price_level + moves, dtype=np.float64)

    def _compute_pressure(self, day: int) -> FloatArray:
        """Advisor pressure of each offer: about standard normal over offers and seeds."""
        noise = weighted_past(_PRESSURE_KERNEL, day, self._pressure_noise)
        # the advisor looks back at complete days only
        stress = weighted_past(_PRESSURE_KERNEL, day - 1, self._stress.share)
        return np.asarray(
            self.usual_pressure
            + np.sqrt(PRESSURE_MOVE_GROUP) * noise[: len(GROUPS)][_OFFER_GROUP]
            + np.sqrt(PRESSURE_MOVE_OFFER) * noise[len(GROUPS) :]
            + PRESSURE_STRESS * (stress[_OFFER_GROUP] - _MEAN_STRESS),
            dtype=np.float64,
        )

    def _compute_day(self, day: int) -> Day:
        source = draws(self.seed, Stream.CHANGE, day)
        shape = (len(POOLS), SLOTS)
        within = (np.arange(SLOTS) + source.random(shape)) / SLOTS
        changes = source.random(shape) < CHANGE_SHARE
        changes[:, 0] = True
        epoch_s = day * DAY_S + (within * DAY_S).astype(np.int64)
        today, tomorrow = self._log_position(day), self._log_position(day + 1)
        log_position = today[:, None] + within * (tomorrow - today)[:, None]
        position = np.exp(log_position + self._stress.rise(day, epoch_s))
        # a spot price never exceeds the on-demand price
        prices = np.round(_ON_DEMAND[:, None] * np.minimum(position, 1.0), 4)
        return Day(epoch_s, prices, changes)


def day_of(at: datetime) -> int:
    """Days since 1970 of an aware time."""
    return int(at.timestamp()) // DAY_S


def start_of(day: int) -> datetime:
    """The start of a day, aware UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)


def _family_pressure() -> FloatArray:
    """Mean bucket of each offer's family, as a standard score."""
    means = np.array([spec.family.mean_bucket for _, spec in OFFERS])
    return np.asarray((means - means.mean()) / means.std(), dtype=np.float64)
