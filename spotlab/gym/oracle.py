"""The oracle: the optimal schedule in hindsight, as a policy.

It is exact for the simulator: it uses the same ticks and quanta, prices, changeover, checkpoints,
overlapping moves and pools. It is the only policy that sees the future.
"""

from __future__ import annotations

from spotlab.gym.clock import clock_for
from spotlab.gym.market import Market
from spotlab.gym.oracle_deadline_job import JobHindsight
from spotlab.gym.oracle_service import ServiceHindsight
from spotlab.gym.views import STAY, Action, View
from spotlab.gym.workloads import DeadlineJob, Workload
from spotlab.gym.world import World


class Oracle:
    """The optimum of a window in hindsight, as a policy.

    Args:
        world, workload: the inputs of the simulation.
        first_tick, ticks: the window.
    """

    def __init__(self, world: World, workload: Workload, first_tick: int, ticks: int) -> None:
        clock = clock_for(workload, world.tick_h, ticks)
        market = Market(world, first_tick, clock)
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
