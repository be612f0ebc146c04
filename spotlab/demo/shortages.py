"""Shortages of the simulated market: now and then a region runs short of a family.

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
"""How often a region runs short of a family: at any time about two of the 51 do. Chosen, as no
published figure separates shortage from drift, so that the advisor's published drift comes out."""
DURATION_D: Final = (0.75, 4.0)
LOG_PRICE: Final = (0.25, 0.75)
"""Least and greatest rise of log(price): a price times 1.3 to 2.1."""
ZONE_SHARE: Final = 0.75
RAMP_S: Final = 6 * 3600
"""How long a price takes to rise, and to fall again."""
_LONGEST_DAYS: Final = int(np.ceil(DURATION_D[1])) + 1

MEAN_SHARE: Final = RATE_PER_DAY * float(np.mean(DURATION_D) * np.mean(LOG_PRICE)) * ZONE_SHARE
"""The long-run mean of `Stress.share`."""

_MOST_ZONES: Final = max(len(region.zones) for region in REGIONS)
_GROUP: Final = np.array([pool.group for pool in POOLS])
_LETTER: Final = np.array([pool.region.zones.index(pool.zone) for pool in POOLS])


@dataclass(frozen=True, slots=True)
class Episode:
    """One shortage: `log_price` is the rise of each of the region's zones, 0 where it is spared."""

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
        self._begun_on = lru_cache(maxsize=512)(self._draw)
        self.share = lru_cache(maxsize=512)(self._share)

    def rise(self, day: int, epoch_s: FloatArray | IntArray) -> FloatArray:
        """Rise of log(price) of every pool, at times (pools, n) within a day."""
        rise = np.zeros(epoch_s.shape)
        for episode in self._on(day):
            rows = np.flatnonzero(episode.group == _GROUP)
            times = epoch_s[rows]
            edge = np.minimum(times - episode.start_s, episode.end_s - times) / RAMP_S
            rise[rows] += np.clip(edge, 0.0, 1.0) * episode.log_price[_LETTER[rows], None]
        return rise

    def _share(self, day: int) -> FloatArray:
        """Rise of log(price) × share of the day, mean over the zones, of every group."""
        share = np.zeros(len(GROUPS))
        for episode in self._on(day):
            within = min(episode.end_s, (day + 1) * DAY_S) - max(episode.start_s, day * DAY_S)
            share[episode.group] += episode.log_price.mean() * max(0.0, within) / DAY_S
        return share

    def _on(self, day: int) -> list[Episode]:
        return [
            episode
            for begun in range(day - _LONGEST_DAYS, day + 1)
            for episode in self._begun_on(begun)
        ]

    def _draw(self, day: int) -> tuple[Episode, ...]:
        source = draws(self._seed, Stream.STRESS, day)
        begins, when, how_long, how_much = source.random((4, len(GROUPS)))
        zones = source.random((len(GROUPS), _MOST_ZONES)) < ZONE_SHARE
        return tuple(
            _episode(int(group), day + when[group], how_long[group], how_much[group], zones[group])
            for group in np.flatnonzero(begins < RATE_PER_DAY)
        )


def _episode(
    group: int, start_d: float, how_long: float, how_much: float, zones: NDArray[np.bool_]
) -> Episode:
    end_d = start_d + DURATION_D[0] + how_long * (DURATION_D[1] - DURATION_D[0])
    log_price = LOG_PRICE[0] + how_much * (LOG_PRICE[1] - LOG_PRICE[0])
    hit = zones[: len(GROUPS[group][0].zones)]
    return Episode(group, start_d * DAY_S, end_d * DAY_S, np.where(hit, log_price, 0.0))
