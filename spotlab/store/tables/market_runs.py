"""Tables of the markets that decisions were made on: runs, scores, and their contents by hash."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlmodel import Field

from spotlab.store.tables.base import Base
from spotlab.store.types import UtcDateTime


class MarketBlobRow(Base, table=True):
    """One part of a market, by the hash of its content; shared by every run that has it."""

    __tablename__ = "market_blobs"

    digest: str = Field(primary_key=True)
    used_at: datetime = Field(sa_type=UtcDateTime)
    payload: bytes = Field(sa_type=LargeBinary)


class MarketRunRow(Base, table=True):
    """The inputs that the decisions of one run share; `document` names the blobs."""

    __tablename__ = "market_runs"

    id: int | None = Field(default=None, primary_key=True)
    digest: str = Field(unique=True)
    used_at: datetime = Field(sa_type=UtcDateTime)
    document: bytes = Field(sa_type=LargeBinary)


class MarketScoreRow(Base, table=True):
    """A model's hazards of a run's market; `hazard` and `names` are digests of blobs."""

    __tablename__ = "market_scores"

    run_id: int = Field(primary_key=True)
    model: str = Field(primary_key=True)
    hazard: str
    names: str
    features_digest: str
