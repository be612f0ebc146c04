"""Settings of jobs, and their runs.

A run starts in one transaction: it checks the fence (see engine.fenced), the planned due time and
that the job is not running, adds a row to job_runs (unique per job and due time), and sets the next
due time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from spotlab.domain.ports import By, JobRun, JobSetting, RunState
from spotlab.errors import Conflict
from spotlab.store.audit import append
from spotlab.store.engine import reading, upsert, writing
from spotlab.store.repository import Repository
from spotlab.store.tables.jobs import JobRow, JobRunRow

_TICK: Final = timedelta(milliseconds=1)
_RUNNING: Final = RunState.RUNNING.value


class SqlJobs(Repository):
    """Jobs and runs in SQL."""

    def settings(self) -> dict[str, JobSetting]:
        """Settings of jobs, by name; jobs that were never planned or changed are absent."""
        with reading(self._engine) as session:
            rows = session.exec(select(JobRow)).all()
            return {row.name: JobSetting(**row.model_dump()) for row in rows}

    def set_schedule(self, name: str, schedule: str, by: By) -> None:
        """Set a job's schedule; "": its default."""
        with writing(self._engine) as session:
            row = _lock_job(session, name)
            append(session, by, "job.schedule", name, row.schedule, schedule)
            row.schedule, row.next_at = schedule, None

    def set_paused(self, name: str, paused: bool, by: By) -> None:
        """Pause a job, which then runs on request only, or resume it."""
        with writing(self._engine) as session:
            row = _lock_job(session, name)
            append(session, by, "job.pause" if paused else "job.resume", name, row.paused, paused)
            row.paused, row.next_at = paused, None

    def request_run(self, name: str, by: By) -> None:
        """Request a run, which starts at the leader's next check.

        Raises:
            Conflict: it is running or already requested.
        """
        with writing(self._engine) as session:
            row = _lock_job(session, name)
            running = _running_id(session, name)
            if running is not None or row.asked_at is not None:
                state = "running" if running is not None else f"requested by {row.asked_by}"
                raise Conflict(
                    f"{name} is already {state}.", remedy="Wait until that run has ended."
                )
            append(session, by, "job.run", name)
            row.asked_at, row.asked_by = _unused_due_time(session, name, by.at), by.actor

    def set_next_due(self, name: str, next_at: datetime) -> None:
        """Set a job's next due time."""
        with writing(self._engine) as session:
            _lock_job(session, name).next_at = _unused_due_time(session, name, next_at)

    def start(
        self,
        name: str,
        due_at: datetime,
        at: datetime,
        next_at: datetime | None,
        holder: str,
        token: int,
        correlation_id: str,
    ) -> int | None:
        """Start a run, in one transaction; call it inside `fenced`.

        Args:
            name: of the job.
            due_at: as planned or requested.
            at: now.
            next_at: due time after this run; None: not planned.
            holder, token: of the lease.
            correlation_id: of its log lines.
        Returns:
            The run_id; None: it is not due (any more), or the job is already running.
        """
        with writing(self._engine) as session:
            row = _lock_job(session, name)
            requested = row.asked_at == due_at
            planned = row.next_at == due_at
            if not (requested or planned) or _running_id(session, name) is not None:
                return None
            run = _run_row(name, due_at, RunState.RUNNING, holder, token)
            run.started_at, run.correlation_id = at, correlation_id
            if requested:
                run.asked_by, row.asked_at, row.asked_by = row.asked_by, None, ""
            if planned:
                row.next_at = None if next_at is None else _unused_due_time(session, name, next_at)
            session.add(run)
            session.flush()
            return run.id

    def skip(
        self,
        name: str,
        due_at: datetime,
        at: datetime,
        next_at: datetime,
        cause: str,
        holder: str,
        token: int,
    ) -> None:
        """Record that a run was skipped, and why."""
        with writing(self._engine) as session:
            row = _lock_job(session, name)
            if row.next_at != due_at:
                return
            run = _run_row(name, due_at, RunState.SKIPPED, holder, token)
            run.ended_at, run.cause = at, cause
            row.next_at = _unused_due_time(session, name, next_at)
            session.add(run)

    def finish(
        self, run_id: int, state: RunState, cause: str, result: Mapping[str, Any], at: datetime
    ) -> bool:
        """End a run; False: another process has ended it."""
        ended = (
            update(JobRunRow)
            .where(col(JobRunRow.id) == run_id, col(JobRunRow.state) == _RUNNING)
            .values(state=state.value, cause=cause, result=dict(result), ended_at=at)
        )
        with writing(self._engine) as session:
            return session.connection().execute(ended).rowcount == 1

    def mark_lost(self, token: int, cause: str, at: datetime) -> int:
        """Mark the runs of former leaders as lost; returns how many."""
        lost = (
            update(JobRunRow)
            .where(col(JobRunRow.token) < token, col(JobRunRow.state) == _RUNNING)
            .values(state=RunState.LOST.value, cause=cause, ended_at=at)
        )
        with writing(self._engine) as session:
            return int(session.connection().execute(lost).rowcount)

    def runs(self, job: str | None = None, *, limit: int = 50, offset: int = 0) -> list[JobRun]:
        """Runs (of one job), newest first."""
        query = select(JobRunRow)
        if job is not None:
            query = query.where(JobRunRow.job == job)
        newest = query.order_by(col(JobRunRow.id).desc()).limit(limit).offset(offset)
        with reading(self._engine) as session:
            return [_run(row) for row in session.exec(newest)]

    def count(self, job: str | None = None) -> int:
        """Number of stored runs (of one job)."""
        query = select(func.count(col(JobRunRow.id)))
        if job is not None:
            query = query.where(JobRunRow.job == job)
        with reading(self._engine) as session:
            return int(session.exec(query).one())

    def running(self) -> list[JobRun]:
        """Runs in state "running", also those of a leader that has died."""
        query = select(JobRunRow).where(JobRunRow.state == _RUNNING)
        with reading(self._engine) as session:
            return [_run(row) for row in session.exec(query.order_by(col(JobRunRow.id)))]

    def newest(self) -> dict[str, JobRun]:
        """The newest ended run of each job, by name; skipped runs do not count."""
        ended = col(JobRunRow.state).not_in([_RUNNING, RunState.SKIPPED.value])
        ids = select(func.max(JobRunRow.id)).where(ended).group_by(JobRunRow.job)
        query = select(JobRunRow).where(col(JobRunRow.id).in_(ids))
        with reading(self._engine) as session:
            return {row.job: _run(row) for row in session.exec(query)}


def _lock_job(session: Session, name: str) -> JobRow:
    """The job's row, created if missing and locked until the transaction ends."""
    new = JobRow(name=name, schedule="", paused=False, next_at=None, asked_at=None, asked_by="")
    upsert(session, new, update=())
    return session.exec(select(JobRow).where(JobRow.name == name).with_for_update()).one()


def _running_id(session: Session, name: str) -> int | None:
    query = select(JobRunRow.id).where(JobRunRow.job == name, JobRunRow.state == _RUNNING)
    return session.exec(query.limit(1)).first()


def _unused_due_time(session: Session, name: str, due_at: datetime) -> datetime:
    """The due time, or the next millisecond that no run has: a clock that is set back repeats
    times."""
    query = select(JobRunRow.id).where(JobRunRow.job == name)
    while session.exec(query.where(JobRunRow.due_at == due_at)).first() is not None:
        due_at += _TICK
    return due_at


def _run_row(name: str, due_at: datetime, state: RunState, holder: str, token: int) -> JobRunRow:
    return JobRunRow(
        job=name,
        due_at=due_at,
        started_at=None,
        ended_at=None,
        state=state.value,
        cause="",
        result={},
        holder=holder,
        token=token,
        asked_by="",
        correlation_id="",
    )


def _run(row: JobRunRow) -> JobRun:
    assert row.id is not None
    values = row.model_dump(exclude={"id", "state"})
    return JobRun(run_id=row.id, state=RunState(row.state), **values)
