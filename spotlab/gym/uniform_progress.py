"""Uniform Progress, of Wu et al.

Z. Wu, W.-L. Chiang, Z. Mao, Z. Yang, E. Friedman, S. Shenker, I. Stoica: "Can't Be Late:
Optimizing Spot Instance Savings under Deadlines", NSDI 2024. With c(t) the progress, C(t) the work
left, R(t) the time left, d the changeover and e(t) = t × C(0) / R(0) the expected progress:

- thrifty: nothing runs once the work is done (the replay sees to that);
- safety net: when idle and R(t) < C(t) + 2d, on-demand until the end;
- exploitation: a spot instance is kept until it is lost;
- taking risks: spot whenever it can be had, even when behind e(t);
- uniform progress: when idle, without spot, and c(t) < e(t): on-demand;
- hysteresis: on-demand is kept until c(t) ≥ e(t + 2d).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotlab.gym.views import ON_DEMAND, STAY, Action, Do, View
from spotlab.gym.workloads import DeadlineJob

_HISTORY_H = 24.0


class UniformProgress:
    """The rules above, on one pool or on several.

    One pool: the one that was up most often in the day before the job began, the cheapest of
    equals. Several: the rules see spot where any pool is up, and take the cheapest that is.

    What is lost with an instance counts as part of d in the paper; here the safety net reserves a
    checkpoint interval for it beside 2d.

    Args:
        multi: whether all pools may be used.
    """

    def __init__(self, *, multi: bool) -> None:
        self._multi = multi
        self._pool: int | None = None
        self._to_the_end = False

    def decide(self, view: View) -> Action:
        """What the rules say at this tick."""
        if self._to_the_end:
            return _on_demand(view, "safety net: on-demand until the end")
        if view.place is not None and view.place != ON_DEMAND:
            return STAY
        up = self._up(view)
        if view.place is None:
            if view.deadline_in_h < view.work_left_h + 2.0 * view.changeover_h + view.checkpoint_h:
                self._to_the_end = True
                return _on_demand(view, "safety net: on-demand until the end")
            if up.any():
                return Action(Do.START, _cheapest(view, up), "spot can be had")
            if _ahead_h(view, view.elapsed_h) < 0.0:
                return _on_demand(view, "behind uniform progress")
            return STAY
        if _ahead_h(view, view.elapsed_h + 2.0 * view.changeover_h) < 0.0:
            return STAY
        if up.any():
            return Action(Do.START, _cheapest(view, up), "ahead by two changeovers, back to spot")
        return Action(Do.STOP, why="ahead by two changeovers, waits for spot")

    def _up(self, view: View) -> NDArray[np.bool_]:
        if self._multi:
            return view.up
        if self._pool is None:
            self._pool = _most_available(view)
        alone = np.zeros(len(view.names), dtype=bool)
        alone[self._pool] = view.up[self._pool]
        return alone


def _ahead_h(view: View, at_h: float) -> float:
    """Hours of work done more than uniform progress asks for at `at_h`."""
    job = view.workload
    assert isinstance(job, DeadlineJob)
    return (job.work_h - view.work_left_h) - at_h * job.work_h / job.deadline_h


def _most_available(view: View) -> int:
    recent = view.available[-max(1, round(_HISTORY_H / view.tick_h)) :]
    share = np.mean(recent == 1.0, axis=0)
    return int(np.lexsort((view.prices, -share))[0])


def _cheapest(view: View, up: NDArray[np.bool_]) -> int:
    return int(np.argmin(np.where(up, view.prices, np.inf)))


def _on_demand(view: View, why: str) -> Action:
    return STAY if view.place == ON_DEMAND else Action(Do.START, ON_DEMAND, why)
