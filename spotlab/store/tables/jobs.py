"""Tables of leases, jobs, job runs and processes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, UniqueConstraint
from sqlmodel import Field

from spotlab.store.tables.base import Base
from spotlab.store.types import UtcDateTime


class LeaseRow(Base, table=True):
    """A lease. `token` grows with every new holder; writes with an older token fail.

    `beat` grows with every heartbeat. Other processes observe it with their own monotonic clock, so
    that wall clocks play no role.
    """

    __tablename__ = "leases"

    name: str = Field(primary_key=True)
    holder: str
    token: int = Field(sa_type=BigInteger)
    beat: int = Field(sa_type=BigInteger)
    released: bool
    since: datetime = Field(sa_type=UtcDateTime)


class JobRow(Base, table=True):
    """Settings of a scheduled job; an empty schedule means the default one."""

    __tablename__ = "jobs"

    name: str = Field(primary_key=True)
    schedule: str
    paused: bool
    next_at: datetime | None = Field(sa_type=UtcDateTime)
    asked_at: datetime | None = Field(sa_type=UtcDateTime)
    asked_by: str


class JobRunRow(Base, table=True):
    """One run of a job, also a skipped one."""

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
    """A running app server or worker, with its last heartbeat."""

    __tablename__ = "processes"

    process_id: str = Field(primary_key=True)
    role: str
    host: str
    pid: int
    version: str
    started_at: datetime = Field(sa_type=UtcDateTime)
    seen_at: datetime = Field(sa_type=UtcDateTime)
