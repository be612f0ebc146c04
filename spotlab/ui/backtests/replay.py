"""One window of a sweep as a timeline, with every move and its reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from spotlab.domain.availability_traces import TracePanel
from spotlab.domain.ports.backtests import SweepRecord
from spotlab.gym.policies import ORACLE, SPOTLAB
from spotlab.gym.replay import ReplayedCell
from spotlab.gym.sweep_cell import CellResult
from spotlab.gym.workloads import DeadlineJob
from spotlab.sweeps.sweep_summary import SweepFigures
from spotlab.ui import charts
from spotlab.ui.backtests import labels, replay_cache
from spotlab.ui.charts import Course
from spotlab.ui.common import formatting, tables, widgets
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette

ALONE: Final = "alone"
EVENT_LABELS: Final = {
    "start": "▶ start",
    "move": "→ move",
    "cancel": "□ move cancelled",
    "stop": "■ stop",
    "interrupted": "✕ interrupted",
    "start failed": "✕ start failed",
    "ready": "● took over",
    "done": "✓ done",
    "missed": "✕ deadline missed",
}


def choose(record: SweepRecord, figures: SweepFigures) -> dict[str, CellResult]:
    """A row of inputs, stored in the URL: window and two policies; returns their results."""
    models = record.config["models"]
    names = {name: labels.policy(name, models) for name in figures.policies}
    row = st.columns([2.4, 2, 2])
    with row[0]:
        windows = {str(n): _window_label(n, figures) for n in sorted(figures.windows)}
        number = widgets.pick_one("Window", windows, "window") or next(iter(windows))
    ordered = dict(sorted(names.items(), key=lambda item: item[0] != figures.main_policy))
    with row[1]:
        first = widgets.pick_one("Policy", ordered, "first") or figures.main_policy
    others = {name: label for name, label in names.items() if name != first}
    others = dict(sorted(others.items(), key=lambda item: item[0] != ORACLE))
    with row[2]:
        second = widgets.pick_one("Compared with", others | {ALONE: "nothing"}, "second")
    results = figures.windows[int(number)]
    return {name: results[name] for name in (first, second) if name is not None and name in results}


def _window_label(number: int, figures: SweepFigures) -> str:
    workload = next(iter(figures.windows[number].values())).cell.workload
    length = (
        f"deadline {workload.deadline_h:.1f} h"
        if isinstance(workload, DeadlineJob)
        else f"{workload.hours:g} h"
    )
    return f"{number + 1}: {length}, changeover {60 * workload.changeover_h:.0f} min"


def number_of(figures: SweepFigures, chosen: Mapping[str, CellResult]) -> int:
    """Number of the window, counted from 1."""
    return 1 + next(n for n, each in figures.windows.items() if each.items() >= chosen.items())


def headline(record: SweepRecord, figures: SweepFigures, chosen: Mapping[str, CellResult]) -> str:
    """Cost and moves of both policies in this window."""
    models = record.config["models"]
    (first, result), *others = chosen.items()
    number = number_of(figures, chosen)
    answer = f"In window {number}, {labels.policy(first, models)} {_result_text(result)}"
    for name, other in others:
        answer += f"; {labels.policy(name, models)} {_result_text(other, short=True)}"
    return answer


def _result_text(result: CellResult, *, short: bool = False) -> str:
    workload = result.cell.workload
    cost = f"{labels.usd(result.cost_usd)} USD, {formatting.count(result.moves, 'move')}"
    if isinstance(workload, DeadlineJob):
        late = "misses its deadline" if result.missed else "meets its deadline"
        return cost if short and not result.missed else f"{late}: {cost}"
    return f"{'' if short else 'costs '}{cost}, {labels.number(result.downtime_h)} h of downtime"


def show(record: SweepRecord, chosen: Mapping[str, CellResult], palette: Palette) -> None:
    """Timeline, progress and moves, once they are replayed."""
    ready = replay_cache.ready(record, chosen)
    if ready is None:
        return
    models = record.config["models"]
    ours = sum(name.startswith(SPOTLAB) for name in ready)
    short = {n: labels.policy(n, models) if ours > 1 else labels.short(n) for n in ready}
    courses = [
        Course(short[name], cell.replay.spans, cell.replay.progress) for name, cell in ready.items()
    ]
    panel = next(iter(ready.values())).panel
    workload = next(iter(chosen.values())).cell.workload
    length_h = len(panel.elapsed_h) * panel.gap_s / 3600.0
    _warn(ready)
    st.header("Where did each policy run?", anchor=False)
    st.plotly_chart(
        charts.timeline(
            spells(panel),
            courses,
            length_h=length_h,
            deadline=isinstance(workload, DeadlineJob),
            palette=palette,
        ),
        config=charts.CONFIG,
        key="replay-timeline",
        alt="Zones over time: availability, and where each policy ran",
    )
    st.caption(_small_print(panel))
    if isinstance(workload, DeadlineJob):
        st.header("Was the work done in time?", anchor=False)
        st.plotly_chart(
            charts.work_done(
                courses, work_h=workload.work_h, deadline_h=workload.deadline_h, palette=palette
            ),
            config=charts.CONFIG,
            key="replay-progress",
            alt="Work done over time, and the deadline",
        )
    st.header("Why did each policy move?", anchor=False)
    for name, cell in ready.items():
        _show_moves(labels.policy(name, models), name, cell)


def _show_moves(label: str, name: str, cell: ReplayedCell) -> None:
    frame = moves(cell)
    st.markdown(f"**{formatting.plain(label)}**: {formatting.count(len(frame), 'event')}")
    columns = {
        "time_h": Column("at (h)", lambda hours: f"{hours:.2f}", number=True, width="small"),
        "what": Column("event"),
        "origin": Column("from", help="“—”: nothing was running."),
        "target": Column("to", help="“—”: nothing runs afterwards."),
        "why": Column("reason", width="large"),
    }
    tables.show(frame, columns, name=f"Events of {label}", key=f"replay-moves {name}", max_rows=12)


def moves(cell: ReplayedCell) -> pd.DataFrame:
    """One row per event, in order."""
    return pd.DataFrame(
        [
            {
                "time_h": step.time_h,
                "what": EVENT_LABELS[step.what],
                "origin": step.origin,
                "target": step.target,
                "why": step.why,
            }
            for step in cell.replay.result.timeline
        ],
        columns=["time_h", "what", "origin", "target", "why"],
    )


def spells(panel: TracePanel) -> dict[str, list[tuple[float, float]]]:
    """Start and end of each period in which a zone was available, hours since the panel began."""
    hours = panel.gap_s / 3600.0
    by_zone = {}
    for column, name in enumerate(panel.names):
        up = np.concatenate(([False], panel.available[:, column] == 1.0, [False]))
        edges = np.flatnonzero(up[1:] != up[:-1]) * hours
        by_zone[name] = [(float(a), float(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return by_zone


def _warn(ready: Mapping[str, ReplayedCell]) -> None:
    changed = [labels.policy(name, {}) for name, cell in ready.items() if not cell.same]
    if changed:
        st.warning(
            f"The replay of {formatting.listed(changed)} differs from the stored result: the code, "
            "a model or a trace has changed since.",
            icon=":material/warning:",
        )


def _small_print(panel: TracePanel) -> str:
    text = "Light bands: the zone was available. Drag to zoom, double-click to show everything."
    if panel.started_at is None:
        return text
    ends = panel.started_at + timedelta(hours=float(panel.elapsed_h[-1] - panel.elapsed_h[0]))
    return f"{text} From {formatting.moment(panel.started_at)} to {formatting.moment(ends)}."
