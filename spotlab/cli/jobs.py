"""`spotlab jobs`: the scheduled jobs, their runs, and the processes that run them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from spotlab.cli import options
from spotlab.cli.command import Command, Result, aligned, command_group, iso, no_arguments
from spotlab.cli.local_session import open_services
from spotlab.settings import Settings
from spotlab.telemetry.invisible_characters import in_lines

if TYPE_CHECKING:
    from spotlab.domain.ports import JobRun
    from spotlab.scheduling.overview import JobsOverview, JobView
    from spotlab.services.jobs import JobService


def _list(_args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        overview = services.jobs.overview()
    return Result(_overview_document(overview), _overview_text(overview))


def _overview_document(overview: JobsOverview) -> dict[str, Any]:
    """Stable keys: at, jobs[], leader, processes[]; unknown is null."""
    leader = overview.leader
    return {
        "at": overview.at.isoformat(),
        "jobs": [_job_document(view) for view in overview.jobs],
        "leader": {
            "process": leader.holder,
            "since": leader.since.isoformat(),
            "token": leader.token,
        }
        if leader
        else None,
        "processes": [
            {
                "process": each.process_id,
                "role": each.role,
                "host": each.host,
                "pid": each.pid,
                "version": each.version,
                "started_at": each.started_at.isoformat(),
                "seen_at": each.seen_at.isoformat(),
                "gone": overview.is_lost(each),
            }
            for each in overview.processes
        ],
    }


def _job_document(view: JobView) -> dict[str, Any]:
    return {
        "name": view.job.name,
        "title": view.job.title,
        "about": view.job.about,
        "schedule": view.schedule,
        "own_schedule": view.job.schedule,
        "state": view.standing.value,
        "paused": view.setting.paused,
        "next_at": iso(view.next_at),
        "running": _run_document(view.running) if view.running else None,
        "last": _run_document(view.last) if view.last else None,
    }


def _run_document(run: JobRun) -> dict[str, Any]:
    return {
        "run": run.run_id,
        "job": run.job,
        "state": run.state.value,
        "cause": run.cause,
        "due_at": run.due_at.isoformat(),
        "started_at": iso(run.started_at),
        "ended_at": iso(run.ended_at),
        "duration_s": run.duration_s,
        "result": dict(run.result),
        "process": run.holder,
        "token": run.token,
        "asked_by": run.asked_by or None,
        "correlation_id": run.correlation_id or None,
    }


def _overview_text(overview: JobsOverview) -> str:
    lines = aligned(
        [
            (
                view.job.name,
                view.standing.value,
                view.schedule,
                f"next {_short(view.next_at)}",
                f"last {_last(view.last)}",
            )
            for view in overview.jobs
        ]
    )
    leader = overview.leader
    leadership = (
        f"Leader since {_short(leader.since)}: {leader.holder}."
        if leader
        else "No process is the leader."
    )
    on_schedule = sum(view.is_on_schedule for view in overview.jobs)
    return in_lines(
        [f"{on_schedule} of {len(overview.jobs)} jobs on schedule. {leadership}", *lines]
    )


def _last(run: JobRun | None) -> str:
    if run is None:
        return "never"
    return f"{_short(run.started_at)} {run.state}{f': {run.cause}' if run.cause else ''}"


def _short(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at is not None else "-"


def _history_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="JOB", help="only this job (default: all)")
    parser.add_argument(
        "--limit",
        type=options.integer(1),
        default=20,
        help="show the latest N runs (default 20)",
        metavar="N",
    )


def _history(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        runs = services.jobs.history(args.name, limit=args.limit)
    lines = aligned(
        [
            (
                _short(run.due_at),
                run.job,
                run.state.value,
                "" if run.duration_s is None else f"{run.duration_s:.1f} s",
                run.cause,
            )
            for run in runs
        ]
    )
    document = {"runs": [_run_document(run) for run in runs]}
    return Result(document, in_lines(lines) or "No runs yet.")


def _job_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="JOB", help="name of the job; see jobs list")
    options.add_reason(parser)


def _schedule_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="JOB", help="name of the job; see jobs list")
    parser.add_argument(
        "schedule",
        metavar="SCHEDULE",
        help='"every 10 min", cron fields in UTC ("15 3 * * mon-fri"), or "own" for the default',
    )
    options.add_reason(parser)


def _job_action(
    action: Callable[[JobService, argparse.Namespace], None], outcome: str
) -> Callable[[argparse.Namespace, Settings], Result]:
    def run(args: argparse.Namespace, settings: Settings) -> Result:
        with open_services(settings) as services:
            action(services.jobs, args)
            view = services.jobs.get(args.name)
            leads = services.jobs.overview().leader is not None
        hint = "" if leads else " No process leads: start the app or `spotlab worker`."
        return Result(_job_document(view), f"Job {args.name} {outcome}.{hint}")

    return run


def _reschedule(jobs: JobService, args: argparse.Namespace) -> None:
    jobs.schedule(args.name, "" if args.schedule == "own" else args.schedule, args.reason)


JOBS = command_group(
    "jobs",
    "List, run, pause and schedule the jobs.",
    lambda: (
        Command(
            "list", "List the jobs with state and schedule, and the leader.", no_arguments, _list
        ),
        Command("history", "List runs, with their state and cause.", _history_arguments, _history),
        Command(
            "run",
            "Run a job now; the leader starts it within seconds.",
            _job_arguments,
            _job_action(
                lambda jobs, args: jobs.run(args.name, args.reason),
                "is queued; a leader starts it within seconds",
            ),
        ),
        Command(
            "pause",
            "Pause a job: it runs only on request.",
            _job_arguments,
            _job_action(lambda jobs, args: jobs.pause(args.name, args.reason), "is paused"),
        ),
        Command(
            "resume",
            "Resume a paused job.",
            _job_arguments,
            _job_action(lambda jobs, args: jobs.resume(args.name, args.reason), "is resumed"),
        ),
        Command(
            "schedule",
            "Change the schedule of a job.",
            _schedule_arguments,
            _job_action(_reschedule, "is rescheduled"),
        ),
    ),
)
