"""Tables of policy versions, and of the changes of their states."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, Index, text
from sqlmodel import Field

from spotlab.store.tables.base import Base
from spotlab.store.types import UtcDateTime


class PolicyRow(Base, table=True):
    """One version of a policy; only its state changes."""

    __tablename__ = "policies"
    __table_args__ = (
        Index(
            "uq_policies_active",
            "state",
            unique=True,
            sqlite_where=text("state = 'active'"),
            postgresql_where=text("state = 'active'"),
        ),
    )

    name: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    state: str
    description: str
    parameters: dict[str, float] = Field(sa_type=JSON)


class PolicyEventRow(Base, table=True):
    """One change of a version's state, the built-in version's too. Rows are only added."""

    __tablename__ = "policy_events"
    __table_args__ = (Index(None, "name", "version"),)

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str
    name: str
    version: int
    before: str | None
    after: str
    reason: str
