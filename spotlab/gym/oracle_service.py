"""Optimum in hindsight for a service, by dynamic programming.

The recursion runs backward over ticks; the state is the instance's place. It minimises the cost of
the instances plus the cost of downtime.
"""

from __future__ import annotations

import numpy as np

from spotlab.gym.clock import Clock
from spotlab.gym.market import Market
from spotlab.gym.views import Action, Do
from spotlab.gym.workloads import Service
from spotlab.gym.world import FloatArray

_RUN, _STOP, _MOVE = 0, 1, 2


class ServiceHindsight:
    """The minimum cost of a service including its downtime, and the actions that achieve it.

    Args:
        market: prices and availability of the window.
        clock: the service's durations.
        service: defines the cost of downtime.
    """

    def __init__(self, market: Market, clock: Clock, service: Service) -> None:
        self._market, self._clock = market, clock
        self._down_usd = service.downtime_usd_per_hour
        self._run_choice = np.full((clock.ticks, market.places), _STOP, dtype=np.int8)
        self._start_place = np.full(clock.ticks, -1, dtype=np.int16)
        self._idle_starts = np.zeros(clock.ticks, dtype=bool)
        self._cost = self._solve()

    @property
    def usd(self) -> float:
        """Minimum cost including downtime, USD."""
        return self._cost * self._clock.quantum_h

    def _solve(self) -> float:
        clock, market = self._clock, self._market
        ready: list[FloatArray] = [np.zeros(market.places)] * (clock.changeover_ticks + 1)
        idle = 0.0
        for tick in reversed(range(clock.ticks)):
            paid = market.usd[tick] * clock.per_tick
            run = paid + np.where(market.stays_up(tick), ready[-1], idle)
            run[~market.up[tick]] = np.inf
            start = self._start(tick, run if clock.changeover_ticks == 0 else ready[1])
            waited = idle + self._down_usd * clock.per_tick
            started = start + self._down_usd * clock.changeover
            self._idle_starts[tick] = started < waited
            idle = min(waited, started)
            running = self._best_while_running(tick, run, idle, start)
            running[~market.up[tick]] = idle
            ready.append(running)
            del ready[0]
        return idle

    def _start(self, tick: int, ready: FloatArray) -> float:
        """Minimum cost if an instance is started now, without the downtime until it is ready."""
        clock, market = self._clock, self._market
        lasts = market.stays_up_for(tick, clock.changeover_ticks)
        if not lasts.any():
            return np.inf
        cost = market.starts_usd(tick) + ready
        if clock.work_after_changeover:
            cost = (
                cost + market.usd[tick + clock.changeover_ticks - 1] * clock.work_after_changeover
            )
        place = int(np.argmin(np.where(lasts, cost, np.inf)))
        self._start_place[tick] = place
        return float(cost[place])

    def _best_while_running(
        self, tick: int, run: FloatArray, idle: float, start: float
    ) -> FloatArray:
        """(places,) minimum cost while an instance serves, over the options at this tick."""
        paid, down = self._market.overlap(tick)
        options = np.vstack([run, np.full(len(run), idle), paid + down * self._down_usd + start])
        self._run_choice[tick] = np.argmin(options, axis=0)
        return np.asarray(options.min(axis=0))

    def plan(self) -> dict[int, Action]:
        """The optimal actions by tick; at other ticks nothing is done."""
        actions: dict[int, Action] = {}
        tick, place = 0, -1
        while tick < self._clock.ticks:
            moves = False
            if place >= 0 and self._market.up[tick, place]:
                choice = self._run_choice[tick, place]
                if choice == _RUN:
                    tick += 1
                    continue
                if choice == _STOP and not self._idle_starts[tick]:
                    actions[tick] = Action(Do.STOP, why="hindsight")
                moves = choice == _MOVE
            if not moves and not self._idle_starts[tick]:
                tick, place = tick + 1, -1
                continue
            place = int(self._start_place[tick])
            verb = Do.MOVE if moves else Do.START
            actions[tick] = Action(verb, self._market.place(place), "hindsight")
            tick += max(1, self._clock.changeover_ticks)
        return actions
