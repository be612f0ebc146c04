"""Exhaustive search over all schedules, as a reference for the oracle."""

from __future__ import annotations

import copy
import math

from spotlab.gym.clock import clock_for
from spotlab.gym.simulator import _Simulation
from spotlab.gym.views import ON_DEMAND, STAY, Action, Do
from spotlab.gym.workloads import Service, Workload
from spotlab.gym.world import World


def least_objective(world: World, workload: Workload) -> float:
    """The minimum objective over all sequences of actions that meet the deadline."""
    clock = clock_for(workload, world.tick_h, world.ticks)
    pools = len(world.panel.names)
    worth = workload.downtime_usd_per_hour if isinstance(workload, Service) else 0.0
    known: dict[tuple[object, ...], float] = {}

    def rest(tick: int, replay: _Simulation) -> float:
        """Minimum objective from `tick` on, in addition to the cost so far."""
        if tick == clock.ticks:
            end = replay.outcome()
            return math.inf if end.missed else end.objective_usd
        replay.remove_lost(tick)
        spent = paid(replay)
        parts = (replay._running, replay._starting)
        work = (replay._work_done, replay._uncheckpointed)
        state = (tick, *map(repr, parts), *work, replay._data_at)
        if state not in known:
            known[state] = min(after(tick, replay, action) for action in actions(replay)) - spent
        return spent + known[state]

    def paid(replay: _Simulation) -> float:
        down = 0 if clock.work else replay._down_quanta
        quanta_usd = replay._cost_quanta_usd + down * worth
        return quanta_usd * clock.quantum_h + replay._extra_usd

    def after(tick: int, replay: _Simulation, action: Action) -> float:
        tried = copy.copy(replay)
        tried._running, tried._starting = copy.copy(replay._running), copy.copy(replay._starting)
        if action.place not in {None, ON_DEMAND} and not tried._is_up(tick, action.place):
            return math.inf
        tried.act(tick, action)
        if tried.pass_tick(tick):
            return tried.outcome().objective_usd
        return rest(tick + 1, tried)

    def actions(replay: _Simulation) -> list[Action]:
        places = [ON_DEMAND, *range(pools)]
        able = replay._running is not None and replay._running.ready_in == 0
        moves = [Action(Do.MOVE, place) for place in places] if able else []
        starts = [Action(Do.START, place) for place in places]
        return [STAY, Action(Do.STOP), Action(Do.CANCEL), *starts, *moves]

    return rest(0, _Simulation(world, workload, clock, 0, False))
