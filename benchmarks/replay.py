"""Replays of policies and optima in hindsight, compared with plain ways to compute them.

    python -m benchmarks replay [--json]

A job of 48 h of work with a deadline of 72 h on nine zones, 1,329 ticks of 195 s. The peers are
written in `_step_loops`. "Published stepping" is the way of the simulators of "Can't Be Late" and
SkyNomad: a step appends to lists and dicts. SpotLab runs 50 windows; the CPU time of one is shown,
since a peer that takes ten times as long is interrupted more often by whatever else runs. The
artefact of SkyNomad states 2.5 runs per second and core for its own simulator.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from benchmarks._comparison import Row, compare, show
from benchmarks._step_loops import plain_loop, published_stepping, value_iteration
from benchmarks.sweeps import JOB, synthetic_world
from spotlab.gym.clock import clock_for
from spotlab.gym.compiled_replay import run_compiled
from spotlab.gym.kernel_loaders import ORACLE, REPLAY
from spotlab.gym.oracle import Oracle
from spotlab.gym.policies import create_policy
from spotlab.gym.simulator import simulate
from spotlab.gym.sweep_cell import Cell, run_cell
from spotlab.gym.views import View
from spotlab.gym.world import Forecast, World

STATED_S = 0.4
WINDOWS = 50
SIMPLE = (
    "on_demand",
    "spot_greedy",
    "cheapest_pool",
    "lowest_advisor_bucket",
    "eager_failover",
    "uniform_progress",
    "uniform_progress_multi",
)
SPOTLAB = "spotlab:any"


def world_with_forecasts() -> World:
    """Nine zones with forecasts of 3 h and advisor buckets."""
    world = synthetic_world()
    rng = np.random.default_rng(1)
    risk = Forecast(3.0, rng.uniform(0.0, 0.5, world.panel.available.shape))
    return replace(world, buckets=np.arange(9.0) % 5, forecasts={"any": (risk,)})


def main(json: str = "") -> None:
    """Print a row for each policy and for the optimum."""
    for loader in (REPLAY, ORACLE):
        if reason := loader.load():
            print(f"replay: skipped, no compiled kernels: {reason}")
            return
    world, first = world_with_forecasts(), 2000
    ticks = round(JOB.deadline_h / world.tick_h)
    rows = slice(first, first + ticks)
    up, usd = world.up[rows].tolist(), world.usd[rows].tolist()
    job_s = (3600.0 * JOB.work_h, 3600.0 * JOB.deadline_h, 3600.0 * JOB.changeover_h)
    trace = (up, usd, 3600.0 * world.tick_h, job_s)

    def run(name: str) -> None:
        for start in range(first, first + WINDOWS):
            assert run_compiled(world, JOB, start, ticks, name) is not None, name

    def run_plain(name: str) -> float:
        policy = create_policy(name, world, JOB, first, ticks)
        return simulate(world, JOB, first, ticks, policy).cost_usd

    def side_by_side(name: str, peer: str, theirs: Callable[[], object], target: float) -> Row:
        ours = partial(run, name)
        row = compare(name, ours, peer, theirs, None, clock=time.process_time)
        return _of_one_window(row, target)

    loop, published = partial(plain_loop, *trace), partial(published_stepping, *trace)
    loop_ticks = plain_loop(*trace)[1]
    shown = []
    for name in (*SIMPLE, SPOTLAB):
        row = side_by_side(name, "plain loop", loop, 0.0)
        most_us = 1.0 if name == SPOTLAB else 0.1
        shown.append(_per_tick(row, _ticks_of(world, first, ticks, name), loop_ticks, most_us))
    for name in ("spot_greedy", SPOTLAB):
        shown.append(side_by_side(name, "published stepping", published, 1000.0))
        plain = partial(run_plain, name)
        shown.append(side_by_side(name, "plain replay", plain, 0.0))
    shown += _optima(world, first, ticks)
    fastest = next(row for row in shown if row.peer == "published stepping")
    shown.append(
        Row(
            "runs per second and core, spot_greedy",
            fastest.ours_s,
            "SkyNomad, as stated",
            STATED_S,
            STATED_S / fastest.ours_s,
            1.0,
            fastest.ours_s < STATED_S,
        )
    )
    show(shown, bool(json))


def _of_one_window(row: Row, target: float) -> Row:
    """The row with SpotLab's time per window; 0 is no target."""
    ours_s = row.ours_s / WINDOWS
    ratio = row.peer_s / ours_s
    wanted, reached = (target, ratio >= target) if target else (None, None)
    return replace(row, ours_s=ours_s, ratio=ratio, target=wanted, reached=reached)


def _per_tick(row: Row, ticks: int, peer_ticks: int, most_us: float) -> Row:
    """The row per tick; the target is the ratio that `most_us` would be."""
    ours_s, peer_s = row.ours_s / ticks, row.peer_s / peer_ticks
    ratio, target = peer_s / ours_s, peer_s * 1e6 / most_us
    what = f"{row.what}, {ours_s * 1e6:.3f} µs per tick"
    return Row(what, ours_s, row.peer, peer_s, ratio, target, ratio >= target)


def _ticks_of(world: World, first: int, ticks: int, name: str) -> int:
    """Number of ticks until the job is done."""
    seen: list[View] = []
    run_cell(world, Cell(JOB, first, ticks, name), watch=seen.append)
    return len(seen)


def _optima(world: World, first: int, ticks: int) -> list[Row]:
    clock = clock_for(JOB, world.tick_h, ticks)
    rows = slice(first, first + ticks)
    on_demand = np.full((ticks, 1), world.on_demand_usd_per_hour)
    up = np.hstack([world.up[rows], on_demand > 0.0])
    usd = np.hstack([world.usd[rows], on_demand])

    def iterate() -> float:
        cost, _ = value_iteration(up, usd, clock.per_tick, clock.work, clock.changeover)
        return cost * clock.quantum_h

    def solve() -> float:
        return Oracle(world, JOB, first, ticks).objective_usd

    assert abs(iterate() / solve() - 1.0) < 1e-9
    return [
        compare("optimum of a job, with its plan", solve, "numpy value iteration", iterate, 20.0, 5)
    ]
