"""How long a sweep will take, from one window that is timed on this machine."""

from __future__ import annotations

import time
from typing import Final

from spotlab.gym.policies import ORACLE, SPOTLAB
from spotlab.gym.sweep_cell import Cell, run_cell
from spotlab.processes.process_pool import core_count
from spotlab.sweeps.plan import Sweep

_START_S: Final = 3.0
"""Time until the workers have started and read their world, whatever the number of cells."""


def time_window(sweep: Sweep) -> float:
    """Seconds that one process needs for the first window, measured by running it.

    A policy that needs forecasts counts as the slowest of the simple policies.
    """
    cells = [Cell.from_json(dict(raw)) for raw in sweep.plan.cells.values()]
    first_window = [cell for cell in cells if cell.first_tick == cells[0].first_tick]
    seconds = {}
    for cell in first_window:
        if not cell.policy.startswith(SPOTLAB):
            started = time.perf_counter()
            run_cell(sweep.world, cell)
            seconds[cell.policy] = time.perf_counter() - started
    slowest = max((each for name, each in seconds.items() if name != ORACLE), default=0.0)
    return sum(seconds.values()) + slowest * (len(first_window) - len(seconds))


def sweep_seconds(sweep: Sweep, window_s: float) -> float:
    """Seconds that the whole sweep will take on the cores of this machine."""
    return _START_S + window_s * sweep.spec.windows / core_count()
