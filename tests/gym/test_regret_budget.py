"""On streams that nobody saw, SpotLab stays near spot-greedy, whatever its forecasts say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from spotlab.gym import regret_budget as budget
from spotlab.gym.sweep_cell import Cell, CellResult, run_cell
from spotlab.gym.workloads import DeadlineJob, Service, Workload
from spotlab.gym.world import FloatArray
from tests.gym.worlds import MODEL, world_of

TICKS, POOLS, GAP_S = 1000, 4, 300.0
CHANGEOVER_H, DOWNTIME_USD, PRICES = 0.2, 3.0, [1.0, 1.02, 1.04, 1.06]
HOURS = TICKS * GAP_S / 3600.0
SERVICE = Service(HOURS, CHANGEOVER_H, DOWNTIME_USD)
JOB = DeadlineJob(48.0, 72.0, CHANGEOVER_H, 0.0)

Stream = Callable[[np.random.Generator], FloatArray]


def spells(rng: np.random.Generator, up_ticks: float, down_ticks: float) -> FloatArray:
    """Pools that come and go independently."""
    rows = np.empty((TICKS, POOLS))
    rows[0] = rng.random(POOLS) < up_ticks / (up_ticks + down_ticks)
    for tick in range(1, TICKS):
        changes = rng.random(POOLS) < np.where(rows[tick - 1] == 1.0, 1 / up_ticks, 1 / down_ticks)
        rows[tick] = np.where(changes, 1.0 - rows[tick - 1], rows[tick - 1])
    return rows


def bursts(rng: np.random.Generator) -> FloatArray:
    """Long calm, then an hour in which every pool comes and goes within minutes."""
    rows, wild = spells(rng, 200.0, 10.0), spells(rng, 2.0, 2.0)
    for first in rng.integers(0, TICKS - 12, 12):
        rows[first : first + 12] = wild[first : first + 12]
    return rows


def alternating(rng: np.random.Generator) -> FloatArray:
    """Two pools that are up in turn, for half an hour each, beside two that come and go."""
    rows = spells(rng, 20.0, 40.0)
    turn = (np.arange(TICKS) // 6) % 2
    rows[:, 0], rows[:, 1] = turn, 1 - turn
    return rows


def one_dies(rng: np.random.Generator) -> FloatArray:
    """The best pool is lost for good after a third of the time."""
    rows = spells(rng, 60.0, 10.0)
    rows[: TICKS // 3, 0], rows[TICKS // 3 :, 0] = 1.0, 0.0
    return rows


def all_out(rng: np.random.Generator) -> FloatArray:
    """No pool is up for six hours, twice."""
    rows = spells(rng, 60.0, 10.0)
    for first in (TICKS // 4, TICKS // 2):
        rows[first : first + 72] = 0.0
    return rows


def minutes(rng: np.random.Generator) -> FloatArray:
    """All pools come and go within minutes, all the time."""
    return spells(rng, 4.0, 6.0)


STREAMS: tuple[Stream, ...] = (bursts, alternating, one_dies, all_out, minutes)
FORECASTS = ("random", "inverted", "right", "certain", "changing")


def risks(kind: str, rows: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Forecasts: worthless, the opposite of what follows, what follows, and so on."""
    ahead = 12
    lost = np.array([(rows[t : t + ahead] != 1.0).any(axis=0) for t in range(len(rows))])
    if kind == "right":
        return np.where(lost, 0.9, 0.05)
    if kind == "inverted":
        return np.where(lost, 0.05, 0.9)
    if kind == "certain":
        return np.full(rows.shape, 0.99)
    if kind == "changing":
        return np.where((np.arange(len(rows))[:, None] + np.arange(POOLS)) % 4 == 0, 0.01, 0.95)
    return rng.random(rows.shape)


def run(stream: Stream, kind: str, workload: Workload, seed: int) -> tuple[CellResult, CellResult]:
    """SpotLab's policy and spot-greedy on the same stream."""
    rng = np.random.default_rng(seed)
    rows = stream(rng)
    world = world_of(rows, PRICES, gap_s=GAP_S, risk=risks(kind, rows, rng))
    names = (f"spotlab:{MODEL}", "spot_greedy")
    return tuple(run_cell(world, Cell(workload, 0, TICKS, name)) for name in names)  # type: ignore[return-value]


INTERRUPTION_USD = CHANGEOVER_H * (1.03 + DOWNTIME_USD)


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("kind", FORECASTS)
def test_a_service_never_costs_more_than_its_budget_above_spot_greedy(
    stream: Stream, kind: str
) -> None:
    for seed in range(2):
        spotlab, greedy = run(stream, kind, SERVICE, seed)
        # The budget, the action that exhausts it, and the move to where spot-greedy is.
        constant = (budget.EXTRA_INTERRUPTIONS + 2.0) * INTERRUPTION_USD
        bound = (1.0 + budget.EXTRA_SHARE) * greedy.objective_usd + constant
        assert spotlab.objective_usd <= bound, seed


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("kind", FORECASTS)
@pytest.mark.parametrize("workload", [SERVICE, JOB], ids=["service", "job"])
def test_moves_that_nothing_enforces_are_limited_by_the_starts_of_spot_greedy(
    stream: Stream, kind: str, workload: Workload
) -> None:
    rng = np.random.default_rng(5)
    rows = stream(rng)
    world = world_of(rows, PRICES, gap_s=GAP_S, risk=risks(kind, rows, rng))
    cell = Cell(workload, 0, TICKS, f"spotlab:{MODEL}")
    steps = run_cell(world, cell, timeline=True).timeline
    greedy = run_cell(world, Cell(workload, 0, TICKS, "spot_greedy"), timeline=True).timeline
    share = budget.MOVES_SHARE if workload is SERVICE else budget.JOB_MOVES_SHARE
    starts = 0
    for step in steps:
        if step.what in {"start", "move"}:
            starts += 1
        if step.what == "move" and "saves" in step.why:
            before = sum(one.what in {"start", "move"} and one.tick < step.tick for one in greedy)
            assert starts <= share * before + budget.EXTRA_STARTS


@pytest.mark.parametrize("stream", STREAMS)
def test_a_job_is_done_in_time_and_a_worthless_forecast_costs_it_little(stream: Stream) -> None:
    total, total_greedy = 0.0, 0.0
    for seed in range(2):
        spotlab, greedy = run(stream, "random", JOB, seed)
        assert not spotlab.missed
        total, total_greedy = total + spotlab.cost_usd, total_greedy + greedy.cost_usd
    assert total <= 1.1 * total_greedy


def test_a_forecast_that_is_right_saves_downtime() -> None:
    spotlab, greedy = run(one_dies, "right", SERVICE, 1)
    assert spotlab.downtime_h < 0.7 * greedy.downtime_h
    assert spotlab.objective_usd < greedy.objective_usd


def test_a_forecast_that_fails_loses_its_say() -> None:
    rng = np.random.default_rng(2)
    rows = bursts(rng)
    world = world_of(rows, PRICES, gap_s=GAP_S, risk=risks("changing", rows, rng))
    cell = Cell(SERVICE, 0, TICKS, f"spotlab:{MODEL}")
    moves = [one for one in run_cell(world, cell, timeline=True).timeline if one.what == "move"]
    assert any("as spot-greedy" in move.why for move in moves) or len(moves) < 20


def test_a_service_is_not_put_on_demand_where_downtime_is_worth_less() -> None:
    rows = np.zeros((60, 1))
    rows[:10] = rows[50:] = 1.0
    for usd, expected in ((2.9, False), (3.1, True)):
        world = world_of(rows, [1.0], risk=np.full((60, 1), 0.05))
        cell = Cell(Service(1.0, 2 / 60, usd), 0, 60, f"spotlab:{MODEL}")
        steps = run_cell(world, cell, timeline=True).timeline
        assert any(step.target == "on-demand" for step in steps) is expected
