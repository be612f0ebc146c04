"""Tables of workload versions, and of the rules that assign them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlmodel import Field

from spotlab.store.tables.base import Base
from spotlab.store.types import UtcDateTime


class WorkloadRow(Base, table=True):
    """One version of a workload; never changed."""

    __tablename__ = "workloads"

    name: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str
    reason: str
    parameters: dict[str, Any] = Field(sa_type=JSON)


class WorkloadAssignmentRow(Base, table=True):
    """A rule that gives an instance, a tag or an account a workload."""

    __tablename__ = "workload_assignments"

    scope: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    workload: str
