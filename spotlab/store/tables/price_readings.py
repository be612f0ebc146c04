"""Tables of price histories that are being read page by page."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, Index, LargeBinary
from sqlmodel import Field

from spotlab.store.tables.base import Base
from spotlab.store.types import UtcDateTime


class PriceReadingRow(Base, table=True):
    """How far the price history of a region is read; see `PriceReading`."""

    __tablename__ = "price_readings"

    market: str = Field(primary_key=True)
    region: str = Field(primary_key=True)
    number: int
    state: str
    covers_since: datetime = Field(sa_type=UtcDateTime)
    since: datetime = Field(sa_type=UtcDateTime)
    until: datetime = Field(sa_type=UtcDateTime)
    resume_at: datetime = Field(sa_type=UtcDateTime)
    pages: int
    records: int
    newest_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    set_aside: int
    set_aside_reasons: list[str] = Field(sa_type=JSON)


class PricePageRow(Base, table=True):
    """A page of an unfinished reading; `payload` holds its rows as Parquet."""

    __tablename__ = "price_pages"
    __table_args__ = (Index(None, "market", "region"),)

    id: int | None = Field(default=None, primary_key=True)
    market: str
    region: str
    number: int
    stored_until: datetime = Field(sa_type=UtcDateTime)
    payload: bytes = Field(sa_type=LargeBinary)
    set_aside: list[str] = Field(sa_type=JSON)
