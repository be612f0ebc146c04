"""Progress of reading price histories, in SQL: a row for each region, and its pages as Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
from sqlalchemy import delete
from sqlmodel import Session, col, select

from spotlab.domain.market import MarketName
from spotlab.domain.ports import PricePage, PriceReading
from spotlab.errors import ChangedMeanwhile
from spotlab.store.engine import lock_until_commit, reading, writing
from spotlab.store.frame_codec import pack_table, unpack_table
from spotlab.store.repository import Repository
from spotlab.store.tables.price_readings import PricePageRow, PriceReadingRow

_MAX_REASONS: Final = 50
_NAMES: Final = ["zone", "instance_type"]


class SqlPriceReadings(Repository):
    """Readings in SQL. `number` and `until` tell a process that another one has changed them."""

    def get(self, market: MarketName, region: str) -> PriceReading | None:
        """The reading of a region; None: it was never begun."""
        with reading(self._engine) as session:
            row = session.get(PriceReadingRow, (market.value, region))
            return None if row is None else _reading(row)

    def begin(
        self, market: MarketName, region: str, since: datetime, until: datetime
    ) -> PriceReading:
        """Begin a new window; pages of an unfinished one are deleted."""
        with writing(self._engine) as session:
            lock_until_commit(session, _lock(market, region))
            _delete_pages(session, market, region)
            row = session.get(PriceReadingRow, (market.value, region))
            begun = PriceReadingRow(
                market=market.value,
                region=region,
                number=1 if row is None else row.number + 1,
                state="reading",
                covers_since=since,
                since=since,
                until=until,
                resume_at=until,
                pages=0,
                records=0,
                newest_at=None if row is None else row.newest_at,
                set_aside=0 if row is None else row.set_aside,
                set_aside_reasons=[] if row is None else row.set_aside_reasons,
            )
            return _reading(session.merge(begun))

    def extend(self, reading: PriceReading, since: datetime, until: datetime) -> PriceReading:
        """Continue a complete reading with a later window; its pages stay."""
        with writing(self._engine) as session:
            row = _unchanged(session, reading)
            row.state, row.since, row.until, row.resume_at = "reading", since, until, until
            return _reading(row)

    def add(
        self, reading: PriceReading, page: PricePage, resume_at: datetime, *, complete: bool
    ) -> PriceReading:
        """Store a page, and how far the window is read with it."""
        payload = _pack(page)  # before the transaction, which others wait for
        with writing(self._engine) as session:
            row = _unchanged(session, reading)
            if len(page) or page.set_aside:
                session.add(
                    PricePageRow(
                        market=row.market,
                        region=row.region,
                        number=row.number,
                        stored_until=row.until,
                        payload=payload,
                        set_aside=list(page.set_aside),
                    )
                )
                row.pages += 1
                row.records += len(page) + len(page.set_aside)
            row.resume_at = resume_at
            row.state = "complete" if complete else "reading"
            return _reading(row)

    def pages(self, reading: PriceReading) -> Iterator[PricePage]:
        """Its pages, one at a time, in the order in which they were stored."""
        after = 0
        while True:
            row = self._page_after(reading, after)
            if row is None:
                return
            after = row.id or 0
            yield _unpack(row)

    def _page_after(self, of: PriceReading, after: int) -> PricePageRow | None:
        query = select(PricePageRow).where(
            PricePageRow.market == of.market.value,
            PricePageRow.region == of.region,
            PricePageRow.number == of.number,
            col(PricePageRow.id) > after,
        )
        with reading(self._engine) as session:
            return session.exec(query.order_by(col(PricePageRow.id)).limit(1)).first()

    def archived(
        self, reading: PriceReading, newest_at: datetime, set_aside: Sequence[str]
    ) -> None:
        """Mark a reading as archived and delete its pages, unless another process has done so."""
        with suppress(ChangedMeanwhile), writing(self._engine) as session:
            row = _unchanged(session, reading)
            row.state, row.newest_at, row.pages = "archived", newest_at, 0
            row.set_aside, row.set_aside_reasons = len(set_aside), list(set_aside[:_MAX_REASONS])
            _delete_pages(session, reading.market, reading.region)

    def discard(self, reading: PriceReading) -> None:
        """Delete a reading that cannot be used; the next one begins anew."""
        with suppress(ChangedMeanwhile), writing(self._engine) as session:
            row = _unchanged(session, reading)
            row.state, row.number, row.pages = "archived", row.number + 1, 0
            _delete_pages(session, reading.market, reading.region)


def _lock(market: MarketName, region: str) -> str:
    return f"price_readings:{market}:{region}"


def _unchanged(session: Session, reading: PriceReading) -> PriceReadingRow:
    """The row of a reading, unless another process has changed its window or archived it."""
    lock_until_commit(session, _lock(reading.market, reading.region))
    row = session.get(PriceReadingRow, (reading.market.value, reading.region))
    if row is None or row.state == "archived" or _window(_reading(row)) != _window(reading):
        raise ChangedMeanwhile(
            f"Another process has read the price history of {reading.region} meanwhile.",
            remedy="Collect again.",
        )
    return row


def _window(reading: PriceReading) -> tuple[Any, ...]:
    return reading.number, reading.since, reading.until


def _delete_pages(session: Session, market: MarketName, region: str) -> None:
    of_region = (col(PricePageRow.market) == market.value, col(PricePageRow.region) == region)
    session.connection().execute(delete(PricePageRow).where(*of_region))


def _reading(row: PriceReadingRow) -> PriceReading:
    return PriceReading(
        market=MarketName(row.market),
        region=row.region,
        number=row.number,
        state=row.state,  # type: ignore[arg-type]
        covers_since=row.covers_since,
        since=row.since,
        until=row.until,
        resume_at=row.resume_at,
        pages=row.pages,
        records=row.records,
        newest_at=row.newest_at,
    )


def _pack(page: PricePage) -> bytes:
    columns = {
        "zone": pa.array(page.zones, pa.string()),
        "instance_type": pa.array(page.instance_types, pa.string()),
        "time_us": page.times_us,
        "usd_per_hour": page.usd_per_hour,
    }
    return pack_table(pa.table(columns), dictionary=_NAMES)


def _unpack(row: PricePageRow) -> PricePage:
    table = unpack_table(row.payload)
    return PricePage(
        zones=table["zone"].to_pylist(),
        instance_types=table["instance_type"].to_pylist(),
        times_us=table["time_us"].to_numpy().astype(np.int64),
        usd_per_hour=table["usd_per_hour"].to_numpy().astype(np.float64),
        set_aside=tuple(row.set_aside),
    )
