"""Records of leases, jobs, their runs, and processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class RunState(StrEnum):
    """State of a run."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    CANCELLED = "cancelled"
    LOST = "lost"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease and its holder.

    Args:
        name: of the lease.
        holder: process_id or name of the holder; "" if released.
        token: fencing token; increases with each new holder and each release.
        beat: increases with each heartbeat.
        released: can be acquired immediately.
        since: when it was acquired, aware UTC; only shown, not used.
    """

    name: str
    holder: str
    token: int
    beat: int
    released: bool
    since: datetime


@dataclass(frozen=True, slots=True)
class JobSetting:
    """The settings of a job.

    Args:
        name: of the job.
        schedule: set by a user; "": the job's default.
        paused: runs only on request.
        next_at: when it is due, aware UTC; None: not planned.
        asked_at, asked_by: time and user of a pending request to run now; None and "": none.
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
        run_id: increases with each run.
        job: name of the job.
        due_at: when it was due, aware UTC; there is one run per job and due time.
        started_at: aware UTC; None: it was skipped.
        ended_at: aware UTC; None: it is running.
        state: of the run.
        cause: for the state, a sentence, or "".
        result: JSON values that the job returned.
        holder, token: of the lease under which it ran.
        asked_by: user who requested it; "": it was scheduled.
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
        """Its duration; None: it is running, or was skipped."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A process of SpotLab, known by its heartbeats.

    Args:
        process_id: unique across hosts.
        role: "app" or "worker".
        host, pid: where it runs.
        version: of SpotLab.
        started_at, seen_at: aware UTC, by its own clock.
    """

    process_id: str
    role: str
    host: str
    pid: int
    version: str
    started_at: datetime
    seen_at: datetime
