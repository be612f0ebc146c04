"""The simulator: small cases with costs calculated by hand."""

from __future__ import annotations

import numpy as np
import pytest

from spotlab.errors import InvalidInput
from spotlab.gym.simulator import Outcome, simulate
from spotlab.gym.views import ON_DEMAND, STAY, Action, Do, View
from spotlab.gym.workloads import DeadlineJob, Service, Workload
from spotlab.gym.world import World
from tests.gym.worlds import world_of

MINUTE = 1.0 / 60.0


class Script:
    """Returns given actions by tick."""

    def __init__(self, **actions: Action) -> None:
        self._actions = {int(key[1:]): action for key, action in actions.items()}
        self.views: list[View] = []

    def decide(self, view: View) -> Action:
        self.views.append(view)
        return self._actions.get(view.tick, STAY)


def replay(world: World, workload: Workload, **actions: Action) -> Outcome:
    return simulate(world, workload, 0, world.ticks, Script(**actions), timeline=True)


def start(place: int) -> Action:
    return Action(Do.START, place)


def test_an_instance_is_paid_from_its_start_until_the_work_is_done() -> None:
    world = world_of(np.ones((30, 1)), [1.2])
    outcome = replay(world, DeadlineJob(10 * MINUTE, 0.5, 4 * MINUTE, 0.0), t0=start(0))
    assert outcome.cost_usd == pytest.approx(14 * MINUTE * 1.2)
    assert outcome.on_demand_cost_usd == pytest.approx(14 * MINUTE * 3.0)
    assert not outcome.missed
    assert outcome.moves == 0
    assert outcome.timeline[-1].what == "done"
    assert outcome.timeline[-1].time_h == pytest.approx(14 * MINUTE)


def test_an_interruption_loses_the_work_since_the_last_checkpoint() -> None:
    up = np.ones((40, 1))
    up[12] = 0.0
    world = world_of(up, [1.0])
    job = DeadlineJob(20 * MINUTE, 40 * MINUTE, 2 * MINUTE, 4 * MINUTE)
    outcome = replay(world, job, t0=start(0), t13=start(0))
    # 10 minutes of work by minute 12, of which 8 are kept: 12 more, after 2 of changeover.
    assert not outcome.missed
    assert outcome.cost_usd == pytest.approx((12 + 2 + 12) * MINUTE)
    assert outcome.moves == 1
    assert "interrupted" in [step.what for step in outcome.timeline]


def test_a_planned_stop_loses_nothing() -> None:
    world = world_of(np.ones((40, 1)), [1.0])
    job = DeadlineJob(20 * MINUTE, 40 * MINUTE, 2 * MINUTE, 15 * MINUTE)
    outcome = replay(world, job, t0=start(0), t12=Action(Do.STOP), t13=start(0))
    assert outcome.cost_usd == pytest.approx((2 + 10 + 2 + 10) * MINUTE)


def test_a_move_pays_both_instances_and_interrupts_no_service() -> None:
    world = world_of(np.ones((20, 2)), [1.0, 2.0])
    service = Service(20 * MINUTE, 3 * MINUTE, 5.0)
    outcome = replay(world, service, t0=start(0), t10=Action(Do.MOVE, 1))
    assert outcome.downtime_h == pytest.approx(3 * MINUTE)
    assert outcome.cost_usd == pytest.approx((13 * 1.0 + 10 * 2.0) * MINUTE)
    assert outcome.objective_usd == pytest.approx(outcome.cost_usd + 3 * MINUTE * 5.0)
    assert outcome.moves == 1


def test_a_move_that_is_overtaken_by_the_interruption_costs_only_the_difference() -> None:
    up = np.ones((20, 2))
    up[11:, 0] = 0.0
    world = world_of(up, [1.0, 2.0])
    outcome = replay(
        world, Service(20 * MINUTE, 3 * MINUTE, 5.0), t0=start(0), t10=Action(Do.MOVE, 1)
    )
    assert outcome.downtime_h == pytest.approx((3 + 2) * MINUTE)


def test_a_cancelled_move_leaves_the_old_instance_alone() -> None:
    world = world_of(np.ones((20, 2)), [1.0, 2.0])
    outcome = replay(
        world,
        Service(20 * MINUTE, 3 * MINUTE, 5.0),
        t0=start(0),
        t10=Action(Do.MOVE, 1),
        t12=Action(Do.CANCEL),
    )
    assert outcome.cost_usd == pytest.approx((20 * 1.0 + 2 * 2.0) * MINUTE)


def test_a_late_job_is_a_miss_and_is_finished_on_demand() -> None:
    world = world_of(np.zeros((20, 1)), [1.0])
    outcome = replay(world, DeadlineJob(10 * MINUTE, 20 * MINUTE, 2 * MINUTE, 0.0))
    assert outcome.missed
    assert outcome.cost_usd == pytest.approx(12 * MINUTE * 3.0)


@pytest.mark.parametrize("seen", [0.0, np.nan], ids=["not available", "no record"])
def test_a_pool_that_is_not_known_to_be_up_cannot_be_started(seen: float) -> None:
    world = world_of(np.full((20, 1), seen), [1.0])
    with pytest.raises(InvalidInput, match="zone-0 is not available at tick 0"):
        replay(world, Service(20 * MINUTE, 0.0, 1.0), t0=start(0))


def test_prices_hold_for_their_tick() -> None:
    prices = np.linspace(1.0, 2.0, 10)[:, None]
    world = world_of(np.ones((10, 1)), prices, gap_s=120.0)
    outcome = replay(world, Service(20 * MINUTE, 0.0, 1.0), t0=start(0))
    assert outcome.cost_usd == pytest.approx(prices.sum() * 2 * MINUTE)


def test_lengths_are_rounded_against_the_workload() -> None:
    world = world_of(np.ones((20, 1)), [1.0], gap_s=90.0)  # two quanta of 45 s
    script = Script(t0=start(ON_DEMAND))
    simulate(world, DeadlineJob(100 / 3600, 0.26, 50 / 3600, 0.0), 0, 20, script)
    assert script.views[0].changeover_h == pytest.approx(90 / 3600)
    assert script.views[0].work_left_h == pytest.approx(135 / 3600)
    assert script.views[0].deadline_in_h == pytest.approx(10 * 90 / 3600)


def test_a_window_outside_the_trace_is_refused() -> None:
    world = world_of(np.ones((20, 1)), [1.0])
    with pytest.raises(InvalidInput, match="not inside a trace of 20 ticks"):
        simulate(world, Service(10 * MINUTE, 0.0, 1.0), 15, 10, Script())
