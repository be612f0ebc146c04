"""Tables of leases, jobs, their runs and the processes there are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, UniqueConstraint
from sqlmodel import Field

from spotlab.store.tables.base import Base
from spotlab.store.types import UtcDateTime


class LeaseRow(Base, table=True):
    """Who leads. `token` grows with every new leader: writes that carry an older one are refused.

    `beat` grows with every sign of life. Others watch it by their own monotonic clock, so that no
    wall clock, of whichever machine, decides.
    """

    __tablename__ = "leases"

    name: str = Field(primary_key=True)
    holder: str
    token: int = Field(sa_type=BigInteger)
    beat: int = Field(sa_type=BigInteger)
    released: bool
    since: datetime = Field(sa_type=UtcDateTime)


class JobRow(Base, table=True):
    """What is set on a scheduled job; an empty schedule is the job's own."""

    __tablename__ = "jobs"

    name: str = Field(primary_key=True)
    schedule: str
    paused: bool
    next_at: datetime | None = Field(sa_type=UtcDateTime)
    asked_at: datetime | None = Field(sa_type=UtcDateTime)
    asked_by: str


class JobRunRow(Base, table=True):
    """One run of a job, or why it did not run."""

    __tablename__ = "job_runs"
    __table_args__ = (UniqueConstraint("job", "due_at"), Index(None, "job", "id"))

    id: int | None = Field(default=None, primary_key=True)
    job: str
    due_at: datetime = Field(sa_type=UtcDateTime)
    started_at: datetime | None = Field(sa_type=UtcDateTime, index=True)
    ended_at: datetime | None = Field(sa_type=UtcDateTime)
    state: str
    cause: str
    result: dict[str, Any] = Field(sa_type=JSON)
    holder: str
    token: int = Field(sa_type=BigInteger)
    asked_by: str
    correlation_id: str


class ProcessRow(Base, table=True):
    """A running app server or worker, by its signs of life."""

    __tablename__ = "processes"

    process_id: str = Field(primary_key=True)
    role: str
    host: str
    pid: int
    version: str
    started_at: datetime = Field(sa_type=UtcDateTime)
    seen_at: datetime = Field(sa_type=UtcDateTime)
