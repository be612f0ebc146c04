"""A budget that keeps SpotLab's policy close to spot-greedy, whatever its forecasts are worth.

Spot-greedy is followed beside the policy, on the same ticks. What a service has paid, with its
downtime valued, may exceed what spot-greedy has paid by EXTRA_SHARE of it, and by the cost of
EXTRA_INTERRUPTIONS interruptions. Beyond that, forecasts have no say: the policy moves to where
spot-greedy's instance runs, and does what it does, until half of the latter is left. From there
on both pay the same, so that at every tick

    paid ≤ (1 + EXTRA_SHARE) × spot-greedy's + a constant number of interruptions.

Moves that nothing enforces need starts of spot-greedy: MOVES_SHARE of them (JOB_MOVES_SHARE for a
job), and EXTRA_STARTS. This is the whole budget of a job, which pays two instances for one
changeover per move: what it has paid says little before it is done, for waiting is free until the
deadline is near.

S. Antoniadis, C. Coester, M. Eliáš, A. Polak, B. Simon: "Online metric algorithms with untrusted
predictions", ICML 2020, combine algorithms whose states cost something to change in this way.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from spotlab.gym.simulator import simulate
from spotlab.gym.views import ON_DEMAND, STAY, Action, Do, Policy, View
from spotlab.gym.workloads import Service, Workload
from spotlab.gym.world import FloatArray, World

EXTRA_SHARE: Final = 0.01
EXTRA_INTERRUPTIONS: Final = 2.0
MOVES_SHARE: Final = 1.25
JOB_MOVES_SHARE: Final = 1.0
EXTRA_STARTS: Final = 2.0
NOWHERE: Final = -2
"""In a trail: no instance."""


def record_trail(
    world: World, workload: Workload, first_tick: int, ticks: int, policy: Policy
) -> FloatArray:
    """What a policy has paid and done by each tick of a window.

    Returns:
        (n, 3) USD paid with a service's downtime, instances started, and the place after the tick's
        action; NaN after the end of a job. Row i depends on ticks up to i only.
    """
    recorder = _Recorder(policy, ticks)
    simulate(world, workload, first_tick, ticks, recorder)
    return recorder.trail


class _Recorder:
    def __init__(self, policy: Policy, ticks: int) -> None:
        self._policy = policy
        self.trail: FloatArray = np.full((ticks, 3), np.nan)

    def decide(self, view: View) -> Action:
        """The policy's decision."""
        action = self._policy.decide(view)
        place = action.place if action.do is Do.START else view.place
        after = NOWHERE if place is None else place
        self.trail[view.tick] = (view.paid_usd, view.starts, after)
        return action


def limits(trail: FloatArray, workload: Workload, interruption_usd: FloatArray) -> FloatArray:
    """The budget at each tick.

    Args:
        trail: (n, 3) of spot-greedy.
        interruption_usd: (n,) cost of an interruption.
    Returns:
        (n, 4) USD up to which the policy is free, and up to which it becomes free again; instances
        up to which it may move; the place to follow. A job's costs are not limited. After the end
        of spot-greedy's job, no move is allowed.
    """
    free = np.full(len(trail), np.inf)
    again, moves_share = free, JOB_MOVES_SHARE
    if isinstance(workload, Service):
        share_usd = (1.0 + EXTRA_SHARE) * trail[:, 0]
        free = share_usd + EXTRA_INTERRUPTIONS * interruption_usd
        again = share_usd + 0.5 * EXTRA_INTERRUPTIONS * interruption_usd
        moves_share = MOVES_SHARE
    return np.column_stack([free, again, moves_share * trail[:, 1] + EXTRA_STARTS, trail[:, 2]])


class RegretBudget:
    """Compares a policy with the trail of spot-greedy.

    Args:
        trail: from `record_trail`.
    """

    def __init__(self, trail: FloatArray) -> None:
        self._trail = trail
        self._follows = False

    def follows(self, view: View, interruption_usd: float) -> bool:
        """Whether the budget is used up, so that spot-greedy has to be followed."""
        free_usd, again_usd = self._row(view, interruption_usd)[:2]
        self._follows = view.paid_usd > (again_usd if self._follows else free_usd)
        return self._follows

    def allows_move(self, view: View) -> bool:
        """Whether one more move is within the budget of moves."""
        return view.starts + 1 <= self._row(view, 0.0)[2]

    def follow(self, view: View) -> Action:
        """Go to where spot-greedy's instance is, or wait with it."""
        target = int(self._row(view, 0.0)[3])
        why = "forecasts have cost more than their budget: as spot-greedy"
        if target == NOWHERE:
            return Action(Do.STOP, why=why) if view.place == ON_DEMAND else STAY
        if view.place == target:
            return STAY
        return Action(Do.START if view.place is None else Do.MOVE, target, why)

    def _row(self, view: View, interruption_usd: float) -> list[float]:
        row = self._trail[view.tick : view.tick + 1]
        values: list[float] = limits(row, view.workload, np.array([interruption_usd]))[0].tolist()
        return values
