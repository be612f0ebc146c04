"""Uniform Progress in several regions, as SkyNomad's artefact compares itself with it.

"SkyNomad: On Using Multi-Region Spot Instances to Minimize AI Batch Job Cost", NSDI 2027. The
rules are those of `uniform_progress` without its memory of the safety net; the variants differ in
the order in which pools are tried:

- S, eager failover: the cheapest first, the pool of the last instance last;
- A, availability: the share of the last five launches and probes that succeeded, highest first; a
  better pool is moved to;
- AP, availability by price: the share of all launches and probes that succeeded, divided by the
  spot price; a pool that is better by a ninth is moved to.

A probe of every pool that is not in use is due every two hours (A, one per tick) or every hour
(AP). One that succeeds is paid for.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Final

import numpy as np

from spotlab.gym.views import ON_DEMAND, STAY, Action, Do, View
from spotlab.gym.workloads import DeadlineJob

_ROUNDING: Final = 1e-9
_UNKNOWN_SHARE: Final = 0.5


class EagerFailoverProgress:
    """Uniform Progress S: other pools first after a loss.

    Its subclasses replace the order, and what is learnt from launches and probes.
    """

    _probes_while_waiting = False

    def __init__(self) -> None:
        self._last: int | None = None

    def decide(self, view: View) -> Action:
        """The action of the published rules."""
        self._note_state(view)
        kind = None if view.place is None else min(view.place, 0)
        wanted, ahead = _wanted(view, view.place, spot=True)
        if wanted == ON_DEMAND:
            return self._on_demand(view)
        action = self._keep(view) if kind == 0 else None
        if action is None:
            place = self._launch(view)
            if place is not None:
                action = Action(Do.START, place, "first that is up")
            elif not ahead and _wanted(view, None, spot=False)[0] == ON_DEMAND:
                action = self._on_demand(view)
            else:
                action = _stop(view)
            if place is None and not self._probes_while_waiting:
                return action
        return self._with_probes(view, action)

    def _note_state(self, view: View) -> None:
        """Learn from what happened since the last tick."""
        if view.place is not None and view.place != ON_DEMAND:
            self._last = view.place

    def _keep(self, _view: View) -> Action | None:
        """STAY on the current spot instance, or None to launch another one."""
        return STAY

    def _order(self, view: View) -> list[int]:
        """Pools in the order in which they are tried."""
        order = [int(pool) for pool in np.argsort(view.prices, kind="stable")]
        return sorted(order, key=lambda pool: pool == self._last)

    def _launch(self, view: View) -> int | None:
        """The first pool that is up."""
        return next((pool for pool in self._order(view) if view.up[pool]), None)

    def _on_demand(self, view: View) -> Action:
        return STAY if view.place == ON_DEMAND else Action(Do.START, ON_DEMAND, "behind schedule")

    def _with_probes(self, _view: View, action: Action) -> Action:
        return action


class _Probing(EagerFailoverProgress, ABC):
    """A variant that scores pools by launches, probes and heartbeats.

    Args:
        every_h: hours between the probes of a pool.
        at_once: most probes in one tick.
    """

    def __init__(self, every_h: float, at_once: int) -> None:
        super().__init__()
        self._every_h, self._at_once = every_h, at_once
        self._outcomes: list[list[bool]] = []
        self._next_tick: list[int] = []
        self._beat_tick: list[int] = []
        self._main: int | None = None

    @abstractmethod
    def _score(self, view: View, pool: int) -> float:
        """How good a pool is."""

    @abstractmethod
    def _good_enough(self, score: float, best: float) -> bool:
        """Whether a pool need not be left for the best one."""

    def _interval(self, view: View) -> int:
        return max(1, round(self._every_h / view.tick_h))

    def _note_state(self, view: View) -> None:
        pools = range(len(view.names))
        if not self._outcomes:
            self._outcomes = [[] for _ in pools]
            self._next_tick, self._beat_tick = [0 for _ in pools], [0 for _ in pools]
        if self._main is not None and view.place != self._main:
            self._outcomes[self._main].append(False)
            self._main = None
        main = self._main
        if main is not None and view.tick >= self._beat_tick[main]:
            self._outcomes[main].append(True)
            self._beat_tick[main] = view.tick + self._interval(view)

    def _keep(self, view: View) -> Action | None:
        place = view.place
        assert place is not None
        best = self._order(view)[0]
        if place == best or self._good_enough(self._score(view, place), self._score(view, best)):
            self._main = place
            return STAY
        self._main = None
        return None

    def _order(self, view: View) -> list[int]:
        return sorted(range(len(view.names)), key=lambda pool: (-self._score(view, pool), pool))

    def _launch(self, view: View) -> int | None:
        for pool in self._order(view):
            self._outcomes[pool].append(bool(view.up[pool]))
            if view.up[pool]:
                self._main = pool
                self._beat_tick[pool] = view.tick + self._interval(view)
                return pool
        return None

    def _on_demand(self, view: View) -> Action:
        self._main = None
        return super()._on_demand(view)

    def _with_probes(self, view: View, action: Action) -> Action:
        due = [
            pool
            for pool in range(len(view.names))
            if pool != self._main and view.tick >= self._next_tick[pool]
        ]
        due = sorted(due, key=lambda pool: len(self._outcomes[pool]))[: self._at_once]
        for pool in due:
            self._outcomes[pool].append(bool(view.up[pool]))
            self._next_tick[pool] = view.tick + self._interval(view)
        return Action(action.do, action.place, action.why, tuple(due))


class AvailabilityProgress(_Probing):
    """Uniform Progress A."""

    def __init__(self) -> None:
        super().__init__(2.0, 1)

    def _score(self, _view: View, pool: int) -> float:
        return _share(self._outcomes[pool][-5:])

    def _good_enough(self, score: float, best: float) -> bool:
        return score >= best - 1e-6


class AvailabilityPriceProgress(_Probing):
    """Uniform Progress AP; a heartbeat and a probe share one interval."""

    _probes_while_waiting = True

    def __init__(self) -> None:
        super().__init__(1.0, 10**9)

    def _note_state(self, view: View) -> None:
        super()._note_state(view)
        self._beat_tick = self._next_tick

    def _score(self, view: View, pool: int) -> float:
        return _share(self._outcomes[pool]) / max(float(view.prices[pool]), _ROUNDING)

    def _good_enough(self, score: float, best: float) -> bool:
        return score >= 0.9 * best


def _share(outcomes: list[bool]) -> float:
    return sum(outcomes) / len(outcomes) if outcomes else _UNKNOWN_SHARE


def _stop(view: View) -> Action:
    return STAY if view.place is None else Action(Do.STOP, why="waits for spot")


def _wanted(view: View, place: int | None, *, spot: bool) -> tuple[int | None, bool]:
    """What should run, 0 for spot, and whether on-demand is left because the job is ahead.

    Args:
        place: where an instance runs.
        spot: whether a spot instance can be had.
    """
    job = view.workload
    assert isinstance(job, DeadlineJob)
    rate, done_h = job.work_h / job.deadline_h, job.work_h - view.work_left_h
    ahead_h = done_h - view.elapsed_h * rate
    ahead_2d_h = done_h - (view.elapsed_h + 2.0 * view.changeover_h) * rate
    wanted: int | None = 0 if spot else None
    if ahead_h < 0.0 and not spot:
        wanted = ON_DEMAND
    if place == ON_DEMAND and (not spot or ahead_2d_h <= 0.0):
        wanted = ON_DEMAND

    def ticks(hours: float) -> int:
        return math.ceil(hours / view.tick_h - _ROUNDING)

    left = round(view.deadline_in_h / view.tick_h)
    if place in {None, ON_DEMAND} and ticks(view.work_left_h + 2.0 * view.changeover_h) > left:
        wanted = ON_DEMAND
    if ticks(view.work_left_h + view.changeover_h) >= left:
        running = place is not None and place != ON_DEMAND and view.ready_in_h == 0.0
        wanted = 0 if running else ON_DEMAND
    if place == ON_DEMAND and spot and wanted == ON_DEMAND and ahead_2d_h > 0.0:
        return 0, True
    return wanted, False
