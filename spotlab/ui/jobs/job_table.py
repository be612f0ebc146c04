"""How the jobs stand, who runs them, and which processes there are."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import pandas as pd

from spotlab.domain.ports import ProcessInfo, RunState
from spotlab.scheduling.overview import JobsOverview, JobView, Leader, Standing
from spotlab.ui.common import formatting, tables
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette

MARKS: Final = {
    Standing.ON_SCHEDULE: "● on schedule",
    Standing.RUNNING: "▶ running",
    Standing.FAILED: "■ failed",
    Standing.LATE: "▲ late",
    Standing.PAUSED: "○ paused",
}
RUN_MARKS: Final = {
    RunState.RUNNING: "▶ running",
    RunState.DONE: "● done",
    RunState.FAILED: "■ failed",
    RunState.TIMED_OUT: "■ timed out",
    RunState.CANCELLED: "○ cancelled",
    RunState.LOST: "■ lost",
    RunState.SKIPPED: "▲ skipped",
}


def colour_of(palette: Palette) -> Any:
    """The colour of a mark, by its shape."""
    colours = {"●": palette.good, "▶": palette.move, "■": palette.bad, "▲": palette.warn}
    return lambda text: colours.get(str(text)[:1], palette.quiet)


def headline(seen: JobsOverview) -> str:
    """Do the jobs run?"""
    if seen.leader is None:
        return f"0 of {formatting.count(len(seen.jobs), 'job')} run: no process leads"
    well = sum(view.well for view in seen.jobs)
    paused = sum(view.standing is Standing.PAUSED for view in seen.jobs)
    found = f"{well} of {formatting.count(len(seen.jobs), 'job')} on schedule"
    if paused and well + paused == len(seen.jobs):
        found += ", the others paused"
    led = f"{named(seen.leader)} has led for {formatting.age(_age_s(seen.leader.since, seen.at))}"
    coming = seen.upcoming
    after = f"; next: {coming.job.title}, {until(coming.next_at, seen.at)}" if coming else ""
    return f"{found}; {led}{after}"


def small_print(seen: JobsOverview) -> str:
    """What the headline leaves out."""
    if seen.leader is None:
        return (
            "An app server with SPOTLAB_SCHEDULER=on or a `spotlab worker` takes the lead within "
            "seconds. What is due meanwhile waits, or is skipped when it gets too late."
        )
    return "Looked at just now; again when a run begins or ends, and every 30 s. Times are UTC."


def named(leader: Leader) -> str:
    """The leader for a person: its role and where it runs."""
    return named_process(leader.process) if leader.process else leader.holder


def named_process(process: ProcessInfo) -> str:
    """`worker on host-a (pid 12)`."""
    return f"{process.role} on {process.host} (pid {process.pid})"


def until(then: datetime | None, now: datetime) -> str:
    """`in 12 s`; `due now`; `—` where nothing is planned."""
    if then is None:
        return formatting.UNKNOWN
    left_s = (then - now).total_seconds()
    return f"in {formatting.age(left_s)}" if left_s >= 1 else "due now"


def seconds(value: float) -> str:
    """`0.04`, `5.3`, `1,024.0`: below a second two digits.

    >>> seconds(0.043), seconds(5.31)
    ('0.04', '5.3')
    """
    return f"{value:,.2f}" if value < 1 else f"{value:,.1f}"


def runs(schedule: str) -> str:
    """A schedule as it is written, but an hour of every day in words.

    >>> runs("40 3 * * *"), runs("every 5 min"), runs("15 3 * * mon-fri")
    ('daily at 03:40', 'every 5 min', '15 3 * * mon-fri')
    """
    minute, hour, *days = schedule.split() if schedule.count(" ") == 4 else ("", "")
    if minute.isdecimal() and hour.isdecimal() and days == ["*"] * 3:
        return f"daily at {int(hour):02}:{int(minute):02}"
    return schedule


def show_jobs(seen: JobsOverview, palette: Palette) -> None:
    """A row a job."""
    columns = {
        "title": Column("job", width=190),
        "standing": Column("state", colour=colour_of(palette), width=125),
        "schedule": Column("runs", width=110, help="In UTC; * where it was changed."),
        "last_at": Column(
            "last run", tables.at(seen.at, formatting.ago), "When it began. — : never.", width=95
        ),
        "took_s": Column("took (s)", seconds, number=True, width=80),
        "next": Column("next run", help="— : paused, or at the next start.", width=95),
        "cause": Column("remark", width="large"),
    }
    tables.show(_rows(seen), columns, name="Scheduled jobs", key="jobs", max_rows=20)


def _rows(seen: JobsOverview) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "title": view.job.title,
                "standing": MARKS[view.standing],
                "schedule": runs(view.schedule) + ("*" if view.setting.schedule else ""),
                "last_at": view.last.started_at if view.last else None,
                "took_s": view.last.duration_s if view.last else None,
                "next": _next(view, seen.at),
                "cause": _cause(view, seen.at),
            }
            for view in seen.jobs
        ]
    )


def _next(view: JobView, now: datetime) -> str:
    if view.setting.asked_at is not None:
        return "asked for"
    return until(view.next_at, now)


def _cause(view: JobView, now: datetime) -> str:
    if view.running is not None and view.running.started_at is not None:
        since = f"Runs for {formatting.age(_age_s(view.running.started_at, now))}."
        asked = f" {view.running.asked_by} asked for it." if view.running.asked_by else ""
        return since + asked
    return view.last.cause if view.last else ""


def show_processes(seen: JobsOverview, palette: Palette) -> None:
    """A row a process."""
    leads = seen.leader.holder if seen.leader else ""
    rows = [
        {
            "role": each.role,
            "state": "▲ gone" if seen.is_gone(each) else "● here",
            "leads": "leads" if each.process_id == leads else "",
            "host": each.host,
            "pid": str(each.pid),
            "version": each.version,
            "started_at": each.started_at,
            "seen_at": each.seen_at,
        }
        for each in seen.processes
    ]
    columns = {
        "role": Column("process", width="small"),
        "state": Column("state", colour=colour_of(palette), width="small"),
        "leads": Column("leads", width="small"),
        "host": Column("host", width="medium"),
        "pid": Column("pid", number=True, width="small"),
        "version": Column("version", width="small"),
        "started_at": Column("started", tables.at(seen.at, formatting.ago), width="small"),
        "seen_at": Column("last seen", tables.at(seen.at, formatting.ago), width="small"),
    }
    frame = pd.DataFrame(rows, columns=list(columns))
    tables.show(frame, columns, name="Processes", key="processes")


def _age_s(since: datetime, now: datetime) -> float:
    return (now - since).total_seconds()
