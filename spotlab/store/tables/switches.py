"""Tables of switches, their journal, and launches into pools without capacity."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Index, UniqueConstraint, text
from sqlmodel import Field

from spotlab.store.tables.base import Base
from spotlab.store.types import UtcDateTime

ONE_OPEN: Final = "uq_switches_open_instance_id"
"""The unique index that keeps two open switches off one instance."""


class SwitchRow(Base, table=True):
    """A switch: what lists filter by as columns, the rest in `details`."""

    __tablename__ = "switches"
    __table_args__ = (
        Index(
            ONE_OPEN,
            "instance_id",
            unique=True,
            sqlite_where=text("is_open = 1"),
            postgresql_where=text("is_open"),
        ),
        Index(None, "account", "requested_at"),
    )

    switch_id: str = Field(primary_key=True)
    account: str
    instance_id: str = Field(index=True)
    pool: str
    target_pool: str
    experiment_id: int | None
    state: str = Field(index=True)
    is_open: bool
    step: str
    dry_run: bool
    requested_by: str
    requested_at: datetime = Field(sa_type=UtcDateTime, index=True)
    expires_at: datetime | None = Field(sa_type=UtcDateTime)
    started_at: datetime | None = Field(sa_type=UtcDateTime)
    finished_at: datetime | None = Field(sa_type=UtcDateTime)
    new_instance_id: str = Field(index=True)
    pause_requested: bool
    rollback_requested: bool
    version: int
    details: dict[str, Any] = Field(sa_type=JSON)


class SwitchJournalRow(Base, table=True):
    """One line of a switch's journal; never changed."""

    __tablename__ = "switch_journal"
    __table_args__ = (UniqueConstraint("switch_id", "seq"),)

    id: int | None = Field(default=None, primary_key=True)
    switch_id: str
    seq: int
    at: datetime = Field(sa_type=UtcDateTime)
    step: str
    action: str
    phase: str
    detail: dict[str, Any] = Field(sa_type=JSON)
    attempt: int
    token: int = Field(sa_type=BigInteger)


class LaunchAllowanceRow(Base, table=True):
    """A pool that lacked capacity: how many launches may be tried at once, and when."""

    __tablename__ = "launch_allowances"

    pool: str = Field(primary_key=True)
    allowance: int
    refusals: int
    code: str
    refused_at: datetime = Field(sa_type=UtcDateTime)
    next_at: datetime = Field(sa_type=UtcDateTime)


class LaunchClaimRow(Base, table=True):
    """A launch that is being tried in a pool that lacked capacity."""

    __tablename__ = "launch_claims"

    pool: str = Field(primary_key=True)
    switch_id: str = Field(primary_key=True)
    claimed_at: datetime = Field(sa_type=UtcDateTime)
