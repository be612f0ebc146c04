"""Table of what AWS answered about spot placement."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON
from sqlmodel import Field

from spotlab.store.tables.base import Base
from spotlab.store.types import UtcDateTime


class PlacementRow(Base, table=True):
    """One question about a group of types in a region, and its answer: scores by zone."""

    __tablename__ = "placement_answers"

    id: int | None = Field(default=None, primary_key=True)
    emulated: bool
    account: str
    region: str
    instance_types: list[str] = Field(sa_type=JSON)
    asked_at: datetime = Field(sa_type=UtcDateTime, index=True)
    source: str
    refused: bool
    scores: dict[str, int] = Field(sa_type=JSON)
