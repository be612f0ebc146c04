"""Runs of the simulator by the compiled kernels, once they are loaded."""

from __future__ import annotations

from functools import reduce
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.risk import expected_cost
from spotlab.gym import regret_budget, spotlab_policy
from spotlab.gym.clock import Clock
from spotlab.gym.kernel_loaders import REPLAY
from spotlab.gym.oracle import solve_compiled
from spotlab.gym.policies import GREEDY, ORACLE, SPOTLAB, create_policy
from spotlab.gym.simulator import Outcome, clock_of_window, outcome_of
from spotlab.gym.uniform_progress import most_available
from spotlab.gym.views import ON_DEMAND
from spotlab.gym.workloads import DeadlineJob, Service, Workload
from spotlab.gym.world import FloatArray, World

_CODES: Final = {
    ORACLE: "PLANNED",
    "on_demand": "ONLY_ON_DEMAND",
    GREEDY: "GREEDY",
    "cheapest_pool": "CHEAPEST",
    "lowest_advisor_bucket": "LOWEST_BUCKET",
    "eager_failover": "EAGER",
    "uniform_progress": "UNIFORM_PROGRESS",
    "uniform_progress_multi": "UNIFORM_PROGRESS",
}
"""For each policy that has a kernel, its code's name."""

_SPOTLAB_RULES: Final = (
    spotlab_policy.MIN_LOOKBACK_H,
    spotlab_policy.CHOOSINESS,
    spotlab_policy.LOSSES_PER_H,
    spotlab_policy.PATIENCE,
)
_NO_PLAN: Final = np.zeros((0, 2), dtype=np.int16)
_NO_FORECASTS: Final = (np.zeros(0), *[np.zeros((0, 0))] * 3, np.zeros(0))
_NO_BUDGET: Final = np.zeros((0, 4))
_NO_TRAIL: Final = np.zeros((0, 3))


def run_compiled(
    world: World, workload: Workload, first_tick: int, ticks: int, policy: str
) -> Outcome | None:
    """The outcome of `simulator.simulate`, to the last bit; None: it has to be used instead.

    Args:
        policy: a policy's name.
    Raises:
        InvalidInput: as `simulate` and `create_policy`.
    """
    known = policy in _CODES or policy.startswith(SPOTLAB)
    if not known or world.move_usd(workload) is not None:
        return None
    REPLAY.note_request()
    kernels = REPLAY.module
    if kernels is None:
        return None
    clock = clock_of_window(world, workload, first_tick, ticks)
    plan = _NO_PLAN
    if policy == ORACLE:
        solved = solve_compiled(world, workload, first_tick, ticks)
        if solved is None:
            return None
        plan = solved[1]
    else:
        create_policy(policy, world, workload, first_tick, ticks)
    window = (kernels, world, workload, clock, first_tick)
    arguments, budget = _arguments(*window, policy, plan), _NO_BUDGET
    if policy.startswith(SPOTLAB):
        trail = np.full((clock.ticks, 3), np.nan)
        if kernels.replay(*_arguments(*window, GREEDY, plan), budget, trail)[-1] >= 0:
            return None
        budget = regret_budget.limits(trail, workload, arguments[-1])
    cost, down, starts, work_done, place, ready, invalid_at = kernels.replay(
        *arguments, budget, _NO_TRAIL
    )
    if invalid_at >= 0:
        return None
    missed = bool(clock.work) and work_done != clock.work
    if missed:
        late = ready if place == ON_DEMAND else clock.changeover
        cost += (clock.work - work_done + late) * world.on_demand_usd_per_hour
    return outcome_of(world, workload, clock, cost, starts, down, missed=missed)


def _arguments(
    kernels: ModuleType,
    world: World,
    workload: Workload,
    clock: Clock,
    first_tick: int,
    policy: str,
    plan: NDArray[np.int16],
) -> tuple[Any, ...]:
    """The arguments of `replay_kernels.replay`, without budget and trail."""
    rows = slice(first_tick, first_tick + clock.ticks)
    usd = world.usd[rows]
    pools = len(world.panel.names)
    usable, ranks = np.ones(pools, dtype=bool), np.zeros(pools)
    if policy == "uniform_progress":
        start = world.panel.available[: first_tick + 1]
        usable[:] = np.arange(pools) == most_available(start, usd[0], world.tick_h)
    if policy == "lowest_advisor_bucket" and world.buckets is not None:
        ranks = np.where(np.isnan(world.buckets), np.inf, world.buckets)
    history, horizon_h, forecasts = 0, 1.0, _NO_FORECASTS
    if policy.startswith(SPOTLAB):
        history, horizon_h, forecasts = _spotlab_inputs(world, workload, clock, first_tick, policy)
    job = workload if isinstance(workload, DeadlineJob) else None
    setting = kernels.Setting(
        kernels.SPOTLAB if policy.startswith(SPOTLAB) else getattr(kernels, _CODES[policy]),
        job is not None,
        clock.ticks,
        clock.per_tick,
        clock.work,
        clock.changeover,
        clock.checkpoint,
        clock.quantum_h,
        world.tick_h,
        float(world.on_demand_usd_per_hour),
        float(job.work_h) if job else 0.0,
        float(job.deadline_h) if job else 0.0,
        float(workload.downtime_usd_per_hour) if isinstance(workload, Service) else 0.0,
        history,
        horizon_h,
        spotlab_policy.lookback(world.tick_h),
        *_SPOTLAB_RULES,
        spotlab_policy.caution_usd(workload, clock.changeover * clock.quantum_h),
    )
    return setting, world.up[rows], usd, ranks, usable, plan, *forecasts


def _spotlab_inputs(
    world: World, workload: Workload, clock: Clock, first_tick: int, policy: str
) -> tuple[int, float, tuple[FloatArray, ...]]:
    """Ticks before the window, horizon, and costs, offers, risk, hazard, interruption_usd.

    Row i of each depends on the ticks up to i only.
    """
    model = policy.removeprefix(SPOTLAB)
    horizon_h, risks = spotlab_policy.nearest(
        tuple((float(one.horizon_h), one.risk) for one in world.forecasts[model])
    )
    risk, hazard = world.derived(policy, lambda: spotlab_policy.hazards(risks, horizon_h))
    history = 0
    if isinstance(workload, DeadlineJob):
        history = min(first_tick, spotlab_policy.lookback(world.tick_h) - 1)
    rows = slice(first_tick - history, first_tick + clock.ticks)
    durations = (clock.changeover * clock.quantum_h, clock.checkpoint * clock.quantum_h)
    mean_usd = world.derived("mean_usd", lambda: world.usd.mean(axis=-1))
    interruption_usd = spotlab_policy.interruption_usd(workload, *durations, mean_usd[rows])
    interruption_usd[:history] = interruption_usd[history]
    asked_usd = world.derived("asked_usd", lambda: np.where(world.up, world.usd, np.inf))
    offers = expected_cost(asked_usd[rows], hazard[rows], interruption_usd[:, None])
    costs = np.empty(len(offers))
    lowest = reduce(np.minimum, offers[:history].T)
    costs[:history] = np.minimum(lowest, world.on_demand_usd_per_hour)
    window = slice(first_tick, first_tick + clock.ticks)
    rest = (offers[history:], risk[window], hazard[window], interruption_usd[history:])
    return history, horizon_h, (costs, *rest)
