"""Heartbeats of processes and job runs, for health checks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func
from sqlmodel import col, select

from spotlab.domain.components import SCHEDULER
from spotlab.domain.ports import Work
from spotlab.store.engine import reading
from spotlab.store.repository import Repository
from spotlab.store.tables.jobs import JobRunRow, ProcessRow

OK: Final = frozenset({"done"})
FAILED: Final = frozenset({"failed", "timed out", "lost"})


@dataclass(frozen=True, slots=True)
class ProcessHeartbeat:
    """The last heartbeat of a process."""

    role: str
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class LastRun:
    """The newest run of a job that has started.

    Args:
        job: its name.
        started_at, ended_at: aware UTC; ended_at None: still running.
        state, cause: as recorded by the scheduler.
    """

    job: str
    started_at: datetime
    ended_at: datetime | None
    state: str
    cause: str

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.state in OK

    @property
    def failed(self) -> bool:
        """Whether it failed."""
        return self.state in FAILED


class SqlHeartbeats(Repository):
    """Heartbeats in SQL."""

    def processes(self, role: str) -> list[ProcessHeartbeat]:
        """The listed processes of a role, newest heartbeat first."""
        query = select(ProcessRow).where(ProcessRow.role == role)
        with reading(self._engine) as session:
            return [
                ProcessHeartbeat(row.role, row.host, row.pid, row.started_at, row.seen_at)
                for row in session.exec(query.order_by(col(ProcessRow.seen_at).desc()))
            ]

    def last_runs(self) -> list[LastRun]:
        """The newest started run of each job."""
        newest = (
            select(func.max(JobRunRow.id))
            .where(col(JobRunRow.started_at).is_not(None))
            .group_by(JobRunRow.job)
        )
        query = select(JobRunRow).where(col(JobRunRow.id).in_(newest))
        with reading(self._engine) as session:
            return [
                LastRun(row.job, row.started_at, row.ended_at, row.state, row.cause)
                for row in session.exec(query)
                if row.started_at is not None
            ]

    def job_outcomes(self, since: datetime) -> list[Work]:
        """Job runs since a time as outcomes of the scheduler, oldest first."""
        row = JobRunRow
        query = (
            select(row.started_at, row.ended_at, row.state)
            .where(col(row.started_at) >= since, col(row.state).in_(OK | FAILED))
            .order_by(col(row.started_at))
        )
        with reading(self._engine) as session:
            runs = session.exec(query).all()
        return [
            Work(SCHEDULER, started, state in OK, (ended - started).total_seconds() * 1e3)
            for started, ended, state in runs
            if started is not None and ended is not None
        ]
