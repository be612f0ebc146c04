"""Tables of the guards of switches, of stops, and of switches that have begun."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlmodel import Field

from spotlab.store.tables.base import Base
from spotlab.store.types import UtcDateTime


class SwitchGuardsRow(Base, table=True):
    """One version of the guards of a scope; never changed. "": of the installation."""

    __tablename__ = "switch_guards"

    scope: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str
    reason: str
    guards: dict[str, Any] = Field(sa_type=JSON)


class SwitchStopRow(Base, table=True):
    """A stop of all switches of a scope; deleted when it is released."""

    __tablename__ = "switch_stops"

    scope: str = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str
    reason: str


class SwitchStartRow(Base, table=True):
    """A switch that guards have allowed to begin; limits are counted by these rows."""

    __tablename__ = "switch_starts"

    switch_id: str = Field(primary_key=True)
    account: str
    instance_id: str
    group_name: str
    pool: str
    at: datetime = Field(sa_type=UtcDateTime, index=True)
