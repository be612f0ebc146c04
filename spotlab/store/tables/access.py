"""Tables of users, sessions, API tokens, one-time links, audit log and idempotency keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index
from sqlmodel import Field

from spotlab.store.tables.base import NULLABLE_JSON, Base
from spotlab.store.types import UtcDateTime


class UserRow(Base, table=True):
    """A user."""

    __tablename__ = "users"

    name: str = Field(primary_key=True)
    role: str
    accounts: list[str] | None = Field(sa_type=NULLABLE_JSON)
    email: str
    subject: str | None = Field(unique=True)
    password_hash: str | None
    active: bool
    must_change: bool
    failures: int
    locked_until: datetime | None = Field(sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_sign_in_at: datetime | None = Field(sa_type=UtcDateTime)


class SessionRow(Base, table=True):
    """A session. `refresh_hash` is the hash of the newest renewal token, issued at `refreshed_at`;
    `former_hash` is that of the one before, which stays valid until the newest is used."""

    __tablename__ = "user_sessions"

    session_id: str = Field(primary_key=True)
    user: str = Field(index=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
    refreshed_at: datetime = Field(sa_type=UtcDateTime)
    seen_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(sa_type=UtcDateTime)
    refresh_hash: str
    former_hash: str
    via: str
    agent: str
    address: str


class ApiTokenRow(Base, table=True):
    """An API token, as a hash. `grantors`: other users who created it; null: none."""

    __tablename__ = "api_tokens"

    token_id: str = Field(primary_key=True)
    user: str = Field(index=True)
    name: str
    token_hash: str
    scopes: list[str] = Field(sa_type=JSON)
    grantors: list[str] | None = Field(sa_type=NULLABLE_JSON)
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    last_used_at: datetime | None = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(sa_type=UtcDateTime)


class LinkRow(Base, table=True):
    """A one-time link, to create the first administrator or to choose a password. `grantors`: other
    users who created it; null: none."""

    __tablename__ = "one_time_links"

    link_hash: str = Field(primary_key=True)
    purpose: str
    user: str
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(sa_type=UtcDateTime)
    grantors: list[str] | None = Field(sa_type=NULLABLE_JSON)


class SecretKeyRow(Base, table=True):
    """Fingerprint of a key that signs sessions: replicas must share one key."""

    __tablename__ = "secret_keys"

    fingerprint: str = Field(primary_key=True)
    seen_at: datetime = Field(sa_type=UtcDateTime)


class AuditRow(Base, table=True):
    """One audit entry, chained to the one before it. Rows are only added."""

    __tablename__ = "audit_log"
    __table_args__ = (Index(None, "action", "number"), Index(None, "actor", "number"))

    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    at: datetime = Field(sa_type=UtcDateTime, index=True)
    actor: str
    via: str
    action: str
    target: str = Field(index=True)
    before: str
    after: str
    reason: str
    previous: str
    digest: str


class AnsweredWriteRow(Base, table=True):
    """Response to a write with an idempotency key; `status` 0: not finished."""

    __tablename__ = "answered_writes"

    user: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    route: str
    request_hash: str
    status: int
    body: dict[str, Any] | None = Field(sa_type=NULLABLE_JSON)
    created_at: datetime = Field(sa_type=UtcDateTime, index=True)
