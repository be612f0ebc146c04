"""Tables of events from queues, refused messages, and readings of queues and of CloudTrail."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, Index
from sqlmodel import Field

from spotlab.store.tables.base import Base
from spotlab.store.types import UtcDateTime


class SpotEventRow(Base, table=True):
    """One event. Its id is the key, so that its effect happens once."""

    __tablename__ = "spot_events"
    __table_args__ = (Index(None, "evaluation", "received_at"),)

    event_id: str = Field(primary_key=True)
    account: str
    aws_account_id: str
    region: str
    kind: str
    instance_id: str = Field(index=True)
    state: str
    pool: str | None
    at: datetime = Field(sa_type=UtcDateTime, index=True)
    received_at: datetime = Field(sa_type=UtcDateTime)
    effect: str
    evaluation: str
    evaluated_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    experiment_id: int | None = None


class RefusedMessageRow(Base, table=True):
    """One message that was refused; its content is in the dead-letter queue only."""

    __tablename__ = "refused_messages"

    message_id: str = Field(primary_key=True)
    account: str
    region: str
    reason: str
    refused_at: datetime = Field(sa_type=UtcDateTime, index=True)
    size_bytes: int
    sha256: str


class EventQueueRow(Base, table=True):
    """The last reading of a queue."""

    __tablename__ = "event_queues"

    account: str = Field(primary_key=True)
    region: str = Field(primary_key=True)
    read_at: datetime = Field(sa_type=UtcDateTime)
    error: str


class InterruptionHistoryRow(Base, table=True):
    """How far an account's past interruptions were read from CloudTrail."""

    __tablename__ = "interruption_histories"

    account: str = Field(primary_key=True)
    region: str = Field(primary_key=True)
    since: datetime = Field(sa_type=UtcDateTime)
    until: datetime = Field(sa_type=UtcDateTime)
    read_back_to: datetime = Field(sa_type=UtcDateTime)
    boundary: list[str] = Field(sa_type=JSON)
    complete: bool
    pages: int
    found: int
    recorded: int
    unknown_pool: int
    updated_at: datetime = Field(sa_type=UtcDateTime)
    error: str
