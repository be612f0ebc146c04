"""Policies do not use the future, miss no deadline, and follow their rules."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotlab.errors import InvalidInput
from spotlab.gym.deadline_safety import WithSafetyNet
from spotlab.gym.policies import ORACLE, create_policy, policies_for
from spotlab.gym.simulator import Step, simulate
from spotlab.gym.sweep_cell import Cell, run_cell
from spotlab.gym.views import STAY, Action, Do, View
from spotlab.gym.workloads import DeadlineJob, Service, Workload
from spotlab.gym.world import FloatArray, Forecast, World
from tests.conftest import ROOT
from tests.gym.worlds import MODEL, jobs, services, world_of, worlds

MINUTE = 1.0 / 60.0


def altered_after(world: World, tick: int, rng: np.random.Generator) -> World:
    """A world that is the same until `tick` and different afterwards."""

    def other(rows: FloatArray, low: float, high: float) -> FloatArray:
        changed = np.array(rows)
        changed[tick + 1 :] = rng.uniform(low, high, changed[tick + 1 :].shape)
        return changed

    available = np.where(np.isnan(world.panel.available), np.nan, world.panel.available)
    future = np.round(other(available, 0.0, 1.0))
    available[tick + 1 :] = future[tick + 1 :]
    return World(
        dataclasses.replace(world.panel, available=available),
        other(world.spot_usd_per_hour, 0.1, 4.0),
        world.on_demand_usd_per_hour,
        world.buckets,
        {
            model: tuple(Forecast(one.horizon_h, other(one.risk, 0.0, 1.0)) for one in forecasts)
            for model, forecasts in world.forecasts.items()
        },
    )


def steps_until(world: World, workload: Workload, name: str, tick: int) -> list[Step]:
    result = run_cell(world, Cell(workload, 0, world.ticks, name), timeline=True)
    return [step for step in result.timeline if step.tick < tick]


@settings(max_examples=15)
@given(st.data())
def test_what_a_policy_did_does_not_change_with_the_future(data: st.DataObject) -> None:
    world = data.draw(worlds())
    tick = data.draw(st.integers(0, world.ticks - 2))
    other = altered_after(world, tick, np.random.default_rng(data.draw(st.integers(0, 99))))
    for workload in (data.draw(jobs(world)), data.draw(services(world))):
        for name in policies_for(world, workload):
            if name != ORACLE:
                assert steps_until(world, workload, name, tick) == steps_until(
                    other, workload, name, tick
                ), name


class Peeping:
    """Reads the whole buffers behind the arrays of its views."""

    def __init__(self) -> None:
        self.most_rows: list[int] = []

    def decide(self, view: View) -> Action:
        shown = [view.available, view.spot_usd_per_hour, view.forecasts[MODEL][0][1]]
        bases = [array if array.base is None else array.base for array in shown]
        self.most_rows.append(max(int((~np.isnan(base)).any(axis=1).sum()) for base in bases))
        with pytest.raises(ValueError, match="read-only"):
            view.available[0, 0] = 1.0
        return STAY


def test_the_future_is_not_in_the_arrays_however_they_are_reached() -> None:
    world = world_of(np.ones((12, 2)), [1.0, 2.0])
    policy = Peeping()
    simulate(world, Service(8 * MINUTE, 0.0, 1.0), 2, 10, policy)
    assert policy.most_rows == list(range(3, 11))


class Reckless:
    """Uses any spot pool that is up, and stops from time to time."""

    def decide(self, view: View) -> Action:
        if view.tick % 5 == 4:
            return Action(Do.STOP)
        return Action(Do.START, int(np.argmax(view.up))) if view.up.any() else STAY


@settings(max_examples=25)
@given(st.data())
def test_the_safety_net_saves_any_policy(data: st.DataObject) -> None:
    world = data.draw(worlds())
    job = data.draw(jobs(world))
    assert not simulate(world, job, 0, world.ticks, WithSafetyNet(Reckless())).missed


def only(world: World, workload: Workload, name: str) -> list[tuple[str, str | None, str | None]]:
    result = run_cell(world, Cell(workload, 0, world.ticks, name), timeline=True)
    return [(step.what, step.origin, step.target) for step in result.timeline]


def changing() -> FloatArray:
    """zone-0 is up until tick 20 and from tick 40 on, zone-1 from tick 30 on."""
    rows = np.zeros((60, 2))
    rows[:20, 0] = rows[40:, 0] = rows[30:, 1] = 1.0
    return rows


SERVICE = Service(1.0, 2 * MINUTE, 5.0)


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("on_demand", [("start", None, "on-demand")]),
        (
            "spot_greedy",
            [("start", None, "zone-0"), ("interrupted", "zone-0", None), ("start", None, "zone-1")],
        ),
        (
            "cheapest_pool",
            [
                ("start", None, "zone-0"),
                ("interrupted", "zone-0", None),
                ("start", None, "zone-1"),
                ("start", "zone-1", "zone-0"),
            ],
        ),
        (
            "lowest_advisor_bucket",
            [("start", None, "zone-0"), ("interrupted", "zone-0", None), ("start", None, "zone-1")],
        ),
        (
            "eager_failover",
            [
                ("start", None, "zone-0"),
                ("interrupted", "zone-0", None),
                ("start", None, "on-demand"),
                ("move", "on-demand", "zone-1"),
                ("ready", "on-demand", "zone-1"),
            ],
        ),
    ],
)
def test_what_each_simple_policy_does(
    name: str, steps: list[tuple[str, str | None, str | None]]
) -> None:
    world = world_of(changing(), [1.0, 1.1], buckets=np.array([2.0, 0.0]))
    assert only(world, SERVICE, name) == steps


def test_uniform_progress_takes_to_on_demand_when_behind_and_back_when_ahead() -> None:
    rows = np.zeros((120, 1))
    rows[40:] = 1.0
    job = DeadlineJob(40 * MINUTE, 2.0, 2 * MINUTE, 0.0)
    steps = only(world_of(rows, [1.0]), job, "uniform_progress_multi")
    assert steps[0] == ("start", None, "on-demand")  # behind after the first tick
    assert ("stop", "on-demand", None) in steps  # ahead by two changeovers
    assert steps[-1] == ("done", "zone-0", None)


def test_uniform_progress_keeps_a_spot_instance_until_it_is_lost() -> None:
    rows = np.ones((60, 2))
    prices = np.column_stack([np.full(60, 1.0), np.linspace(1.2, 0.2, 60)])
    job = DeadlineJob(40 * MINUTE, 1.0, 2 * MINUTE, 0.0)
    assert only(world_of(rows, prices), job, "uniform_progress_multi") == [
        ("start", None, "zone-0"),
        ("done", "zone-0", None),
    ]


def test_uniform_progress_on_one_pool_stays_with_it() -> None:
    job = DeadlineJob(20 * MINUTE, 1.0, 2 * MINUTE, 0.0)
    steps = only(world_of(changing(), [1.0, 0.5]), job, "uniform_progress")
    assert {target for _, _, target in steps} <= {None, "zone-0", "on-demand"}


def spotlab(
    risk: FloatArray, rows: FloatArray, prices: list[float], workload: Workload
) -> list[tuple[str, str | None, str | None]]:
    return only(world_of(rows, prices, risk=risk), workload, f"spotlab:{MODEL}")


def test_spotlab_prefers_a_safe_pool_to_a_slightly_cheaper_one() -> None:
    risk = np.tile([0.9, 0.01], (60, 1))
    steps = spotlab(risk, np.ones((60, 2)), [1.0, 1.01], SERVICE)
    assert steps == [("start", None, "zone-1")]


def test_spotlab_leaves_a_pool_that_becomes_dangerous_without_downtime() -> None:
    risk = np.tile([0.01, 0.02], (60, 1))
    risk[20:, 0] = 0.95
    world = world_of(np.ones((60, 2)), [1.0, 1.0], risk=risk)
    result = run_cell(world, Cell(SERVICE, 0, 60, f"spotlab:{MODEL}"), timeline=True)
    assert [(step.what, step.tick) for step in result.timeline][1] == ("move", 20)
    assert result.downtime_h == pytest.approx(2 * MINUTE)


def test_spotlab_uses_the_model_that_is_named() -> None:
    world = world_of(np.ones((60, 2)), [1.0, 1.0])
    risk = np.tile([0.9, 0.01], (60, 1))
    models = {"one": (Forecast(1.0, risk),), "two": (Forecast(1.0, risk[:, ::-1]),)}
    world = dataclasses.replace(world, forecasts=models)
    assert only(world, SERVICE, "spotlab:one")[0][2] == "zone-1"
    assert only(world, SERVICE, "spotlab:two")[0][2] == "zone-0"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such", "There is no policy 'no_such'"),
        ("spotlab:unknown", "needs forecasts of 'unknown'. Available forecasts: some-model"),
        ("uniform_progress", "needs a deadline"),
        ("lowest_advisor_bucket", "needs the advisor bucket"),
    ],
)
def test_a_policy_that_cannot_run_is_refused_by_name(name: str, words: str) -> None:
    world = world_of(np.ones((60, 2)), [1.0, 1.0])
    with pytest.raises(InvalidInput, match=words):
        create_policy(name, world, SERVICE, 0, 60)


def test_all_means_what_fits_the_world_and_the_workload() -> None:
    plain = world_of(np.ones((60, 1)), [1.0])
    named = world_of(np.ones((60, 1)), [1.0], buckets=np.array([1.0]))
    assert "lowest_advisor_bucket" not in policies_for(plain, SERVICE)
    assert policies_for(named, DeadlineJob(0.5, 1.0, 0.0, 0.0)) == (
        "on_demand",
        "spot_greedy",
        "cheapest_pool",
        "lowest_advisor_bucket",
        "eager_failover",
        "uniform_progress",
        "uniform_progress_multi",
        f"spotlab:{MODEL}",
        "oracle",
    )


def test_the_page_lists_every_policy() -> None:
    page = (ROOT / "docs" / "backtests.md").read_text()
    world = world_of(np.ones((60, 1)), [1.0], buckets=np.array([1.0]))
    for name in policies_for(world, DeadlineJob(0.5, 1.0, 0.0, 0.0)):
        assert f"`{name.replace(MODEL, 'MODEL')}`" in page


def test_spotlab_waits_out_a_short_shortage_and_bridges_a_long_one_on_demand() -> None:
    for gap, expected in ((2, []), (30, ["on-demand"])):
        rows = np.ones((60, 1))
        rows[10 : 10 + gap] = 0.0
        world = world_of(rows, [1.0], risk=np.full((60, 1), 0.05))
        steps = only(world, SERVICE, f"spotlab:{MODEL}")
        assert [target for what, _, target in steps if target == "on-demand"] == expected
        assert steps[-1][2] == "zone-0"


def test_spotlab_waits_for_cheap_hours_while_there_is_time() -> None:
    hours = 60
    prices = np.tile(np.repeat([[1.0], [2.0]], 6, axis=0), (hours // 12 + 1, 1))[:hours]
    world = world_of(np.ones((hours, 1)), prices, gap_s=3600.0, risk=np.zeros((hours, 1)))
    job = DeadlineJob(8.0, 36.0, 0.0, 0.0)
    cell = Cell(job, 24, 36, f"spotlab:{MODEL}")
    assert run_cell(world, cell).cost_usd == pytest.approx(10.0)
    assert run_cell(world, dataclasses.replace(cell, policy="oracle")).cost_usd == 8.0


def test_spotlab_comes_back_from_on_demand_with_time_in_hand() -> None:
    rows = np.zeros((120, 1))
    rows[60:] = 1.0
    job = DeadlineJob(60 * MINUTE, 2.0, 2 * MINUTE, 0.0)
    world = world_of(rows, [1.0], risk=np.full((120, 1), 0.05))
    steps = only(world, job, f"spotlab:{MODEL}")
    assert steps[0] == ("start", None, "on-demand")
    assert ("move", "on-demand", "zone-0") in steps
    assert steps[-1] == ("done", "zone-0", None)


def test_spotlab_takes_the_horizon_nearest_to_three_hours() -> None:
    world = world_of(np.ones((60, 2)), [1.0, 1.0])
    safe_first, safe_last = np.tile([0.01, 0.9], (60, 1)), np.tile([0.9, 0.01], (60, 1))
    forecasts = (Forecast(0.25, safe_first), Forecast(2.0, safe_last), Forecast(24.0, safe_first))
    world = dataclasses.replace(world, forecasts={MODEL: forecasts})
    assert only(world, SERVICE, f"spotlab:{MODEL}")[0][2] == "zone-1"
