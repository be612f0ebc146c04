"""Optimum in hindsight for a job with a deadline, by dynamic programming.

The recursion runs backward over ticks; the state is the instance's place and the quanta of work
left, and between instances the *home*: where the data is, one for all unless moving it costs. Work
that an interruption undoes is not part of it, because the end of a run is known at its start:

- a *free* run ends with a stop, a move or the end of the work, and loses nothing; it lasts at most
  until the tick before its pool's spell of availability ends;
- a *bound* run lasts until its spell ends, and keeps the checkpointed work: one transition. The
  next instance may be started before that, in which case both are paid for a while.

Starting is one transition, too, over the whole changeover. Failed or cancelled starts only add
cost, so the optimum contains none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spotlab.gym.clock import Clock
from spotlab.gym.market import Market
from spotlab.gym.views import Action, Do
from spotlab.gym.world import FloatArray

Ticks = NDArray[np.int32]

_RUN, _STOP, _MOVE = 0, 1, 2
_WAIT = -1


@dataclass(slots=True)
class _Spell:
    """The end of a pool's spell of availability, and the options after a bound run in it.

    Args:
        ends: the first tick at which the pool is not available.
        after: minimum remaining cost, by work left; the key is the earliest tick at which the next
            instance may be started.
        begins: for the same keys, the tick at which the next instance is started; `ends` if not
            during the spell.
    """

    ends: int
    after: dict[int, FloatArray]
    begins: dict[int, Ticks]

    def at(self, earliest: int) -> int:
        """The key for a next instance that may be started at tick `earliest` or later."""
        return min(self.ends, max(earliest, min(self.after)))


class JobHindsight:
    """The minimum cost of finishing a job in time, and the actions that achieve it.

    Args:
        market: prices and availability of the window.
        clock: the job's durations.
    """

    def __init__(self, market: Market, clock: Clock) -> None:
        self._market, self._clock = market, clock
        places, states = market.places, clock.work + 1
        self._run_choice = np.full((clock.ticks, places, states), _STOP, dtype=np.int8)
        self._homes = len(market.fees)
        by_home = (clock.ticks, self._homes, states)
        self._start_place = np.full(by_home, _WAIT, dtype=np.int16)
        self._start_bound = np.zeros(by_home, dtype=bool)
        self._idle_starts = np.zeros(by_home, dtype=bool)
        self._spells: dict[tuple[int, int], _Spell] = {}
        self._cost = self._solve()

    @property
    def usd(self) -> float:
        """Minimum cost, USD; infinite if no schedule finishes in time."""
        return self._cost * self._clock.quantum_h

    # --- backward ----------------------------------------------------------------------------

    def _solve(self) -> float:
        clock, places, states = self._clock, self._market.places, self._clock.work + 1
        idle = np.full((self._homes, states), np.inf)
        idle[:, 0] = 0.0
        ahead = [np.tile(idle[0], (places, 1)) for _ in range(clock.changeover_ticks + 1)]
        for tick in reversed(range(clock.ticks)):
            self._open_spells(tick, idle)
            run = self._run_on(tick, ahead[-1])
            ready = run if clock.changeover_ticks == 0 else ahead[-clock.changeover_ticks]
            start = self._start(tick, ready)
            self._follow_spells(tick, start)
            self._idle_starts[tick] = start < idle
            idle = np.minimum(idle, start)
            ahead.append(self._best_while_running(tick, run, idle, start))
            del ahead[0]
        return float(idle[-1, clock.work])

    def _run_on(self, tick: int, after: FloatArray) -> FloatArray:
        """(places, states) minimum cost if a free run continues through this tick."""
        clock, market = self._clock, self._market
        paid, per_tick = market.usd[tick][:, None], clock.per_tick
        run = np.full((market.places, clock.work + 1), np.inf)
        within_tick = min(per_tick, clock.work)
        run[:, : within_tick + 1] = paid * np.arange(within_tick + 1)
        goes_on = market.stays_up(tick)
        run[goes_on, per_tick + 1 :] = (paid * per_tick + after[:, 1:-per_tick])[goes_on]
        run[~market.up[tick]] = np.inf
        return run

    def _start(self, tick: int, ready: FloatArray) -> FloatArray:
        """(homes, states) minimum cost if an instance is started now, by work left."""
        clock, market = self._clock, self._market
        best = np.full((self._homes, clock.work + 1), np.inf)
        best[:, 0] = 0.0
        for place in np.flatnonzero(market.stays_up_for(tick, clock.changeover_ticks)):
            free, bound = self._free(tick, int(place), ready[place]), self._bound(tick, int(place))
            cost = free if bound is None else np.minimum(free, bound)
            cost += market.start_usd(tick, int(place))
            for home in np.flatnonzero(np.isfinite(market.fees[:, place])):
                total = cost + market.fees[home, place]
                better = total < best[home]
                better[0] = False
                best[home, better] = total[better]
                self._start_place[tick, home, better] = place
                is_bound = False if bound is None else (bound < free)[better]
                self._start_bound[tick, home, better] = is_bound
        return best

    def _free(self, tick: int, place: int, ready: FloatArray) -> FloatArray:
        """(states,) cost from ready on, for a free run."""
        clock, rest = self._clock, self._clock.work_after_changeover
        if rest == 0:
            return ready.copy()
        price = self._market.usd[tick + clock.changeover_ticks - 1, place]
        cost = np.empty(clock.work + 1)
        within_tick = min(rest, clock.work)
        cost[: within_tick + 1] = price * np.arange(within_tick + 1)
        cost[rest + 1 :] = price * rest + ready[1 : max(1, clock.work + 1 - rest)]
        return cost

    def _bound(self, tick: int, place: int) -> FloatArray | None:
        """(states,) cost from ready on, for a bound run; None if the pool's spell does not end."""
        clock, market = self._clock, self._market
        spell = self._spells.get((place, market.end(tick, place)))
        if spell is None:
            return None
        saved, cost = self._checkpointed(tick, spell.ends), np.full(clock.work + 1, np.inf)
        if saved < clock.work:
            after = spell.after[spell.at(tick + clock.changeover_ticks)]
            paid = market.run_usd(tick, spell.ends, place)
            cost[saved + 1 :] = paid + after[1 : clock.work + 1 - saved]
        return cost

    def _checkpointed(self, tick: int, ends: int) -> int:
        worked = (ends - tick) * self._clock.per_tick - self._clock.changeover
        step = self._clock.checkpoint or 1
        return worked // step * step

    def _best_while_running(
        self, tick: int, run: FloatArray, idle: FloatArray, start: FloatArray
    ) -> FloatArray:
        """(places, states) minimum cost during a free run, over the options at this tick."""
        clock, market = self._clock, self._market
        best = run.copy()
        choice = self._run_choice[tick]
        stop = idle[market.homes]
        choice[:] = np.where(run <= stop, _RUN, _STOP)
        np.minimum(best, stop, out=best)
        done_meanwhile = clock.changeover
        inside = tick + clock.changeover_ticks <= clock.ticks
        if inside and done_meanwhile < clock.work:
            stays = market.stays_up_for(tick, clock.changeover_ticks)
            paid = market.starts_usd(tick)[stays]
            rows = np.flatnonzero(stays)
            following = start[market.homes[rows], 1 : clock.work + 1 - done_meanwhile]
            move = paid[:, None] + following
            old = best[rows, done_meanwhile + 1 :]
            better = move < old
            best[rows, done_meanwhile + 1 :] = np.where(better, move, old)
            previous = choice[rows, done_meanwhile + 1 :]
            choice[rows, done_meanwhile + 1 :] = np.where(better, _MOVE, previous)
        best[~market.up[tick]] = np.inf
        best[:, 0] = 0.0
        return best

    def _open_spells(self, tick: int, idle: FloatArray) -> None:
        """Record the spells that end when the next tick begins; `idle` is the cost from there."""
        for place in np.flatnonzero(self._market.up[tick] & ~self._market.stays_up(tick)):
            ends = tick + 1
            if ends < self._clock.ticks:
                begins = np.full(self._clock.work + 1, ends, dtype=np.int32)
                after = idle[self._market.homes[place]]
                self._spells[int(place), ends] = _Spell(ends, {ends: after}, {ends: begins})

    def _follow_spells(self, tick: int, start: FloatArray) -> None:
        """Update the spells that end while an instance started now is not ready yet."""
        last = min(self._clock.ticks - 1, tick + self._clock.changeover_ticks - 1)
        for ends in range(tick + 1, last + 1):
            for place in self._market.ending_at(ends):
                spell = self._spells[place, ends]
                after, begins = spell.after[tick + 1], spell.begins[tick + 1]
                begun = start[self._market.homes[place]]
                spell.after[tick] = np.minimum(after, begun)
                spell.begins[tick] = np.where(begun < after, np.int32(tick), begins)

    # --- forward -----------------------------------------------------------------------------

    def plan(self) -> dict[int, Action]:
        """The optimal actions by tick; at other ticks nothing is done."""
        clock, actions = self._clock, dict[int, Action]()
        tick, work_left, home = 0, clock.work, self._homes - 1
        while work_left > 0 and tick < clock.ticks:
            if not self._idle_starts[tick, home, work_left]:
                tick += 1
                continue
            tick, work_left, home = self._follow(tick, work_left, home, actions)
        return actions

    def _follow(
        self, tick: int, work_left: int, home: int, actions: dict[int, Action]
    ) -> tuple[int, int, int]:
        """Add the actions from a start until no instance runs; returns tick, work left and home."""
        clock, verb = self._clock, Do.START
        while True:
            place = int(self._start_place[tick, home, work_left])
            actions[tick] = Action(verb, place=self._market.place(place), why="hindsight")
            is_bound = self._start_bound[tick, home, work_left]
            home = int(self._market.homes[place])
            if is_bound:
                ends = self._market.end(tick, place)
                spell = self._spells[place, ends]
                work_left -= self._checkpointed(tick, ends)
                begins = int(spell.begins[spell.at(tick + clock.changeover_ticks)][work_left])
                if begins == ends:
                    return ends, work_left, home
                tick, verb = begins, Do.MOVE
                continue
            work_left -= clock.work_after_changeover
            tick += clock.changeover_ticks
            while work_left > 0 and self._run_choice[tick, place, work_left] == _RUN:
                work_left, tick = work_left - clock.per_tick, tick + 1
            if work_left <= 0:
                return tick, 0, home
            if self._run_choice[tick, place, work_left] == _STOP:
                if not self._idle_starts[tick, home, work_left]:
                    actions[tick] = Action(Do.STOP, why="hindsight")
                return tick, work_left, home
            work_left, verb = work_left - clock.changeover, Do.MOVE
