"""Cells, windows and statistics of sweeps."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from spotlab.errors import InvalidInput
from spotlab.gym.results import differences, summarise
from spotlab.gym.sweep_cell import Cell, CellResult, run_cell
from spotlab.gym.windows import deadline_windows, service_windows
from spotlab.gym.workloads import DeadlineJob, Service
from spotlab.gym.world import Forecast, World
from tests.gym.worlds import world_of

JOB = DeadlineJob(0.5, 1.0, 0.05, 0.1)
SERVICE = Service(0.5, 0.05, 4.0)


def world() -> World:
    rng = np.random.default_rng(3)
    rows = np.repeat((rng.random((60, 3)) < 0.7).astype(float), 10, axis=0)
    return world_of(rows, [1.0, 1.1, 1.2])


def results(workload: DeadlineJob | Service, policies: list[str]) -> list[CellResult]:
    ticks = round(workload.length_h * 60)
    return [
        run_cell(world(), Cell(workload, first, ticks, policy))
        for policy in policies
        for first in range(0, 500, 60)
    ]


@pytest.mark.parametrize("workload", [JOB, SERVICE], ids=["job", "service"])
def test_a_cell_and_its_result_survive_pickle_and_json(workload: DeadlineJob | Service) -> None:
    cell = Cell(workload, 20, 60, "spot_greedy", 7)
    result = run_cell(world(), cell, timeline=True)
    assert pickle.loads(pickle.dumps(result)) == result
    assert CellResult.from_json(json.loads(json.dumps(result.to_json()))) == result
    assert Cell.from_json(json.loads(json.dumps(cell.to_json()))) == cell
    assert run_cell(world(), cell, timeline=True) == result


def test_the_summary_has_the_stable_keys_and_adds_up() -> None:
    rows = results(JOB, ["on_demand", "spot_greedy", "oracle"])
    found = summarise(rows)
    assert set(found) == {"workload", "windows", "blocks", "oracle", "policies"}
    assert (found["workload"], found["windows"]) == ("deadline", 9)
    figures = found["policies"]["spot_greedy"]
    assert set(figures) == {
        "cost_usd",
        "relative_to_on_demand",
        "misses",
        "moves",
        "downtime_h",
        "regret",
        "low",
        "high",
    }
    costs = {name: one["cost_usd"] for name, one in found["policies"].items()}
    assert costs["oracle"] == found["oracle"]["cost"]
    assert figures["regret"] == pytest.approx(costs["spot_greedy"] / costs["oracle"] - 1)
    assert figures["low"] <= figures["regret"] <= figures["high"]
    assert found["policies"]["oracle"]["regret"] == found["policies"]["oracle"]["high"] == 0.0
    assert found["policies"]["on_demand"]["relative_to_on_demand"] == pytest.approx(1.0)
    assert json.loads(json.dumps(found)) == found


def test_a_service_s_regret_counts_its_downtime() -> None:
    rows = results(SERVICE, ["spot_greedy", "oracle"])
    found = summarise(rows)["policies"]["spot_greedy"]
    assert found["downtime_h"] > 0.0
    worth = {
        name: sum(row.objective_usd for row in rows if row.cell.policy == name)
        for name in ("spot_greedy", "oracle")
    }
    assert found["regret"] == pytest.approx(worth["spot_greedy"] / worth["oracle"] - 1)


def test_the_order_of_results_does_not_matter_and_the_seed_does_not_move_the_value() -> None:
    rows = results(JOB, ["spot_greedy", "oracle"])
    assert summarise(rows) == summarise(rows[::-1])
    one, other = summarise(rows, seed=1), summarise(rows, seed=2)
    assert one["policies"]["spot_greedy"]["regret"] == other["policies"]["spot_greedy"]["regret"]


def test_blocks_are_drawn_as_a_whole() -> None:
    rows = results(JOB, ["spot_greedy", "oracle"])
    whole = summarise(rows, block_ticks=10_000)["policies"]["spot_greedy"]
    assert whole["low"] == pytest.approx(whole["regret"])
    assert whole["high"] == pytest.approx(whole["regret"])


def test_without_the_oracle_there_is_no_regret() -> None:
    found = summarise(results(JOB, ["spot_greedy"]))
    assert found["oracle"]["cost"] is None
    assert found["policies"]["spot_greedy"]["regret"] is None


def test_pairs_are_compared_on_the_same_windows() -> None:
    pairs = differences(results(JOB, ["on_demand", "spot_greedy", "oracle"]))
    assert [(one["first"], one["second"]) for one in pairs] == [
        ("on_demand", "oracle"),
        ("on_demand", "spot_greedy"),
        ("oracle", "spot_greedy"),
    ]
    last = pairs[-1]
    assert last["low"] <= last["cost_ratio"] <= last["high"] <= 1.0
    assert last["downtime_ratio"] is None


def test_results_that_cannot_be_compared_are_refused() -> None:
    rows = results(JOB, ["spot_greedy", "oracle"])
    with pytest.raises(InvalidInput, match="not run on the same windows"):
        summarise(rows[:-1])
    with pytest.raises(InvalidInput, match="mixed"):
        summarise([rows[0], replace(rows[0], cell=replace(rows[0].cell, workload=SERVICE))])


def test_windows_are_reproducible_and_inside_their_part() -> None:
    panel = world_of(np.ones((4000, 1)), [1.0], gap_s=195.0).panel
    windows = deadline_windows(panel, 20, 5, part=(0.5, 1.0))
    assert windows == deadline_windows(panel, 20, 5, part=(0.5, 1.0))
    assert windows != deadline_windows(panel, 20, 6, part=(0.5, 1.0))
    for one in windows:
        assert isinstance(one.workload, DeadlineJob)
        assert 52.0 <= one.workload.deadline_h <= 92.0
        assert 0.02 <= one.workload.changeover_h <= 0.4
        assert one.workload.work_h == 48.0
        assert 2000 <= one.first_tick <= one.first_tick + one.ticks <= 4000
    lives = service_windows(panel, 3, 5, hours=72.0, downtime_usd_per_hour=3.0)
    assert {one.workload.length_h for one in lives} == {72.0}


def test_a_part_that_is_too_short_is_refused() -> None:
    panel = world_of(np.ones((100, 1)), [1.0]).panel
    with pytest.raises(InvalidInput, match="is shorter than 92 h"):
        deadline_windows(panel, 3, 0)
    for n, seed, hours, words in (
        (0, 0, 1.0, "Request at least one"),
        (10**9, 0, 1.0, "Request at most 100,000"),
        (1, -3, 1.0, "The seed -3 is negative"),
        (1, 0, 0.01, "shorter than the"),
    ):
        with pytest.raises(InvalidInput, match=words):
            service_windows(panel, n, seed, hours=hours, downtime_usd_per_hour=1.0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DeadlineJob(0.0, 1.0, 0.0, 0.0), "work_h is 0"),
        (lambda: DeadlineJob(1.0, 1.0, 0.1, 0.0), "too short"),
        (lambda: Service(1.0, -0.1, 1.0), "changeover_h is -0.1"),
        (lambda: Service(1.0, 0.1, float("nan")), "downtime_usd_per_hour is nan"),
    ],
    ids=["no work", "no time", "negative", "not a number"],
)
def test_a_workload_that_cannot_be_is_refused(make: object, words: str) -> None:
    assert callable(make)
    with pytest.raises(InvalidInput, match=words):
        make()


def test_a_world_that_does_not_fit_together_is_refused() -> None:
    panel = world_of(np.ones((10, 2)), [1.0, 1.0]).panel
    with pytest.raises(InvalidInput, match=r"shape \(3,\)"):
        World(panel, np.ones(3), 3.0)
    with pytest.raises(InvalidInput, match="spot price is not a number"):
        World(panel, np.array([1.0, np.nan]), 3.0)
    with pytest.raises(InvalidInput, match="forecasts of 'm' do not match"):
        World(panel, np.ones(2), 3.0, forecasts={"m": (Forecast(1.0, np.ones((9, 2))),)})
    with pytest.raises(InvalidInput, match="buckets have the shape"):
        World(panel, np.ones(2), 3.0, np.ones(3))
