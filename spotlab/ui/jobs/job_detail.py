"""One job: its runs with their causes, and the actions run, pause and schedule."""

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
from spotlab.services.jobs import JobService
from spotlab.ui.common import errors, formatting, links, session, tables, widgets
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette
from spotlab.ui.jobs.job_table import RUN_MARKS, colour_of, seconds

RUNS_SHOWN: Final = 50
ERROR: Final = "jobs-wrong"
"""Holds the error of a click: a callback of a fragment must not show anything itself."""


def show_actions(view: JobView) -> None:
    """Shows the buttons that run, pause and reschedule a job."""
    name, may = view.job.name, _may_run_jobs()
    paused = view.setting.paused
    st.button(
        "Run now",
        type="primary",
        icon=":material/play_arrow:",
        on_click=_run,
        args=(JobService.run, name, f"{view.job.title} will run now."),
        disabled=not may or view.running is not None or view.setting.asked_at is not None,
        key="run-job",
    )
    st.button(
        "Resume" if paused else "Pause",
        icon=":material/resume:" if paused else ":material/pause:",
        on_click=_run,
        args=(
            JobService.resume if paused else JobService.pause,
            name,
            f"{view.job.title} {'is back on schedule' if paused else 'is paused'}.",
        ),
        disabled=not may,
        key="pause-job",
    )
    with st.popover("Change schedule", icon=":material/schedule:", disabled=not may):
        if may:
            _show_schedule(view)


def show_about(view: JobView) -> None:
    """Shows the job's description, the roles that may run it, and the error of the last click."""
    if (error := st.session_state.pop(ERROR, None)) is not None:
        errors.explain(error)
    st.caption(f"{view.job.about} Time limit: {formatting.age(view.job.limit_s)}.")
    if not _may_run_jobs():
        roles = ", ".join(role for role in RIGHTS if Right.RUN_JOBS in RIGHTS[role])
        st.caption(f"Roles that may run, pause and schedule jobs: {roles}.")


def _may_run_jobs() -> bool:
    return session.services().principal.may(Right.RUN_JOBS)


def _show_schedule(view: JobView) -> None:
    name = view.job.name
    st.text_input(
        "Schedule",
        value=view.schedule,
        key=f"schedule {name}",
        help="`every 10 min` (s, min, h, d), or five cron fields in UTC: `15 3 * * mon-fri`.",
    )
    st.caption(f"Default: {view.job.schedule}")
    with st.container(horizontal=True):
        st.button("Set", on_click=_reschedule, args=(name,), key="set-schedule")
        if view.setting.schedule:
            st.button(
                "Reset to default", on_click=_reset_schedule, args=(name,), key="own-schedule"
            )


def _reschedule(name: str) -> None:
    text = st.session_state[f"schedule {name}"]
    _run(lambda jobs, job: jobs.schedule(job, text), name, "The schedule is changed.")


def _reset_schedule(name: str) -> None:
    st.session_state.pop(f"schedule {name}", None)
    _run(lambda jobs, job: jobs.schedule(job, ""), name, "The job has its default schedule again.")


def _run(action: Callable[[JobService, str], object], name: str, message: str) -> None:
    """Runs an action for the present user, who may have signed out since the button was drawn."""
    try:
        action(session.services().jobs, name)
    except SpotlabError as exc:
        st.session_state[ERROR] = exc
    else:
        st.toast(formatting.plain(message))


def show_history(name: str, now: datetime, palette: Palette) -> None:
    """Shows the runs of a job, newest first."""
    jobs = session.services().jobs
    runs, total = jobs.history(name, limit=RUNS_SHOWN), jobs.count(name)
    if not runs:
        widgets.empty("This job has not run yet.", "wait for its next run, or run it now.")
        return
    columns = {
        "due_at": Column("due", tables.at(now, formatting.ago), width=95),
        "state": Column("outcome", colour=colour_of(palette), width=110),
        "took_s": Column("duration (s)", seconds, number=True, width=100),
        "result": Column("result", width="medium"),
        "cause": Column("cause", help="Why it failed, was skipped or ended.", width="medium"),
        "asked_by": Column("requested by", help="“—”: its schedule.", width=100),
        "holder": Column("process", width=150),
        "correlation_id": Column(
            "correlation id", help="Finds its lines on the Logs page.", width=120
        ),
    }
    selected = tables.show(
        _rows(runs),
        columns,
        name="Runs",
        key=f"runs {name}",
        select=("single-row", "single-cell"),
        max_rows=12,
    )
    widgets.row_count(len(runs), total, "run")
    # Without a selection, link the newest run that failed: it is the likeliest to be of interest.
    linked = selected or [at for at, run in enumerate(runs) if run.state is RunState.FAILED][:1]
    if linked:
        run = runs[linked[0]]
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
                "result": _result_text(run.result),
                "asked_by": run.asked_by or None,
                "holder": run.holder,
                "correlation_id": run.correlation_id,
            }
            for run in runs
        ]
    )


def _result_text(result: Mapping[str, Any]) -> str:
    """`decisions 24, market simulated`."""
    return ", ".join(f"{name} {value}" for name, value in result.items())
