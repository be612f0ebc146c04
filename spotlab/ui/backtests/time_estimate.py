"""The estimated duration of a sweep, as text."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from spotlab.processes.process_pool import core_count
from spotlab.sweeps.plan import Sweep
from spotlab.sweeps.time_estimate import sweep_seconds, time_window
from spotlab.ui.common import background_tasks, session


def describe_cells(sweep: Sweep) -> str:
    """`180 cells (20 windows × 9 policies), about 2 min on 2 processes`."""
    cells = len(sweep.plan.cells)
    size = f"**{cells:,} cells** ({sweep.spec.windows:,} windows × {len(sweep.policies)} policies)"
    run = _timed(_key(sweep), sweep)
    if session.settings().dask_scheduler:
        return f"{size} on the Dask cluster"
    if not run.finished:
        _rerun_when_timed(run)
        return f"{size}; timing one window…"
    if run.result is None:
        return size
    seconds = sweep_seconds(sweep, run.result)
    processes = f"{core_count()} process{'es' if core_count() > 1 else ''}"
    models = ", plus the time for the model's forecasts" if sweep.models else ""
    return f"{size}, about {rounded_up(seconds)} on {processes}{models}"


def rounded_up(seconds: float) -> str:
    """`40 s`, `3 min` or `1.5 h`, rounded up.

    >>> rounded_up(7), rounded_up(42), rounded_up(130), rounded_up(5400)
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
    return background_tasks.start(f"timing {key[:20]}", lambda *_: time_window(_sweep))


@st.fragment(run_every=background_tasks.LOOK_EVERY_S)
def _rerun_when_timed(run: background_tasks.Run[float]) -> None:
    if run.finished:
        st.rerun()
