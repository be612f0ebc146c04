"""`spotlab jobs`: the scheduled jobs, their runs, and who runs them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from spotlab.cli import options
from spotlab.cli.command import Command, nested, no_arguments
from spotlab.cli.decision_output import Answer
from spotlab.cli.local_session import at_desk
from spotlab.settings import Settings
from spotlab.telemetry.text import in_lines

if TYPE_CHECKING:
    from spotlab.domain.ports import JobRun
    from spotlab.scheduling.overview import JobsOverview, JobView
    from spotlab.services.jobs import JobsDesk


@contextmanager
def _desk(settings: Settings) -> Iterator[JobsDesk]:
    with at_desk(settings) as desk:
        yield desk.jobs


def _list(_args: argparse.Namespace, settings: Settings) -> Answer:
    with _desk(settings) as jobs:
        seen = jobs.overview()
    return Answer(_overview_document(seen), _overview_text(seen))


def _overview_document(seen: JobsOverview) -> dict[str, Any]:
    """Stable keys: at, jobs[], leader, processes[]; unknown is null."""
    leader = seen.leader
    return {
        "at": seen.at.isoformat(),
        "jobs": [_job_document(view) for view in seen.jobs],
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
                "gone": seen.is_gone(each),
            }
            for each in seen.processes
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
        "next_at": _time(view.next_at),
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
        "started_at": _time(run.started_at),
        "ended_at": _time(run.ended_at),
        "duration_s": run.duration_s,
        "result": dict(run.result),
        "process": run.holder,
        "token": run.token,
        "asked_by": run.asked_by or None,
        "correlation_id": run.correlation_id or None,
    }


def _overview_text(seen: JobsOverview) -> str:
    lines = [
        f"{view.job.name:<16}{view.standing:<13}{view.schedule:<16}"
        f"next {_short(view.next_at):<17}last {_last(view.last)}"
        for view in seen.jobs
    ]
    leader = seen.leader
    led = f"{leader.holder} leads since {_short(leader.since)}." if leader else "Nobody leads."
    well = sum(view.well for view in seen.jobs)
    return in_lines([f"{well} of {len(seen.jobs)} jobs on schedule. {led}", *lines])


def _last(run: JobRun | None) -> str:
    if run is None:
        return "never"
    return f"{_short(run.started_at)} {run.state}{f': {run.cause}' if run.cause else ''}"


def _short(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at is not None else "-"


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def _history_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="JOB", help="of one job (default: all)")
    parser.add_argument("--limit", type=options.whole(1), default=20, help="how many (default 20)")


def _history(args: argparse.Namespace, settings: Settings) -> Answer:
    with _desk(settings) as jobs:
        runs = jobs.history(args.name, limit=args.limit)
    lines = [
        f"{_short(run.due_at)} {run.job:<16}{run.state:<10}"
        f"{'' if run.duration_s is None else f'{run.duration_s:.1f} s ':<9}{run.cause}".rstrip()
        for run in runs
    ]
    document = {"runs": [_run_document(run) for run in runs]}
    return Answer(document, in_lines(lines) or "Nothing ran yet.")


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="JOB")
    parser.add_argument("--reason", default="", help="kept in the audit log")


def _schedule_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="JOB")
    parser.add_argument(
        "schedule", metavar="SCHEDULE", help='"every 10 min", "15 3 * * mon-fri" (UTC), or own'
    )
    parser.add_argument("--reason", default="", help="kept in the audit log")


def _doing(
    what: Callable[[JobsDesk, argparse.Namespace], None], said: str
) -> Callable[[argparse.Namespace, Settings], Answer]:
    def run(args: argparse.Namespace, settings: Settings) -> Answer:
        with _desk(settings) as jobs:
            what(jobs, args)
            view = jobs.get(args.name)
        return Answer(_job_document(view), f"{args.name} {said}.")

    return run


def _reschedule(jobs: JobsDesk, args: argparse.Namespace) -> None:
    jobs.schedule(args.name, "" if args.schedule == "own" else args.schedule, args.reason)


JOBS = nested(
    "jobs",
    "List the scheduled jobs; run, pause and schedule them.",
    lambda: (
        Command("list", "How each job stands, and who runs them.", no_arguments, _list),
        Command("history", "What ran, and why it failed.", _history_arguments, _history),
        Command(
            "run",
            "Have the leader run a job now.",
            _one,
            _doing(lambda jobs, args: jobs.run(args.name, args.reason), "is asked for"),
        ),
        Command(
            "pause",
            "Have a job run only when asked.",
            _one,
            _doing(lambda jobs, args: jobs.pause(args.name, args.reason), "is paused"),
        ),
        Command(
            "resume",
            "Have a job run by its schedule again.",
            _one,
            _doing(lambda jobs, args: jobs.resume(args.name, args.reason), "runs again"),
        ),
        Command(
            "schedule",
            "Have a job run at other times.",
            _schedule_arguments,
            _doing(_reschedule, "has its schedule"),
        ),
    ),
)
