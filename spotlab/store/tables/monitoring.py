"""Tables of health probes, request counts, alert rules and alerts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index
from sqlmodel import Field

from spotlab.store.tables.base import Base
from spotlab.store.types import UtcDateTime


class ProbeRow(Base, table=True):
    """A component's state at a time, and its latency."""

    __tablename__ = "probes"
    __table_args__ = (Index(None, "component", "at"),)

    id: int | None = Field(default=None, primary_key=True)
    component: str
    at: datetime = Field(sa_type=UtcDateTime, index=True)
    state: str
    latency_ms: float | None
    reason: str


class RequestStatsRow(Base, table=True):
    """Requests of a process in five minutes: failed ones, and the others by latency class."""

    __tablename__ = "served_requests"

    process_id: str = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime, primary_key=True, index=True)
    failed: int
    took: dict[str, Any] = Field(sa_type=JSON)


class AlertRuleRow(Base, table=True):
    """An alert rule. `sealed_address` is encrypted: anyone who knows a webhook's address can post
    to it."""

    __tablename__ = "alert_rules"

    rule_id: str = Field(primary_key=True)
    name: str
    kind: str
    about: dict[str, Any] = Field(sa_type=JSON)
    channel: str
    sealed_address: str
    shown_address: str
    enabled: bool
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str
    state: dict[str, Any] = Field(sa_type=JSON)


class AlertRow(Base, table=True):
    """An alert that fired or was resolved, and the state of its notification."""

    __tablename__ = "alerts"
    __table_args__ = (Index(None, "rule_id", "id"),)

    id: int | None = Field(default=None, primary_key=True)
    rule_id: str
    key: str
    at: datetime = Field(sa_type=UtcDateTime, index=True)
    message: dict[str, Any] = Field(sa_type=JSON)
    state: str
    attempts: int
    next_try_at: datetime | None = Field(sa_type=UtcDateTime)
    sent_at: datetime | None = Field(sa_type=UtcDateTime)
    error: str
