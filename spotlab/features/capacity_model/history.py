"""Statistics of the history of pools, at every tick.

Arrays are (n, p): n ticks of p pools. Row i depends on ticks 0..i only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

DAYS: Final = 7
"""Number of earlier days in statistics by time of day."""
STALE_H: Final = 6.0
"""How long a pool's last known state is used while there is no record."""
DAY_WEIGHT: Final = 0.9
"""Weight of a day relative to the day after it."""
_DAY_H: Final = 24.0
_EDGE_H: Final = 1e-6


@dataclass(frozen=True)
class PoolHistory:
    """Ticks of pools, and statistics of them.

    Args:
        hours: (n,) hours since the first tick, increasing.
        available: (n, p) 1, 0 or NaN.
        tick_h: nominal hours from tick to tick.
    """

    hours: FloatArray
    available: FloatArray
    tick_h: float

    @cached_property
    def known(self) -> Mask:
        """Ticks with a record."""
        return ~np.isnan(self.available)

    @cached_property
    def up(self) -> Mask:
        """Ticks at which the pool was available."""
        return np.asarray(self.available == 1.0)

    @cached_property
    def state(self) -> FloatArray:
        """1, 0 or NaN: the newest record, unless it is stale."""
        newest_row = self._row_of_last(self.known)
        newest = np.take_along_axis(self.available, np.maximum(newest_row, 0), axis=0)
        fresh = self.hours[:, None] - self.hours[np.maximum(newest_row, 0)] <= STALE_H
        return np.where((newest_row >= 0) & fresh, newest, np.nan)

    @cached_property
    def before(self) -> FloatArray:
        """The state at the tick before."""
        return np.vstack([np.full((1, self.state.shape[1]), np.nan), self.state[:-1]])

    @cached_property
    def lost(self) -> Mask:
        """Ticks at which the state changed from available to unavailable."""
        return np.asarray((self.before == 1.0) & (self.state == 0.0))

    @cached_property
    def regained(self) -> Mask:
        """Ticks at which the state changed from unavailable to available."""
        return np.asarray((self.before == 0.0) & (self.state == 1.0))

    @cached_property
    def spell_h(self) -> FloatArray:
        """Hours since the current state began."""
        started = (self.state != self.before) & ~np.isnan(self.state)
        return np.asarray(
            self.hours[:, None] - self.hours[np.maximum(self._row_of_last(started), 0)]
        )

    def last_spell_h(self, ended: Mask) -> FloatArray:
        """Hours of the last spell that ended at one of these ticks; NaN if there is none."""
        length = np.vstack([np.full((1, ended.shape[1]), np.nan), self.spell_h[:-1]])
        row = self._row_of_last(ended)
        return np.where(row >= 0, np.take_along_axis(length, np.maximum(row, 0), axis=0), np.nan)

    @cached_property
    def ups(self) -> FloatArray:
        """(n + 1, p) number of available ticks before each tick."""
        return running_counts(self.up)

    @cached_property
    def records(self) -> FloatArray:
        """(n + 1, p) number of ticks with a record before each tick."""
        return running_counts(self.known)

    @cached_property
    def losses(self) -> FloatArray:
        """(n + 1, p) number of losses before each tick."""
        return running_counts(self.lost)

    def share_available(self, last_h: float) -> FloatArray:
        """Share of the records of the last hours that were available; NaN without records."""
        start = np.searchsorted(self.hours, self.hours - last_h + _EDGE_H, side="right")
        return share_of(self.ups[1:] - self.ups[start], self.records[1:] - self.records[start])

    def at_this_time_of_day(
        self, total: FloatArray, from_h: float, to_h: float, weight: float = 1.0
    ) -> FloatArray:
        """Count within from_h..to_h hours of this time of day, over the last seven days.

        Args:
            total: (n + 1, p) running count.
            from_h, to_h: hours around the same time on an earlier day; to_h is below 24.
            weight: factor per day; a day d days ago has the weight weight**d.
        """
        count = np.zeros_like(total[1:])
        for day in range(1, DAYS + 1):
            count += weight**day * self.on_day(total, day, from_h, to_h)
        return count

    def on_day(self, total: FloatArray, day: int, from_h: float, to_h: float) -> FloatArray:
        """Count within from_h..to_h hours of this time, `day` days ago."""
        then = self.hours - _DAY_H * day
        start = np.searchsorted(self.hours, then + from_h - _EDGE_H, side="left")
        end = np.searchsorted(self.hours, then + to_h + _EDGE_H, side="right")
        return total[end] - total[np.minimum(start, end)]

    def lost_within(self, horizon_h: float) -> Mask:
        """Available ticks followed by an unavailable one within the horizon.

        Row i looks ahead: use it only for ticks that are at least `horizon_h` old.
        """
        n = len(self.hours)
        row = np.where(self.state == 0.0, np.arange(n)[:, None], n)
        following = np.minimum.accumulate(row[::-1], axis=0)[::-1]
        lost_at = np.append(self.hours, np.inf)[following]
        return np.asarray(self.up & (lost_at - self.hours[:, None] <= horizon_h + _EDGE_H))

    def recent_rate(self, event: Mask, half_life_h: float) -> tuple[FloatArray, FloatArray]:
        """Exponentially weighted sums of events and of available hours."""
        fade = 0.5 ** (self.tick_h / half_life_h)
        return _faded(event, fade), _faded(self.up, fade) * self.tick_h

    def _row_of_last(self, mask: Mask) -> NDArray[np.intp]:
        """Index of the newest row up to each row where the mask is true; -1 if there is none."""
        row = np.where(mask, np.arange(len(mask))[:, None], -1)
        return np.maximum.accumulate(row, axis=0)


def running_counts(mask: NDArray[np.generic]) -> FloatArray:
    """(n + 1, p) number of true rows before each row."""
    return np.vstack([np.zeros((1, mask.shape[1])), np.cumsum(mask, axis=0, dtype=np.float64)])


def share_of(part: FloatArray, whole: FloatArray) -> FloatArray:
    """part / whole; NaN if whole is 0."""
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0.0)


def _faded(event: Mask, fade: float) -> FloatArray:
    """Running sum with exponential decay: a factor per tick, cut off below 1/1,000."""
    taps = int(np.ceil(np.log(1e-3) / np.log(fade)))
    total = event.astype(np.float64)
    for lag in range(1, min(taps, len(event))):
        total[lag:] += fade**lag * event[:-lag]
    return total
