"""The policy Uniform Progress by Wu et al.

Z. Wu, W.-L. Chiang, Z. Mao, Z. Yang, E. Friedman, S. Shenker, I. Stoica: "Can't Be Late:
Optimizing Spot Instance Savings under Deadlines", NSDI 2024. With c(t) the progress, C(t) the work
left, R(t) the time left, d the changeover and e(t) = t × C(0) / R(0) the expected progress:

- thrifty: nothing runs after the work is done (done by the simulator);
- safety net: if idle and R(t) < C(t) + 2d, on-demand until the end;
- exploitation: a spot instance is used until it is lost;
- taking risks: spot whenever it is available, even if behind e(t);
- uniform progress: on-demand if idle, spot is unavailable, and c(t) < e(t);
- hysteresis: on-demand is used until c(t) ≥ e(t + 2d).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotlab.gym.views import ON_DEMAND, STAY, Action, Do, View
from spotlab.gym.workloads import DeadlineJob
from spotlab.gym.world import FloatArray

_HISTORY_H = 24.0


class UniformProgress:
    """Uniform Progress on one pool or on several.

    One pool: the pool that was up most often in the day before the job started; ties: the cheapest.
    Several: spot is available if any pool is up, and the cheapest of these is used.

    The paper includes the work lost with an instance in d; here, the safety net reserves a
    checkpoint interval for it in addition to 2d.

    Args:
        multi: whether all pools may be used.
    """

    def __init__(self, *, multi: bool) -> None:
        self._multi = multi
        self._pool: int | None = None
        self._to_the_end = False

    def decide(self, view: View) -> Action:
        """The action of the first rule that applies."""
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
                return Action(Do.START, _cheapest(view, up), "spot is available")
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
            self._pool = most_available(view.available, view.prices, view.tick_h)
        only_pool = np.zeros(len(view.names), dtype=bool)
        only_pool[self._pool] = view.up[self._pool]
        return only_pool


def _ahead_h(view: View, at_h: float) -> float:
    """Hours of work done ahead of uniform progress at `at_h`; negative if behind."""
    job = view.workload
    assert isinstance(job, DeadlineJob)
    return (job.work_h - view.work_left_h) - at_h * job.work_h / job.deadline_h


def most_available(available: FloatArray, prices: FloatArray, tick_h: float) -> int:
    """The pool of a job on one pool.

    Args:
        available: (n, p) up to the job's start, as in a View.
        prices: (p,) at the start.
        tick_h: length of a tick, h.
    """
    recent = available[-max(1, round(_HISTORY_H / tick_h)) :]
    share = np.count_nonzero(recent == 1.0, axis=0) / len(recent)
    return int(np.lexsort((prices, -share))[0])


def _cheapest(view: View, up: NDArray[np.bool_]) -> int:
    return int(np.argmin(np.where(up, view.prices, np.inf)))


def _on_demand(view: View, why: str) -> Action:
    return STAY if view.place == ON_DEMAND else Action(Do.START, ON_DEMAND, why)
