"""Table of what AWS answered about spot placement. Store floor: rows only.

A base class of its own, as in tables_outcomes.py.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, MetaData
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from spotlab.store.tables.core import NAMING
from spotlab.store.types import UtcDateTime


class PlacementBase(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMING))):
    """Base of this table, with a registry of its own."""


class PlacementRow(PlacementBase, table=True):
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
