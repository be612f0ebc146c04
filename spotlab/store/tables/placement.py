"""Table of placement scores."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON
from sqlmodel import Field

from spotlab.store.tables.base import Base
from spotlab.store.types import UtcDateTime


class PlacementRow(Base, table=True):
    """Placement scores by zone for a group of types in a region, as AWS returned them."""

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
