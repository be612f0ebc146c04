"""API responses about alerts, the audit log, the market and health.

Fields that a newer server adds are ignored; an unknown value is None.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Rule(msgspec.Struct, frozen=True):
    """An alert rule, without the receiver's address."""

    rule_id: str
    name: str
    condition: dict[str, Any]
    words: str
    channel: str
    shown_address: str
    enabled: bool
    created_at: datetime
    created_by: str


class SigningKey(msgspec.Struct, frozen=True):
    """Key that signs a rule's notifications."""

    rule_id: str
    signing_key: str


class Test(msgspec.Struct, frozen=True):
    """Response of a receiver to a test notification."""

    ok: bool
    words: str


class Alert(msgspec.Struct, frozen=True):
    """An alert that is firing."""

    rule_id: str
    rule: str
    key: str
    subject: str
    text: str
    level: str
    since: datetime
    told_at: datetime


class Notification(msgspec.Struct, frozen=True):
    """A notification and its delivery."""

    alert_id: int
    rule_id: str
    rule: str
    event: str
    subject: str
    text: str
    value: float | None
    since: datetime
    at: datetime
    state: str
    attempts: int
    next_try_at: datetime | None
    sent_at: datetime | None
    error: str


class Entry(msgspec.Struct, frozen=True):
    """One change, with user, time, and values before and after."""

    number: int
    at: datetime
    actor: str
    via: str
    action: str
    target: str
    before: Any
    after: Any
    reason: str
    previous: str
    digest: str


class AuditCheck(msgspec.Struct, frozen=True):
    """Result of checking the hash chain of the audit log."""

    entries: int
    broken_at: int | None
    reason: str
    head: str


class Feed(msgspec.Struct, frozen=True):
    """The newest snapshot of a feed."""

    kind: str
    scope: str
    source: str
    event_time: datetime
    fetched_at: datetime
    age_s: float
    read_age_s: float
    records: int
    approximate: bool
    set_aside: int = 0
    set_aside_reasons: tuple[str, ...] = ()


class Market(msgspec.Struct, frozen=True):
    """The active market, and which parts of the server are real or emulated."""

    market: str | None
    label: str
    simulated: bool
    aws: str
    execution: str
    as_of: datetime
    sources: tuple[Feed, ...]


class Source(msgspec.Struct, frozen=True):
    """Result of reading one source."""

    name: str
    kind: str | None
    scope: str
    event_time: datetime | None
    fetched_at: datetime | None
    records: int
    new: bool
    error: str


class Collected(msgspec.Struct, frozen=True):
    """Result of collecting the market."""

    market: str
    sources: tuple[Source, ...]
    regions: int
    unchanged: bool
    duration_ms: float


class Slot(msgspec.Struct, frozen=True):
    """Half an hour of a component."""

    state: str
    latency_ms: float | None


class Uptime(msgspec.Struct, frozen=True):
    """A component now, and over the last 24 hours."""

    key: str
    name: str
    state: str
    reason: str
    checked_at: datetime
    last_success_at: datetime | None
    uptime: float | None
    unknown: float
    seconds: dict[str, float]
    tried: int
    success_rate: float | None
    failure_rate: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    measured: int
    needs: tuple[str, ...]
    needed_by: tuple[str, ...]
    slots: tuple[Slot, ...]


class Probe(msgspec.Struct, frozen=True):
    """One probe of a component."""

    at: datetime
    state: str
    latency_ms: float | None
    reason: str
