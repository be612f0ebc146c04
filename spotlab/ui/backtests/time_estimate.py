"""How long a sweep will take, from one window timed on this machine."""

from __future__ import annotations

import math
import time
from typing import Any, Final

import streamlit as st

from spotlab.gym.policies import SPOTLAB
from spotlab.gym.sweep_cell import Cell, run_cell
from spotlab.gym.world import World
from spotlab.sweeps.plan import Sweep
from spotlab.sweeps.process_pool import cores
from spotlab.ui.common import background_tasks, session

_READY_S: Final = 3.0
"""Workers start and read their world once, whatever the number of cells."""


def cells_told(sweep: Sweep) -> str:
    """`180 cells (20 windows × 9 policies), about 2 min on 2 processes`."""
    cells = len(sweep.plan.cells)
    many = f"**{cells:,} cells** ({sweep.spec.windows:,} windows × {len(sweep.policies)} policies)"
    run = _timed(_key(sweep), sweep)
    if session.settings().dask_scheduler:
        return f"{many} on the Dask cluster"
    if not run.finished:
        _look(run)
        return f"{many}; timing one window of them…"
    if run.result is None:
        return many
    seconds = _READY_S + run.result * sweep.spec.windows / cores()
    processes = f"{cores()} process{'es' if cores() > 1 else ''}"
    models = ", once the model's forecasts are made" if sweep.models else ""
    return f"{many}, about {told(seconds)} on {processes}{models}"


def told(seconds: float) -> str:
    """`40 s`, `3 min`, `1.5 h`: rounded up, as waiting is.

    >>> told(7), told(42), told(130), told(5400)
    ('10 s', '50 s', '3 min', '1.5 h')
    """
    if seconds < 90:
        return f"{10 * max(1, math.ceil(seconds / 10))} s"
    return f"{math.ceil(seconds / 60)} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _key(sweep: Sweep) -> str:
    config: Any = sweep.plan.config
    return repr((config["traces"], config["read_as"], config["workloads"], sweep.policies))


@st.cache_resource(show_spinner=False, max_entries=16)
def _timed(key: str, _sweep: Sweep) -> background_tasks.Run[float]:
    cells = [Cell.from_json(dict(raw)) for raw in _sweep.plan.cells.values()]
    first = [cell for cell in cells if cell.first_tick == cells[0].first_tick]
    return background_tasks.start(f"timing {key[:20]}", lambda *_: _seconds(_sweep.world, first))


def _seconds(world: World, cells: list[Cell]) -> float:
    """Of one window; a policy that needs forecasts counts as the longest of the simple ones."""
    taken = {}
    for cell in cells:
        if not cell.policy.startswith(SPOTLAB):
            began = time.perf_counter()
            run_cell(world, cell)
            taken[cell.policy] = time.perf_counter() - began
    simple = [seconds for policy, seconds in taken.items() if policy != "oracle"]
    modelled = sum(cell.policy.startswith(SPOTLAB) for cell in cells)
    return sum(taken.values()) + modelled * max(simple, default=0.0)


@st.fragment(run_every=background_tasks.LOOK_EVERY_S)
def _look(run: background_tasks.Run[float]) -> None:
    if run.finished:
        st.rerun()
