"""Prices and availability of a window, as hindsight reads them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotlab.gym.clock import Clock
from spotlab.gym.views import ON_DEMAND
from spotlab.gym.world import FloatArray, World


class Market:
    """A window's future: places are the pools, and on-demand as the last one.

    Args:
        world, first_tick: where the window begins.
        clock: the workload's lengths.
    """

    def __init__(self, world: World, first_tick: int, clock: Clock) -> None:
        self._clock = clock
        rows = slice(first_tick, first_tick + clock.ticks)
        spot = world.spot_usd_per_hour[rows]
        self.usd: FloatArray = np.column_stack(
            [spot, np.full(len(spot), world.on_demand_usd_per_hour)]
        )
        """(ticks, places) USD per hour."""
        self.up: NDArray[np.bool_] = np.column_stack(
            [world.panel.available[rows] == 1.0, np.ones(len(spot), dtype=bool)]
        )
        """(ticks, places) whether it can be started."""
        self._paid = np.vstack([np.zeros(self.places), np.cumsum(self.usd, axis=0)])
        self._ends = self._spell_ends()
        self._places_ending: dict[int, list[int]] = {}
        for tick, place in np.argwhere(self.up[:-1] & ~self.up[1:]):
            self._places_ending.setdefault(int(tick) + 1, []).append(int(place))

    @property
    def places(self) -> int:
        """Pools and on-demand."""
        return int(self.usd.shape[1])

    def place(self, number: int) -> int:
        """The place as actions name it."""
        return ON_DEMAND if number == self.places - 1 else number

    def stays_up(self, tick: int) -> NDArray[np.bool_]:
        """(places,) up at this tick and at the next one, which may be the end of the window."""
        last = tick + 1 == len(self.up)
        return np.asarray(self.up[tick] if last else self.up[tick] & self.up[tick + 1])

    def stays_up_for(self, tick: int, ticks: int) -> NDArray[np.bool_]:
        """(places,) up at this tick and for `ticks` ticks, all inside the window."""
        if tick + ticks > len(self.up):
            return np.zeros(self.places, dtype=bool)
        return np.asarray(self.up[tick] & (self._ends[tick] >= tick + ticks))

    def end(self, tick: int, place: int) -> int:
        """The first tick after this one at which the place is not up; the window's end if none."""
        return int(self._ends[tick, place])

    def ending_at(self, tick: int) -> list[int]:
        """Places that are up until this tick, and not at it."""
        return self._places_ending.get(tick, [])

    def starts_usd(self, tick: int) -> FloatArray:
        """(places,) USD per hour × quanta of a changeover that begins with this tick."""
        clock = self._clock
        last = tick + clock.changeover_ticks
        whole = (self._paid[last] - self._paid[tick]) * clock.per_tick
        return np.asarray(
            whole
            - (
                self.usd[last - 1] * clock.work_after_changeover
                if clock.work_after_changeover
                else 0.0
            )
        )

    def start_usd(self, tick: int, place: int) -> float:
        """The same, of one place."""
        return float(self.starts_usd(tick)[place])

    def run_usd(self, tick: int, ends: int, place: int) -> float:
        """USD per hour × quanta from readiness, after a start at `tick`, until `ends`."""
        whole = (self._paid[ends, place] - self._paid[tick, place]) * self._clock.per_tick
        return float(whole - self.starts_usd(tick)[place])

    def overlap(self, tick: int) -> tuple[FloatArray, FloatArray]:
        """What an old instance is still paid when a new one is started at `tick`.

        Returns:
            (places,) USD per hour × quanta, until the new one is ready or the old one's pool
            fails; and (places,) quanta from that failure until the new one is ready.
        """
        clock = self._clock
        ends = self._ends[tick]
        whole = (self._paid[ends, np.arange(self.places)] - self._paid[tick]) * clock.per_tick
        lasts = ends >= tick + clock.changeover_ticks
        down = np.where(lasts, 0, clock.changeover - (ends - tick) * clock.per_tick)
        if tick + clock.changeover_ticks > len(self.up):
            return np.full(self.places, np.inf), np.zeros(self.places)
        return np.where(lasts, self.starts_usd(tick), whole), np.asarray(down, dtype=np.float64)

    def _spell_ends(self) -> NDArray[np.int64]:
        ends = np.empty(self.up.shape, dtype=np.int64)
        end = np.full(self.places, len(self.up))
        for tick in reversed(range(len(self.up))):
            ends[tick] = end
            end = np.where(self.up[tick], end, tick)
        return ends
