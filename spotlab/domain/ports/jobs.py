"""Ports of leases, jobs, their runs and the processes there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class RunState(StrEnum):
    """What became of a run."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    CANCELLED = "cancelled"
    LOST = "lost"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a lease.

    Args:
        name: of the lease.
        holder: a process_id, or what it is called; "" once released.
        token: grows with every new holder, and when it is released.
        beat: grows with every sign of life.
        released: free to take at once.
        since: when it was taken, aware UTC; to be shown, nothing is decided by it.
    """

    name: str
    holder: str
    token: int
    beat: int
    released: bool
    since: datetime


@dataclass(frozen=True, slots=True)
class JobSetting:
    """What is set on a job.

    Args:
        name: of the job.
        schedule: an administrator's; "": the job's own.
        paused: runs only when asked.
        next_at: when it is due, aware UTC; None: not planned.
        asked_at, asked_by: somebody wants it now; None and "": nobody.
    """

    name: str
    schedule: str = ""
    paused: bool = False
    next_at: datetime | None = None
    asked_at: datetime | None = None
    asked_by: str = ""


@dataclass(frozen=True, slots=True)
class JobRun:
    """One run of a job, or why it did not run.

    Args:
        run_id: grows with every run.
        job: its name.
        due_at: when it should have begun, aware UTC; one run a job and due time.
        started_at: aware UTC; None: it was skipped.
        ended_at: aware UTC; None: it runs.
        state: what became of it.
        cause: why, in words; "" where there is nothing to say.
        result: JSON values that the job gave.
        holder, token: of the lease it ran under.
        asked_by: who wanted it; "": its schedule.
        correlation_id: of its log lines.
    """

    run_id: int
    job: str
    due_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    state: RunState
    cause: str
    result: Mapping[str, Any]
    holder: str
    token: int
    asked_by: str
    correlation_id: str

    @property
    def duration_s(self) -> float | None:
        """How long it took; None: it runs, or never did."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A process of SpotLab, by its signs of life.

    Args:
        process_id: its own, wherever it runs.
        role: "app" or "worker".
        host, pid: where it runs.
        version: SpotLab's.
        started_at, seen_at: aware UTC, by its own clock.
    """

    process_id: str
    role: str
    host: str
    pid: int
    version: str
    started_at: datetime
    seen_at: datetime
