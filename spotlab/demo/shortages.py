"""Shortages of the simulated market: occasionally a region runs short of a family.

A pure function of (seed, time), like the rest of the market.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.demo.catalogue import GROUPS, POOLS, REGIONS
from spotlab.demo.noise import DAY_S, FloatArray, IntArray, Stream, draws

RATE_PER_DAY: Final = 1 / 50
"""How often a region runs short of a family: at any time about two of the 51 do. No published
figure separates shortages from drift, so it is chosen to match the advisor's published drift."""
DURATION_D: Final = (0.75, 4.0)
LOG_PRICE: Final = (0.25, 0.75)
"""Minimum and maximum rise of log(price): the price times 1.3 to 2.1."""
ZONE_SHARE: Final = 0.75
RAMP_S: Final = 6 * 3600
"""Time in which a price rises, and falls again."""
_MAX_DAYS: Final = int(np.ceil(DURATION_D[1])) + 1

MEAN_SHARE: Final = RATE_PER_DAY * float(np.mean(DURATION_D) * np.mean(LOG_PRICE)) * ZONE_SHARE
"""The long-run mean of `Stress.share`."""

_MAX_ZONES: Final = max(len(region.zones) for region in REGIONS)
_GROUP_OF_POOL: Final = np.array([pool.group for pool in POOLS])
_ZONE_OF_POOL: Final = np.array([pool.region.zones.index(pool.zone) for pool in POOLS])


@dataclass(frozen=True, slots=True)
class Episode:
    """One shortage; `log_price` is the rise in each of the region's zones, 0 if not affected."""

    group: int
    start_s: float
    end_s: float
    log_price: FloatArray


class Stress:
    """The shortages of one seed.

    Args:
        seed: the market's.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._starting_on = lru_cache(maxsize=512)(self._draw)
        self.share = lru_cache(maxsize=512)(self._share)

    def rise(self, day: int, epoch_s: FloatArray | IntArray) -> FloatArray:
        """Rise of log(price) of each pool, at times (pools, n) within a day."""
        rise = np.zeros(epoch_s.shape)
        for episode in self._active_on(day):
            rows = np.flatnonzero(episode.group == _GROUP_OF_POOL)
            times = epoch_s[rows]
            edge = np.minimum(times - episode.start_s, episode.end_s - times) / RAMP_S
            rise[rows] += np.clip(edge, 0.0, 1.0) * episode.log_price[_ZONE_OF_POOL[rows], None]
        return rise

    def _share(self, day: int) -> FloatArray:
        """Rise of log(price) × share of the day, mean over the zones, of each group."""
        share = np.zeros(len(GROUPS))
        for episode in self._active_on(day):
            within = min(episode.end_s, (day + 1) * DAY_S) - max(episode.start_s, day * DAY_S)
            share[episode.group] += episode.log_price.mean() * max(0.0, within) / DAY_S
        return share

    def _active_on(self, day: int) -> list[Episode]:
        return [
            episode
            for start in range(day - _MAX_DAYS, day + 1)
            for episode in self._starting_on(start)
        ]

    def _draw(self, day: int) -> tuple[Episode, ...]:
        source = draws(self._seed, Stream.STRESS, day)
        start, time, duration, rise = source.random((4, len(GROUPS)))
        zones = source.random((len(GROUPS), _MAX_ZONES)) < ZONE_SHARE
        return tuple(
            _episode(int(group), day + time[group], duration[group], rise[group], zones[group])
            for group in np.flatnonzero(start < RATE_PER_DAY)
        )


def _episode(
    group: int, start_d: float, duration: float, rise: float, zones: NDArray[np.bool_]
) -> Episode:
    """A shortage; `duration` and `rise` are 0..1 within their ranges."""
    end_d = start_d + DURATION_D[0] + duration * (DURATION_D[1] - DURATION_D[0])
    log_price = LOG_PRICE[0] + rise * (LOG_PRICE[1] - LOG_PRICE[0])
    affected = zones[: len(GROUPS[group][0].zones)]
    return Episode(group, start_d * DAY_S, end_d * DAY_S, np.where(affected, log_price, 0.0))
