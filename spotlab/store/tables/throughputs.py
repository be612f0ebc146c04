"""Table of measured throughputs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlmodel import Field

from spotlab.store.tables.base import Base
from spotlab.store.types import UtcDateTime


class ThroughputSetRow(Base, table=True):
    """One version of the throughputs of a workload; never changed. "": of all workloads."""

    __tablename__ = "throughputs"

    workload: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str
    reason: str
    unit: str
    throughputs: list[dict[str, Any]] = Field(sa_type=JSON)
