"""Compiled replays and optima equal the plain ones to the last bit, and see no future."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotlab.errors import InvalidInput
from spotlab.gym import compiled_replay, kernel_loaders, oracle, oracle_kernels, replay_kernels
from spotlab.gym.clock import clock_for
from spotlab.gym.compiled_replay import run_compiled
from spotlab.gym.market import Market
from spotlab.gym.oracle import Oracle, solve_compiled
from spotlab.gym.oracle_deadline_job import JobHindsight
from spotlab.gym.oracle_service import ServiceHindsight
from spotlab.gym.policies import ORACLE, SPOTLAB, create_policy, policies_for
from spotlab.gym.simulator import simulate
from spotlab.gym.sweep_cell import Cell, run_cell
from spotlab.gym.views import STAY, Action, View
from spotlab.gym.workloads import DeadlineJob, Service, Workload
from spotlab.gym.world import World
from spotlab.processes.kernels import KernelLoader
from tests.gym.test_policies import altered_after
from tests.gym.worlds import MODEL, jobs, services, world_of, worlds

MINUTE = 1.0 / 60.0


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    """The kernels, compiled here rather than in the background."""
    replay_kernels.warm_up()
    oracle_kernels.warm_up()
    for loader in (kernel_loaders.REPLAY, kernel_loaders.ORACLE):
        assert loader.load() == ""


def windows_of(data: st.DataObject, world: World) -> list[tuple[Workload, int]]:
    """A job and a service at the end of the world, which is longer than they are."""
    workloads = (data.draw(jobs(world)), data.draw(services(world)))
    return [(workload, world.ticks - 1) for workload in workloads]


def lengthened(world: World, ticks: int) -> World:
    """The world after `ticks` other ticks."""
    before = np.roll(world.panel.available, ticks, axis=0)
    risk = world.forecasts[MODEL][0].risk
    usd = np.asarray(world.spot_usd_per_hour)
    return world_of(
        np.vstack([before, world.panel.available]),
        np.vstack([np.roll(usd, ticks, axis=0), usd]),
        on_demand=world.on_demand_usd_per_hour,
        gap_s=world.panel.gap_s,
        risk=np.vstack([np.roll(risk, ticks, axis=0), risk]),
        buckets=world.buckets,
    )


def same_in_every_figure(world: World, workload: Workload, first_tick: int, ticks: int) -> None:
    for name in policies_for(world, workload):
        window = (world, workload, first_tick, ticks)
        policy = create_policy(name, *window) if name != ORACLE else PlainOracle(*window)
        assert run_compiled(*window, name) == simulate(*window, policy), name


class PlainOracle:
    """The plan of the plain dynamic programs."""

    def __init__(self, world: World, workload: Workload, first_tick: int, ticks: int) -> None:
        clock = clock_for(workload, world.tick_h, ticks)
        market = Market(world, first_tick, clock)
        found: JobHindsight | ServiceHindsight
        if isinstance(workload, DeadlineJob):
            found = JobHindsight(market, clock)
        else:
            found = ServiceHindsight(market, clock, workload)
        self.usd, self.plan = found.usd, found.plan()

    def decide(self, view: View) -> Action:
        return self.plan.get(view.tick, STAY)


@settings(max_examples=60)
@given(st.data())
def test_every_figure_of_every_policy_is_the_same(data: st.DataObject) -> None:
    world = data.draw(worlds())
    for workload in (data.draw(jobs(world)), data.draw(services(world))):
        same_in_every_figure(lengthened(world, 3), workload, world.ticks, world.ticks)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.5, 3.0]), st.integers(0, 150))
def test_it_is_the_same_with_more_past_than_the_policy_looks_back(
    seed: int, checkpoint_h: float, first_tick: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.choice([0.0, 1.0, np.nan], p=[0.3, 0.65, 0.05], size=(300, 9))
    usd = np.round(rng.uniform(0.2, 2.5, rows.shape), 3)
    buckets = np.where(rng.random(9) < 0.3, np.nan, rng.integers(0, 5, 9))
    risk = np.where(rng.random(rows.shape) < 0.1, np.nan, rng.uniform(0, 1, rows.shape) ** 3)
    world = world_of(rows, usd, gap_s=4000.0, risk=risk, buckets=buckets)
    job = DeadlineJob(40.0, float(rng.uniform(60.0, 160.0)), 0.7, checkpoint_h)
    for workload in (job, Service(150.0, 0.4, float(rng.uniform(0.0, 4.0)))):
        same_in_every_figure(world, workload, first_tick, 150)


@settings(max_examples=60)
@given(st.data())
def test_the_optimum_and_its_plan_are_the_same(data: st.DataObject) -> None:
    world = data.draw(worlds(max_ticks=60, max_pools=4))
    for workload in (data.draw(jobs(world)), data.draw(services(world))):
        plain = PlainOracle(world, workload, 0, world.ticks)
        compiled = Oracle(world, workload, 0, world.ticks)
        assert (compiled.objective_usd, compiled._plan) == (plain.usd, plain.plan)


@settings(max_examples=30)
@given(st.data())
def test_no_input_of_a_tick_changes_with_the_future(data: st.DataObject) -> None:
    world = data.draw(worlds())
    tick = data.draw(st.integers(0, world.ticks - 2))
    other = altered_after(world, tick, np.random.default_rng(data.draw(st.integers(0, 99))))
    module = kernel_loaders.REPLAY.module
    assert module is not None
    for workload in (data.draw(jobs(world)), data.draw(services(world))):
        for name in policies_for(world, workload):
            if name == ORACLE:
                continue
            clock = clock_for(workload, world.tick_h, world.ticks)
            inputs, changed = (
                compiled_replay._arguments(
                    module, each, workload, clock, 0, name, np.zeros((0, 2), np.int16)
                )
                for each in (world, other)
            )
            assert inputs[0] == changed[0]
            for one, two in zip(inputs[1:], changed[1:], strict=True):
                per_tick = len(one) == clock.ticks and one is not inputs[6]
                rows = slice(tick + 1) if per_tick else slice(None)
                if one is not inputs[6]:
                    np.testing.assert_array_equal(one[rows], two[rows], name)


@settings(max_examples=30)
@given(st.data())
def test_a_run_does_not_change_with_what_follows_it(data: st.DataObject) -> None:
    world = data.draw(worlds())
    ticks = data.draw(st.integers(2, world.ticks - 1))
    other = altered_after(world, ticks - 1, np.random.default_rng(data.draw(st.integers(0, 99))))
    service = Service(ticks * world.tick_h, 2 * MINUTE, 3.0)
    for name in policies_for(world, service):
        assert run_compiled(world, service, 0, ticks, name) == run_compiled(
            other, service, 0, ticks, name
        ), name


def test_one_compilation_serves_all_workloads() -> None:
    world = world_of(np.ones((60, 2)), [1.0, 2.0])
    for workload in (DeadlineJob(1, 1, 0, 0), Service(1, 0, 1), DeadlineJob(0.5, 1.0, 0.1, 0.1)):
        for name in (f"{SPOTLAB}{MODEL}", "spot_greedy", ORACLE):
            assert run_compiled(world, workload, 0, 60, name) is not None
    replay_module, oracle_module = kernel_loaders.REPLAY.module, kernel_loaders.ORACLE.module
    assert replay_module is not None
    assert oracle_module is not None
    for function in (replay_module.replay, oracle_module._solve_job, oracle_module.solve_service):
        assert len(function.signatures) == 1


def test_what_cannot_run_is_refused_as_without_kernels() -> None:
    world = world_of(np.ones((60, 2)), [1.0, 1.0])
    for name, ticks, words in (
        ("no_such", 60, "There is no policy"),
        (f"{SPOTLAB}unknown", 60, "needs forecasts"),
        ("spot_greedy", 90, "not inside a trace"),
        (ORACLE, 90, "not inside a trace"),
    ):
        with pytest.raises(InvalidInput, match=words):
            run_cell(world, Cell(Service(1.0, 0.0, 1.0), 0, ticks, name))


def test_a_timeline_has_the_figures_of_the_compiled_run() -> None:
    world = world_of(np.ones((60, 2)), [1.0, 1.0])
    for name in policies_for(world, Service(1.0, 0.05, 3.0)):
        cell = Cell(Service(1.0, 0.05, 3.0), 0, 60, name)
        plain, compiled = run_cell(world, cell, timeline=True), run_cell(world, cell)
        assert plain.timeline
        assert (plain.cost_usd, plain.moves) == (compiled.cost_usd, compiled.moves)


def test_importing_the_gym_does_not_import_numba() -> None:
    code = "import sys, spotlab.gym.sweep_cell; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_solutions_wait_for_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    world, service = world_of(np.ones((60, 2)), [1.0, 1.0]), Service(1.0, 0.05, 3.0)
    for name in ("REPLAY", "ORACLE"):
        loader = KernelLoader(Path("none.py"), "none", (), when="never", instead="Slowly")
        loader.disable("nobody wants them")
        monkeypatch.setattr(compiled_replay if name == "REPLAY" else oracle, name, loader)
    assert run_compiled(world, service, 0, 60, "spot_greedy") is None
    assert solve_compiled(world, service, 0, 60) is None
    assert run_cell(world, Cell(service, 0, 60, ORACLE)).cost_usd == pytest.approx(1.0)
