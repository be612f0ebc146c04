"""Cells of a backtest per second: a plain loop, processes, and a Dask cluster on this machine.

    python -m benchmarks sweeps

All run the same cells and must return the same results. The time includes starting the processes or
the cluster, so that ratios are those of the user's waiting time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from spotlab.domain.availability_traces import TracePanel
from spotlab.gym.sweep_cell import Cell, run_cell
from spotlab.gym.workloads import DeadlineJob
from spotlab.gym.world import World
from spotlab.processes.dask_pool import DaskWorkers
from spotlab.processes.process_pool import ProcessWorkers, Workers, core_count

GAP_S = 195.0
POOLS = 9
POLICIES = ("on_demand", "spot_greedy", "eager_failover", "uniform_progress_multi", "oracle")
JOB = DeadlineJob(work_h=48.0, deadline_h=72.0, changeover_h=0.2, checkpoint_h=0.0)
Results = dict[str, dict[str, Any]]


def synthetic_world(days: int = 20, seed: int = 7) -> World:
    """A world of pools whose capacity is lost and regained at random times."""
    rng = np.random.default_rng(seed)
    ticks = int(days * 86400 / GAP_S)
    flips = rng.random((ticks, POOLS)) < 0.005
    panel = TracePanel(
        names=tuple(f"pool {number}" for number in range(POOLS)),
        pools=(None,) * POOLS,
        started_at=None,
        elapsed_h=np.arange(ticks) * GAP_S / 3600.0,
        available=(np.cumsum(flips, axis=0) % 2 == 0).astype(np.float64),
        gap_s=GAP_S,
        sources=("made up",) * POOLS,
    )
    return World(panel, rng.uniform(0.8, 1.2, POOLS), 3.0)


def synthetic_cells(world: World, windows: int) -> dict[str, dict[str, Any]]:
    """Every policy in windows spread over the whole world."""
    length = round(JOB.deadline_h / world.tick_h)
    starts = np.linspace(0, world.ticks - length, windows).astype(int).tolist()
    return {
        f"{start} {policy}": Cell(JOB, start, length, policy).to_json()
        for start in starts
        for policy in POLICIES
    }


def run_one(world: World, cell: Mapping[str, Any]) -> dict[str, Any]:
    """Run one cell."""
    return run_cell(world, Cell.from_json(dict(cell))).to_json()


def run_in_loop(world: World, cells: Mapping[str, Any]) -> Results:
    """Run the cells one after the other."""
    return {key: run_one(world, cell) for key, cell in cells.items()}


def run_on(workers: Workers) -> Callable[[World, Mapping[str, Any]], Results]:
    """A function that runs cells on workers."""

    def run(world: World, cells: Mapping[str, Any]) -> Results:
        results: Results = {}
        failed = workers.run(run_one, world, cells, results.__setitem__, lambda: False)
        assert not failed, failed
        return results

    return run


def run_on_dask(world: World, cells: Mapping[str, Any]) -> Results:
    """Run the cells on a new cluster."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=core_count(),
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
    ) as cluster:
        return run_on(DaskWorkers(cluster.scheduler_address))(world, cells)


def main(windows: int = 16) -> None:
    """Print cells per second and ratios."""
    world = synthetic_world()
    cells = synthetic_cells(world, windows)
    print(f"backtest sweep, {len(cells)} cells, {core_count()} cores")
    expected: Results = {}
    slowest = 0.0
    for name, run in {
        "plain loop": run_in_loop,
        f"{core_count()} processes": run_on(ProcessWorkers()),
        "Dask cluster": run_on_dask,
    }.items():
        started = time.perf_counter()
        results = run(world, cells)
        seconds = time.perf_counter() - started
        expected = expected or results
        slowest = slowest or seconds
        assert results == expected, name
        print(f"  {name:14}{len(cells) / seconds:8.1f} cells/s   {slowest / seconds:5.2f} x")
