"""Moving a job's data costs egress, and policies weigh it against the time that they save."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from spotlab.errors import InvalidInput
from spotlab.gym.policies import policies_for
from spotlab.gym.simulator import simulate
from spotlab.gym.sweep_cell import Cell, run_cell
from spotlab.gym.views import ON_DEMAND, STAY, Action, Do, View
from spotlab.gym.workloads import DeadlineJob, Service
from spotlab.gym.world import FloatArray, World
from tests.gym.worlds import world_of

EGRESS = np.array([[0.0, 0.1], [0.2, 0.0]])
JOB = DeadlineJob(20 / 60, 1.0, 0.0, 0.0, 10.0)


class Script:
    """Returns given actions by tick, and keeps what it saw."""

    def __init__(self, **actions: Action) -> None:
        self._actions = {int(key[1:]): action for key, action in actions.items()}
        self.seen: list[tuple[float, ...]] = []

    def decide(self, view: View) -> Action:
        self.seen.append(tuple(view.move_usd.tolist()))
        return self._actions.get(view.tick, STAY)


def two_pools(**changes: object) -> World:
    return world_of(np.ones((60, 2)), [1.0, 1.0], egress=EGRESS, **changes)  # type: ignore[arg-type]


def start(place: int) -> Action:
    return Action(Do.START, place)


def test_the_first_start_is_free_and_each_move_of_the_data_is_paid_for() -> None:
    policy = Script(t0=start(0), t5=start(1), t10=start(1), t12=start(0))
    outcome = simulate(two_pools(), JOB, 0, 60, policy)
    assert outcome.cost_usd == pytest.approx(20 / 60 + 10 * 0.1 + 10 * 0.2)
    assert policy.seen[0] == (0.0, 0.0)
    assert policy.seen[1] == (0.0, 1.0)
    assert policy.seen[6] == (2.0, 0.0)


def test_on_demand_runs_where_the_data_is() -> None:
    policy = Script(t0=start(0), t5=start(ON_DEMAND), t6=start(0))
    outcome = simulate(two_pools(), JOB, 0, 60, policy)
    assert outcome.cost_usd == pytest.approx(19 / 60 * 1.0 + 1 / 60 * 3.0)


def test_data_takes_the_cheapest_route() -> None:
    usd = np.array([[0.0, 0.1, 0.9], [0.1, 0.0, 0.1], [0.9, 0.1, 0.0]])
    world = world_of(np.ones((60, 3)), [1.0] * 3, egress=usd)
    moves = world.move_usd(JOB)
    assert moves is not None
    assert moves[0].tolist() == pytest.approx([0.0, 1.0, 2.0])


def test_without_data_or_egress_nothing_is_paid() -> None:
    empty = dataclasses.replace(JOB, checkpoint_gb=0.0)
    assert two_pools().move_usd(empty) is None
    assert two_pools().move_usd(Service(1.0, 0.0, 1.0)) is None
    assert world_of(np.ones((60, 2)), [1.0, 1.0]).move_usd(JOB) is None


@pytest.mark.parametrize(
    ("egress", "words"),
    [
        (np.zeros((2, 3)), r"Egress prices have the shape \(2, 3\)"),
        (np.array([[0.0, -0.1], [0.1, 0.0]]), "not a number of 0 or more"),
        (np.array([[0.0, np.nan], [0.1, 0.0]]), "not a number of 0 or more"),
        (np.array([[0.1, 0.1], [0.1, 0.0]]), "not 0 within a pool"),
    ],
)
def test_odd_egress_prices_are_refused(egress: FloatArray, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        world_of(np.ones((60, 2)), [1.0, 1.0], egress=egress)


def test_a_probe_that_succeeds_is_paid_for_a_minute() -> None:
    rows = np.ones((60, 2))
    rows[5:, 1] = 0.0
    world = world_of(rows, [1.0, 0.6], egress=EGRESS)
    policy = Script(t0=start(0), t3=Action(Do.STAY, probes=(1,)), t7=Action(Do.STAY, probes=(1,)))
    assert simulate(world, JOB, 0, 60, policy).cost_usd == pytest.approx(20 / 60 + 0.6 / 60)


def outage(ticks: int) -> FloatArray:
    """The cheap pool is lost at tick 100; the other one stays up."""
    rows = np.ones((800, 2))
    rows[100 : 100 + ticks, 0] = 0.0
    return rows


@pytest.mark.parametrize("name", ["slack_price", "slack_price_probing"])
def test_a_short_outage_is_waited_out_and_a_long_one_is_worth_the_egress(name: str) -> None:
    job = DeadlineJob(30.0, 60.0, 0.1, 0.0, 10.0)
    for ticks, expected in ((2, 0), (300, 1)):
        world = world_of(outage(ticks), [1.0, 1.01], gap_s=300.0, egress=EGRESS)
        steps = run_cell(world, Cell(job, 0, 720, name), timeline=True).timeline
        assert not any(step.what == "missed" for step in steps)
        assert sum(step.target == "zone-1" for step in steps) == expected, ticks


@pytest.mark.parametrize("name", ["slack_price", "slack_price_probing"])
def test_little_slack_is_worth_moving_at_once(name: str) -> None:
    world = world_of(outage(300), [1.0, 1.01], gap_s=300.0, egress=EGRESS)
    tight = DeadlineJob(30.0, 31.5, 0.1, 0.0, 10.0)
    steps = run_cell(world, Cell(tight, 0, 720, name), timeline=True).timeline
    moved = next(step for step in steps if step.target == "zone-1")
    assert moved.tick == 100


def test_policies_for_data_are_among_all_only_where_moving_it_costs() -> None:
    names = {"uniform_progress_s", "uniform_progress_a", "uniform_progress_ap", "slack_price"}
    assert names <= set(policies_for(two_pools(), JOB))
    assert not names & set(policies_for(world_of(np.ones((60, 2)), [1.0, 1.0]), JOB))
