"""Signs of life that health is judged by: processes and runs of jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Engine, func
from sqlmodel import col, select

from spotlab.domain.components import SCHEDULER
from spotlab.domain.ports import Work
from spotlab.store.engine import reading
from spotlab.store.tables.jobs import JobRunRow, ProcessRow

OK: Final = frozenset({"done"})
FAILED: Final = frozenset({"failed", "timed out", "lost"})


@dataclass(frozen=True, slots=True)
class ProcessHeartbeat:
    """A process by its last sign of life: its role, host, pid, and when it started and was seen."""

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
        started_at, ended_at: aware UTC; ended_at None: it runs.
        state, cause: as the scheduler wrote them.
    """

    job: str
    started_at: datetime
    ended_at: datetime | None
    state: str
    cause: str

    @property
    def ok(self) -> bool:
        """Whether it worked."""
        return self.state in OK

    @property
    def failed(self) -> bool:
        """Whether it failed."""
        return self.state in FAILED


class SqlHeartbeats:
    """Signs of life in SQL.

    Args:
        engine: a migrated database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def processes(self, role: str) -> list[ProcessHeartbeat]:
        """Every process of a role that was ever seen and is still listed, newest sign first."""
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

    def works(self, since: datetime) -> list[Work]:
        """Runs of jobs since then, as the scheduler's work; oldest first."""
        row = JobRunRow
        query = (
            select(row.started_at, row.ended_at, row.state)
            .where(col(row.started_at) >= since, col(row.state).in_(OK | FAILED))
            .order_by(col(row.started_at))
        )
        with reading(self._engine) as session:
            found = session.exec(query).all()
        return [
            Work(SCHEDULER, began, state in OK, (ended - began).total_seconds() * 1e3)
            for began, ended, state in found
            if began is not None and ended is not None
        ]
