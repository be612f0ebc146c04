"""Prices and availability of a window, for the oracle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotlab.gym.clock import Clock
from spotlab.gym.views import ON_DEMAND
from spotlab.gym.world import FloatArray, World


class Market:
    """Prices and availability of all ticks of a window; on-demand is the last place.

    Where moving data costs egress, on-demand is one place for each pool that the data may be in,
    and a last one for a job without data yet.

    Args:
        world, first_tick: the start of the window.
        clock: the workload's durations.
        move_usd: (p, p) cost of moving the job's data between pools, USD; None: it is free.
    """

    def __init__(
        self, world: World, first_tick: int, clock: Clock, move_usd: FloatArray | None = None
    ) -> None:
        self._clock = clock
        rows = slice(first_tick, first_tick + clock.ticks)
        self._pools = len(world.panel.names)
        on_demand = 1 if move_usd is None else self._pools + 1
        self.homes = np.zeros(self._pools + on_demand, dtype=np.int64)
        """(places,) where a job's data is after work there: 0 if that does not matter."""
        self.fees: FloatArray = np.zeros((1, self._pools + 1))
        """(homes, places) cost of moving the data to a place, USD per hour × quanta."""
        if move_usd is not None:
            self._price_moves(move_usd / clock.quantum_h)
        spot = world.spot_usd_per_hour[rows]
        self.usd: FloatArray = np.column_stack(
            [spot, np.full((len(spot), on_demand), world.on_demand_usd_per_hour)]
        )
        """(ticks, places) USD per hour."""
        self.up: NDArray[np.bool_] = np.column_stack(
            [world.panel.available[rows] == 1.0, np.ones((len(spot), on_demand), dtype=bool)]
        )
        """(ticks, places) whether an instance can be started."""
        self._paid = np.vstack([np.zeros(self.places), np.cumsum(self.usd, axis=0)])
        self._ends = self._spell_ends()
        self._places_ending: dict[int, list[int]] = {}
        for tick, place in np.argwhere(self.up[:-1] & ~self.up[1:]):
            self._places_ending.setdefault(int(tick) + 1, []).append(int(place))

    @property
    def places(self) -> int:
        """Number of places: the pools and on-demand."""
        return int(self.usd.shape[1])

    def place(self, number: int) -> int:
        """The place as used in actions."""
        return ON_DEMAND if number >= self._pools else number

    def _price_moves(self, cost: FloatArray) -> None:
        pools = self._pools
        self.homes = np.concatenate([np.arange(pools), np.arange(pools + 1)])
        self.fees = np.full((pools + 1, len(self.homes)), np.inf)
        self.fees[:pools, :pools] = cost
        self.fees[pools, :pools] = 0.0
        self.fees[np.arange(pools + 1), pools + np.arange(pools + 1)] = 0.0

    def stays_up(self, tick: int) -> NDArray[np.bool_]:
        """(places,) whether up at this tick and the next one, or at the window's last tick."""
        last = tick + 1 == len(self.up)
        return np.asarray(self.up[tick] if last else self.up[tick] & self.up[tick + 1])

    def stays_up_for(self, tick: int, ticks: int) -> NDArray[np.bool_]:
        """(places,) whether up for `ticks` ticks from this one, all inside the window."""
        if tick + ticks > len(self.up):
            return np.zeros(self.places, dtype=bool)
        return np.asarray(self.up[tick] & (self._ends[tick] >= tick + ticks))

    def end(self, tick: int, place: int) -> int:
        """The next tick at which the place is not up, or the window's end."""
        return int(self._ends[tick, place])

    def ending_at(self, tick: int) -> list[int]:
        """Places that are up before this tick, but not at it."""
        return self._places_ending.get(tick, [])

    def starts_usd(self, tick: int) -> FloatArray:
        """(places,) cost of a changeover that starts at this tick, USD per hour × quanta."""
        clock = self._clock
        last = tick + clock.changeover_ticks
        ticks_usd = (self._paid[last] - self._paid[tick]) * clock.per_tick
        return np.asarray(
            ticks_usd
            - (
                self.usd[last - 1] * clock.work_after_changeover
                if clock.work_after_changeover
                else 0.0
            )
        )

    def start_usd(self, tick: int, place: int) -> float:
        """`starts_usd` of one place."""
        return float(self.starts_usd(tick)[place])

    def run_usd(self, tick: int, ends: int, place: int) -> float:
        """Cost from ready until `ends` after a start at `tick`, USD per hour × quanta."""
        ticks_usd = (self._paid[ends, place] - self._paid[tick, place]) * self._clock.per_tick
        return float(ticks_usd - self.starts_usd(tick)[place])

    def overlap(self, tick: int) -> tuple[FloatArray, FloatArray]:
        """Cost of the old instance while a new one, started at `tick`, is not ready.

        Returns:
            (places,) cost, USD per hour × quanta, until the new instance is ready or the old one's
            pool is lost; and (places,) quanta from that loss until the new instance is ready.
        """
        clock = self._clock
        ends = self._ends[tick]
        until_lost_usd = (
            self._paid[ends, np.arange(self.places)] - self._paid[tick]
        ) * clock.per_tick
        lasts = ends >= tick + clock.changeover_ticks
        down = np.where(lasts, 0, clock.changeover - (ends - tick) * clock.per_tick)
        if tick + clock.changeover_ticks > len(self.up):
            return np.full(self.places, np.inf), np.zeros(self.places)
        return np.where(lasts, self.starts_usd(tick), until_lost_usd), np.asarray(
            down, dtype=np.float64
        )

    def _spell_ends(self) -> NDArray[np.int64]:
        ends = np.empty(self.up.shape, dtype=np.int64)
        end = np.full(self.places, len(self.up))
        for tick in reversed(range(len(self.up))):
            ends[tick] = end
            end = np.where(self.up[tick], end, tick)
        return ends
