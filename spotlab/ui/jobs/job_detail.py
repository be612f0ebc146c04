"""One job: what ran and why it failed; run, pause and schedule it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import pandas as pd
import streamlit as st

from spotlab.domain.access import RIGHTS, Right
from spotlab.domain.ports import JobRun, RunState
from spotlab.errors import SpotlabError
from spotlab.scheduling.overview import JobView
from spotlab.services.jobs import JobsDesk
from spotlab.ui.common import errors, formatting, links, session, tables, widgets
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette
from spotlab.ui.jobs.job_table import RUN_MARKS, colour_of, seconds

SHOWN: Final = 50
WRONG: Final = "jobs-wrong"
"""What a click failed with: a callback of a fragment must not show anything itself."""


def show_actions(view: JobView) -> None:
    """Run it now, pause it, change when it runs."""
    name, may = view.job.name, _may()
    paused = view.setting.paused
    st.button(
        "Run now",
        type="primary",
        icon=":material/play_arrow:",
        on_click=_do,
        args=(JobsDesk.run, name, f"{view.job.title} is asked for."),
        disabled=not may or view.running is not None or view.setting.asked_at is not None,
        key="run-job",
    )
    st.button(
        "Resume" if paused else "Pause",
        icon=":material/resume:" if paused else ":material/pause:",
        on_click=_do,
        args=(
            JobsDesk.resume if paused else JobsDesk.pause,
            name,
            f"{view.job.title} {'runs by its schedule again' if paused else 'is paused'}.",
        ),
        disabled=not may,
        key="pause-job",
    )
    with st.popover("Change schedule", icon=":material/schedule:", disabled=not may):
        if may:
            _show_schedule(view)


def show_about(view: JobView) -> None:
    """What it does, who may do something with it, and what the last click failed with."""
    if (wrong := st.session_state.pop(WRONG, None)) is not None:
        errors.explain(wrong)
    st.caption(f"{view.job.about} Stopped after {formatting.age(view.job.limit_s)}.")
    if not _may():
        allowed = ", ".join(role for role in RIGHTS if Right.RUN_JOBS in RIGHTS[role])
        st.caption(f"May run, pause and schedule jobs: {allowed}.")


def _may() -> bool:
    return session.desk().who.may(Right.RUN_JOBS)


def _show_schedule(view: JobView) -> None:
    name = view.job.name
    st.text_input(
        "Runs",
        value=view.schedule,
        key=f"schedule {name}",
        help="`every 10 min` (s, min, h, d), or five cron fields in UTC: `15 3 * * mon-fri`.",
    )
    st.caption(f"Its own: {view.job.schedule}")
    with st.container(horizontal=True):
        st.button("Set", on_click=_reschedule, args=(name,), key="set-schedule")
        if view.setting.schedule:
            st.button("Its own again", on_click=_own_schedule, args=(name,), key="own-schedule")


def _reschedule(name: str) -> None:
    text = st.session_state[f"schedule {name}"]
    _do(lambda jobs, job: jobs.schedule(job, text), name, "The schedule is changed.")


def _own_schedule(name: str) -> None:
    st.session_state.pop(f"schedule {name}", None)
    _do(lambda jobs, job: jobs.schedule(job, ""), name, "It has its own schedule again.")


def _do(what: Callable[[JobsDesk, str], object], name: str, said: str) -> None:
    """At a desk of now: who clicks may be signed out since the button was drawn."""
    try:
        what(session.desk().jobs, name)
    except SpotlabError as exc:
        st.session_state[WRONG] = exc
    else:
        st.toast(formatting.plain(said))


def show_history(name: str, now: datetime, palette: Palette) -> None:
    """Its runs, newest first."""
    jobs = session.desk().jobs
    runs, every = jobs.history(name, limit=SHOWN), jobs.count(name)
    if not runs:
        widgets.empty("It has not run yet.", "wait for its next run, or run it now.")
        return
    columns = {
        "due_at": Column("due", tables.at(now, formatting.ago), width=95),
        "state": Column("outcome", colour=colour_of(palette), width=110),
        "took_s": Column("took (s)", seconds, number=True, width=80),
        "result": Column("gave", width="medium"),
        "cause": Column("cause", help="Why it failed, was skipped or ended.", width="medium"),
        "asked_by": Column("asked by", help="“—”: its schedule.", width=90),
        "holder": Column("process", width=150),
        "correlation_id": Column("log id", help="Finds its lines on the Logs page.", width=120),
    }
    picked = tables.show(
        _rows(runs),
        columns,
        name="Runs",
        key=f"runs {name}",
        select=("single-row", "single-cell"),
        max_rows=12,
    )
    widgets.rows_left(len(runs), every, "run")
    # Without a selection, the newest that failed: that is the one somebody looks for.
    shown = picked or [at for at, run in enumerate(runs) if run.state is RunState.FAILED][:1]
    if shown:
        run = runs[shown[0]]
        when = formatting.ago(run.due_at, now)
        links.of_logs(run.correlation_id, f"Log lines of the run due {when} ({run.state})")


def _rows(runs: Sequence[JobRun]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "due_at": run.due_at,
                "state": RUN_MARKS[run.state],
                "took_s": run.duration_s,
                "cause": run.cause,
                "result": _said(run.result),
                "asked_by": run.asked_by or None,
                "holder": run.holder,
                "correlation_id": run.correlation_id,
            }
            for run in runs
        ]
    )


def _said(result: Mapping[str, Any]) -> str:
    """`decisions 24, market simulated`."""
    return ", ".join(f"{name} {value}" for name, value in result.items())
