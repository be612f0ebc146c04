"""The oracle is exact for the simulator, and no policy is cheaper."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotlab.gym.oracle import Oracle
from spotlab.gym.policies import policies_for
from spotlab.gym.simulator import simulate
from spotlab.gym.sweep_cell import Cell, run_cell
from spotlab.gym.workloads import DeadlineJob, Service
from tests.gym.search import least_objective
from tests.gym.worlds import jobs, services, with_egress, world_of, worlds


@settings(max_examples=30)
@given(st.data())
def test_no_policy_costs_a_job_less_than_the_oracle(data: st.DataObject) -> None:
    world = data.draw(worlds())
    job = data.draw(jobs(world))
    oracle = run_cell(world, Cell(job, 0, world.ticks, "oracle"))
    assert not oracle.missed
    for name in policies_for(world, job):
        result = run_cell(world, Cell(job, 0, world.ticks, name))
        assert not result.missed, name
        assert result.cost_usd >= oracle.cost_usd - 1e-9, name


@settings(max_examples=30)
@given(st.data())
def test_no_policy_costs_a_service_less_than_the_oracle(data: st.DataObject) -> None:
    world = data.draw(worlds())
    service = data.draw(services(world))
    oracle = run_cell(world, Cell(service, 0, world.ticks, "oracle"))
    for name in policies_for(world, service):
        result = run_cell(world, Cell(service, 0, world.ticks, name))
        assert result.objective_usd >= oracle.objective_usd - 1e-9, name


@settings(max_examples=30)
@given(st.data())
def test_replaying_the_plan_costs_what_the_program_says(data: st.DataObject) -> None:
    world = data.draw(worlds())
    for workload in (data.draw(jobs(world)), data.draw(services(world))):
        oracle = Oracle(world, workload, 0, world.ticks)
        outcome = simulate(world, workload, 0, world.ticks, oracle)
        assert outcome.objective_usd == pytest.approx(oracle.objective_usd, abs=1e-9)


@settings(max_examples=30)
@given(st.data(), st.integers(0, 99))
def test_with_egress_the_plan_costs_what_the_program_says_and_no_policy_less(
    data: st.DataObject, seed: int
) -> None:
    world = with_egress(data.draw(worlds()), seed)
    job = data.draw(jobs(world))
    oracle = Oracle(world, job, 0, world.ticks)
    outcome = simulate(world, job, 0, world.ticks, oracle)
    assert outcome.objective_usd == pytest.approx(oracle.objective_usd, abs=1e-9)
    for name in policies_for(world, job):
        result = run_cell(world, Cell(job, 0, world.ticks, name))
        assert result.cost_usd >= outcome.cost_usd - 1e-9, name


@settings(max_examples=20)
@given(st.data(), st.integers(0, 99))
def test_the_oracle_equals_the_best_of_all_schedules(data: st.DataObject, seed: int) -> None:
    world = with_egress(data.draw(worlds(max_ticks=7, max_pools=2)), seed)
    for workload in (data.draw(jobs(world)), data.draw(services(world))):
        found = Oracle(world, workload, 0, world.ticks).objective_usd
        assert found == pytest.approx(least_objective(world, workload), abs=1e-9)


def test_the_oracle_starts_the_next_instance_before_the_old_one_is_lost() -> None:
    both = np.ones((20, 2))
    both[10:, 0] = 0.0
    world = world_of(both, [1.0, 1.1], on_demand=9.0)
    result = run_cell(world, Cell(Service(20 / 60, 3 / 60, 50.0), 0, 20, "oracle"), timeline=True)
    assert result.downtime_h == pytest.approx(3 / 60)
    moves = [step for step in result.timeline if step.what == "move"]
    assert [(step.origin, step.target) for step in moves] in ([], [("zone-0", "zone-1")])


def test_a_checkpoint_interval_makes_a_doomed_pool_worth_less() -> None:
    doomed = np.ones((60, 2))
    doomed[30:, 0] = 0.0
    world = world_of(doomed, [1.0, 1.2])
    costs = [
        run_cell(world, Cell(DeadlineJob(0.6, 1.0, 0.05, every), 0, 60, "oracle")).cost_usd
        for every in (0.0, 0.5)
    ]
    assert costs[0] <= costs[1]


def test_a_job_may_be_shorter_than_the_rest_of_the_tick_of_its_changeover() -> None:
    world = world_of(np.ones((3, 1)), [1.0], gap_s=3600.0)
    cell = Cell(DeadlineJob(0.1, 3.0, 0.2, 0.0), 0, 3, "oracle")
    assert run_cell(world, cell, timeline=True).cost_usd == pytest.approx(0.3)
