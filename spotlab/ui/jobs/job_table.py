"""Headline, table of jobs and table of processes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import pandas as pd

from spotlab.domain.ports import RunState
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
    """The colour of a mark, by its shape: a function of the cell's text."""
    colours = {"●": palette.good, "▶": palette.move, "■": palette.bad, "▲": palette.warn}
    return lambda text: colours.get(str(text)[:1], palette.quiet)


def headline(overview: JobsOverview) -> str:
    """How many jobs are on schedule, which process leads, and which job is next."""
    jobs = formatting.count(len(overview.jobs), "job")
    if overview.leader is None:
        return f"0 of {jobs} running: no process is the leader"
    on_schedule = sum(view.is_on_schedule for view in overview.jobs)
    paused = sum(view.standing is Standing.PAUSED for view in overview.jobs)
    sentence = f"{on_schedule} of {jobs} on schedule"
    if paused and on_schedule + paused == len(overview.jobs):
        sentence += ", the others paused"
    led_for = formatting.age(_age_s(overview.leader.since, overview.at))
    sentence += f"; {leader_name(overview.leader)} has been the leader for {led_for}"
    if (upcoming := overview.upcoming) is not None:
        sentence += f"; next: {upcoming.job.title}, {until(upcoming.next_at, overview.at)}"
    return sentence


def small_print(overview: JobsOverview) -> str:
    """When the page refreshes; without a leader, what starts the jobs."""
    if overview.leader is None:
        return (
            "An app server with SPOTLAB_SCHEDULER=on or a `spotlab worker` becomes the leader "
            "within seconds. Jobs that become due by then wait, or are skipped if too late."
        )
    return "Refreshes when a run begins or ends, and every 30 s. Times are UTC."


def leader_name(leader: Leader) -> str:
    """`worker on host-a (pid 12)`; the process id of a leader without heartbeats."""
    process = leader.process
    if process is None:
        return leader.holder
    return f"{process.role} on {process.host} (pid {process.pid})"


def until(then: datetime | None, now: datetime) -> str:
    """`in 12 s`; `due now`; `—` if nothing is planned."""
    if then is None:
        return formatting.UNKNOWN
    wait_s = (then - now).total_seconds()
    return f"in {formatting.age(wait_s)}" if wait_s >= 1 else "due now"


def seconds(value: float) -> str:
    """Seconds with one digit, two below one second.

    >>> seconds(0.043), seconds(5.31)
    ('0.04', '5.3')
    """
    return f"{value:,.2f}" if value < 1 else f"{value:,.1f}"


def schedule_text(schedule: str) -> str:
    """A schedule as it is written, except that a daily cron line becomes `daily at HH:MM`.

    >>> [schedule_text(each) for each in ("40 3 * * *", "every 5 min", "15 3 * * mon-fri")]
    ['daily at 03:40', 'every 5 min', '15 3 * * mon-fri']
    """
    minute, hour, *days = schedule.split() if schedule.count(" ") == 4 else ("", "")
    if minute.isdecimal() and hour.isdecimal() and days == ["*"] * 3:
        return f"daily at {int(hour):02}:{int(minute):02}"
    return schedule


def show_jobs(overview: JobsOverview, palette: Palette) -> None:
    """Shows one row per job."""
    columns = {
        "title": Column("job", width=190),
        "standing": Column("state", colour=colour_of(palette), width=125),
        "schedule": Column("schedule", width=110, help="In UTC; a final * means it was changed."),
        "last_at": Column(
            "last run",
            tables.at(overview.at, formatting.ago),
            "When it began. “—”: never.",
            width=95,
        ),
        "took_s": Column("duration (s)", seconds, number=True, width=100),
        "next": Column("next run", help="“—”: paused, or at the next start.", width=95),
        "cause": Column("remark", width="large"),
    }
    tables.show(_rows(overview), columns, name="Scheduled jobs", key="jobs", max_rows=20)


def _rows(overview: JobsOverview) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "title": view.job.title,
                "standing": MARKS[view.standing],
                "schedule": schedule_text(view.schedule) + ("*" if view.setting.schedule else ""),
                "last_at": view.last.started_at if view.last else None,
                "took_s": view.last.duration_s if view.last else None,
                "next": _next_run(view, overview.at),
                "cause": _remark(view, overview.at),
            }
            for view in overview.jobs
        ]
    )


def _next_run(view: JobView, now: datetime) -> str:
    if view.setting.asked_at is not None:
        return "requested"
    return until(view.next_at, now)


def _remark(view: JobView, now: datetime) -> str:
    if view.running is not None and view.running.started_at is not None:
        running = f"Running for {formatting.age(_age_s(view.running.started_at, now))}"
        by = view.running.asked_by
        return f"{running}, requested by {by}." if by else f"{running}."
    return view.last.cause if view.last else ""


def show_processes(overview: JobsOverview, palette: Palette) -> None:
    """Shows one row per process."""
    leader_id = overview.leader.holder if overview.leader else ""
    rows = [
        {
            "role": each.role,
            "state": "▲ lost" if overview.is_lost(each) else "● alive",
            "leads": "leader" if each.process_id == leader_id else "",
            "host": each.host,
            "pid": str(each.pid),
            "version": each.version,
            "started_at": each.started_at,
            "seen_at": each.seen_at,
        }
        for each in overview.processes
    ]
    columns = {
        "role": Column("process", width="small"),
        "state": Column("state", colour=colour_of(palette), width="small"),
        "leads": Column("leader", width="small"),
        "host": Column("host", width="medium"),
        "pid": Column("pid", number=True, width="small"),
        "version": Column("version", width="small"),
        "started_at": Column("started", tables.at(overview.at, formatting.ago), width="small"),
        "seen_at": Column("last heartbeat", tables.at(overview.at, formatting.ago), width="small"),
    }
    frame = pd.DataFrame(rows, columns=list(columns))
    tables.show(frame, columns, name="Processes", key="processes")


def _age_s(since: datetime, now: datetime) -> float:
    return (now - since).total_seconds()
