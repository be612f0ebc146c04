"""Replay of a cell: spans match the costs, and the work adds up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotlab.gym.replay import Span, replay, spans_of
from spotlab.gym.simulator import Step
from spotlab.gym.sweep_cell import Cell, run_cell
from spotlab.gym.workloads import DeadlineJob, Service, Workload
from spotlab.gym.world import World
from tests.gym.worlds import world_of

JOB = DeadlineJob(work_h=0.2, deadline_h=0.6, changeover_h=0.05, checkpoint_h=0.0)
SERVICE = Service(hours=0.6, changeover_h=0.05, downtime_usd_per_hour=1.0)
TICKS = 36
PRICES = [0.5, 0.8]


def comes_and_goes(seed: int) -> World:
    rng = np.random.default_rng(seed)
    return world_of(rng.choice([0.0, 1.0], p=[0.3, 0.7], size=(TICKS, 2)), PRICES)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    policy=st.sampled_from(["spot_greedy", "eager_failover", "on_demand", "oracle"]),
    workload=st.sampled_from([JOB, SERVICE]),
)
def test_what_lasted_is_what_was_paid(seed: int, policy: str, workload: Workload) -> None:
    world = comes_and_goes(seed)
    cell = Cell(workload, 0, TICKS, policy)
    seen = replay(world, cell)
    plain = run_cell(world, cell)
    assert (seen.result.cost_usd, seen.result.moves) == (plain.cost_usd, plain.moves)
    assert not plain.missed, "there is always time for on-demand here"
    usd = dict(zip(world.panel.names, PRICES, strict=True)) | {"on-demand": 3.0}
    paid = sum((s.end_h - s.start_h) * usd[s.place] for s in seen.spans if s.place is not None)
    assert paid == pytest.approx(plain.cost_usd)
    if workload is JOB:
        assert seen.progress[-1] == pytest.approx((seen.end_h, 0.2))


def test_a_lost_instance_leaves_nothing_until_the_next_start() -> None:
    up = [[1.0]] * 10 + [[0.0]] * 5 + [[1.0]] * 21
    seen = replay(world_of(up, [0.5]), Cell(SERVICE, 0, TICKS, "spot_greedy"))
    assert [(s.state, round(60 * s.start_h), round(60 * s.end_h)) for s in seen.spans] == [
        ("starting", 0, 3),
        ("running", 3, 10),
        ("idle", 10, 15),
        ("starting", 15, 18),
        ("running", 18, 36),
    ]
    assert seen.progress == ()
    assert seen.result.downtime_h == pytest.approx(11 / 60)


def test_both_instances_of_a_move_are_seen_until_the_new_one_takes_over() -> None:
    steps = [
        Step(0, 0.0, "start", None, "a", ""),
        Step(5, 5.0, "move", "a", "b", ""),
        Step(6, 6.0, "ready", "a", "b", ""),
    ]
    assert spans_of(steps, changeover_h=1.0, end_h=8.0) == [
        Span("a", "starting", 0.0, 1.0),
        Span("a", "running", 1.0, 6.0),
        Span("b", "starting", 5.0, 6.0),
        Span("b", "running", 6.0, 8.0),
    ]


def test_a_move_that_fails_leaves_the_old_instance() -> None:
    steps = [
        Step(0, 0.0, "start", None, "a", ""),
        Step(5, 5.0, "move", "a", "b", ""),
        Step(6, 5.5, "start failed", "b", None, ""),
    ]
    assert spans_of(steps, changeover_h=1.0, end_h=8.0)[-1] == Span("b", "starting", 5.0, 5.5)
    assert Span("a", "running", 1.0, 8.0) in spans_of(steps, changeover_h=1.0, end_h=8.0)
