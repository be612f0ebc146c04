"""The oracle: the optimal schedule in hindsight, as a policy.

It is exact for the simulator: it uses the same ticks and quanta, prices, changeover, checkpoints,
overlapping moves and pools. It is the only policy that sees the future.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.gym.clock import clock_for
from spotlab.gym.kernel_loaders import ORACLE
from spotlab.gym.market import Market
from spotlab.gym.oracle_deadline_job import JobHindsight
from spotlab.gym.oracle_service import ServiceHindsight
from spotlab.gym.views import STAY, Action, Do, View
from spotlab.gym.workloads import DeadlineJob, Workload
from spotlab.gym.world import FloatArray, World

_CODES: Final = {1: Do.START, 2: Do.MOVE, 4: Do.STOP}
"""Actions of the kernels."""


class Oracle:
    """The optimum of a window in hindsight, as a policy.

    Args:
        world, workload: the inputs of the simulation.
        first_tick, ticks: the window.
    """

    def __init__(self, world: World, workload: Workload, first_tick: int, ticks: int) -> None:
        solved = solve_compiled(world, workload, first_tick, ticks)
        if solved is not None:
            self.objective_usd, self._plan = solved[0], _actions(solved[1])
            return
        clock = clock_for(workload, world.tick_h, ticks)
        market = Market(world, first_tick, clock, world.move_usd(workload))
        hindsight: JobHindsight | ServiceHindsight = (
            JobHindsight(market, clock)
            if isinstance(workload, DeadlineJob)
            else ServiceHindsight(market, clock, workload)
        )
        self.objective_usd = hindsight.usd
        self._plan = hindsight.plan()

    def decide(self, view: View) -> Action:
        """The planned action for this tick."""
        return self._plan.get(view.tick, STAY)


def solve_compiled(
    world: World, workload: Workload, first_tick: int, ticks: int
) -> tuple[float, NDArray[np.int16]] | None:
    """Objective, USD, and (n, 2) actions and places of the plan, as `replay_kernels` reads them.

    Equal to those of JobHindsight and ServiceHindsight; None until the kernels are loaded, and
    where moving data costs egress, which they do not know.
    """
    if world.move_usd(workload) is not None:
        return None
    ORACLE.note_request()
    kernels = ORACLE.module
    if kernels is None:
        return None
    clock = clock_for(workload, world.tick_h, ticks)
    rows = slice(first_tick, first_tick + clock.ticks)
    up = _with_on_demand(world.up[rows], fill=True)
    usd = _with_on_demand(world.usd[rows], fill=float(world.on_demand_usd_per_hour))
    lengths = (clock.per_tick, clock.work, clock.changeover, clock.checkpoint)
    if isinstance(workload, DeadlineJob):
        cost, plan = kernels.solve_job(up, usd, *lengths)
    else:
        worth = float(workload.downtime_usd_per_hour)
        cost, plan = kernels.solve_service(up, usd, clock.per_tick, clock.changeover, worth)
    return cost * clock.quantum_h, plan


def _with_on_demand(values: NDArray[np.bool_] | FloatArray, fill: float) -> NDArray[Any]:
    """(n, p + 1): the pools, and on-demand as the last place."""
    rows, pools = values.shape
    places = np.full((rows, pools + 1), fill, dtype=values.dtype)
    places[:, :pools] = values
    return places


def _actions(plan: NDArray[np.int16]) -> dict[int, Action]:
    actions = {}
    for tick in np.flatnonzero(plan[:, 0]).tolist():
        do, place = _CODES[int(plan[tick, 0])], int(plan[tick, 1])
        actions[tick] = Action(do, None if do is Do.STOP else place, "hindsight")
    return actions
