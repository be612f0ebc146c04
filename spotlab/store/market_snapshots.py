"""The archive of market snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, extract, func
from sqlalchemy.orm import aliased, defer
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from spotlab.domain.market import (
    MAX_SET_ASIDE_REASONS,
    FeedKind,
    MarketName,
    Provenance,
    Snapshot,
)
from spotlab.domain.ports import SnapshotInfo
from spotlab.store.engine import lock_until_commit, reading, upsert, writing
from spotlab.store.frame_codec import pack_frame, unpack_frame
from spotlab.store.repository import Repository
from spotlab.store.tables.core import HomeStateRow, MarketSnapshotRow

_ACTIVE_MARKET: Final = "active_market"
_NEWEST_FIRST: Final = (
    col(MarketSnapshotRow.event_time).desc(),
    col(MarketSnapshotRow.id).desc(),
)
_INFO_COLUMNS: Final[Sequence[Any]] = [
    getattr(MarketSnapshotRow, each.name) for each in fields(SnapshotInfo)
]
"""The ORM would take ten times as long for many rows."""
_WITHOUT_ROWS: Final = defer(MarketSnapshotRow.payload, raiseload=True)  # type: ignore[arg-type]


class SqlArchive(Repository):
    """Snapshots in SQL, their rows as Parquet."""

    def save(self, snapshot: Snapshot) -> bool:
        """Store a snapshot; if it is already stored, only update fetched_at and validator.

        It is already stored if the newest of its kind, market and scope has the same digest, or if
        any has the same digest and event_time (so that reading a history again adds nothing).

        Returns:
            True if it is new.
        """
        payload = pack_frame(snapshot.rows)  # before the transaction, which others wait for
        with writing(self._engine) as session:
            lock_until_commit(session, f"{snapshot.kind}:{snapshot.market}:{snapshot.scope}")
            known = _known(session, snapshot)
            if known is None:
                session.add(_row(snapshot, payload))
            elif known.fetched_at < snapshot.origin.fetched_at:
                known.fetched_at = snapshot.origin.fetched_at
                known.validator = snapshot.validator
                _note_set_aside(known, snapshot)
            return known is None

    def latest(
        self, kind: FeedKind, market: MarketName, scope: str = "", at: datetime | None = None
    ) -> Snapshot | None:
        """The snapshot with the newest event_time, at most `at`; None: there is none."""
        query = _select(kind, market).where(MarketSnapshotRow.scope == scope)
        if at is not None:
            query = query.where(MarketSnapshotRow.event_time <= at)
        with reading(self._engine) as session:
            row = session.exec(query.order_by(*_NEWEST_FIRST).limit(1)).first()
        return None if row is None else _snapshot(row)

    def history(
        self, kind: FeedKind, market: MarketName, since: datetime, until: datetime
    ) -> list[Snapshot]:
        """Snapshots of every scope with since < event_time <= until, oldest first."""
        query = (
            _select(kind, market)
            .where(MarketSnapshotRow.event_time > since, MarketSnapshotRow.event_time <= until)
            .order_by(col(MarketSnapshotRow.event_time), col(MarketSnapshotRow.id))
        )
        with reading(self._engine) as session:
            rows = session.exec(query).all()
        return [_snapshot(row) for row in rows]

    def scopes(self, kind: FeedKind, market: MarketName) -> list[str]:
        """The scopes of all snapshots of a kind, sorted."""
        query = (
            select(MarketSnapshotRow.scope)
            .where(MarketSnapshotRow.kind == kind, MarketSnapshotRow.market == market)
            .distinct()
        )
        with reading(self._engine) as session:
            return sorted(session.exec(query))

    def infos(
        self,
        market: MarketName | None = None,
        kind: FeedKind | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[SnapshotInfo]:
        """Snapshots with since < event_time <= until, without their rows, newest first."""
        query = select(*_INFO_COLUMNS).where(*_limits(market, kind, since, until))
        with reading(self._engine) as session:
            rows = session.connection().execute(query.order_by(*_NEWEST_FIRST)).all()
        return [_info(*row) for row in rows]

    def newest(self, market: MarketName, at: datetime | None = None) -> list[SnapshotInfo]:
        """The newest snapshot of each kind and scope, at most `at`, newest event_time first.

        The database finds each in an index, however many older ones there are.
        """
        row, other = MarketSnapshotRow, aliased(MarketSnapshotRow)
        kinds = col(row.kind).in_([kind.value for kind in FeedKind])  # lets SQLite use the index
        scopes = (
            select(row.kind, row.scope)
            .where(kinds, row.market == market.value)
            .distinct()
            .subquery()
        )
        newest_id = select(other.id).where(
            other.kind == scopes.c.kind,
            other.market == market.value,
            other.scope == scopes.c.scope,
        )
        if at is not None:
            newest_id = newest_id.where(other.event_time <= at)
        newest_id = newest_id.order_by(col(other.event_time).desc(), col(other.id).desc()).limit(1)
        ids = select(newest_id.correlate(scopes).scalar_subquery()).select_from(scopes)
        query = select(*_INFO_COLUMNS).where(col(row.id).in_(ids)).order_by(*_NEWEST_FIRST)
        with reading(self._engine) as session:
            return [_info(*each) for each in session.connection().execute(query)]

    def largest(
        self, market: MarketName, kind: FeedKind, since: datetime, until: datetime, span_s: int
    ) -> list[SnapshotInfo]:
        """The two snapshots with the most rows of each scope and span of time, largest first.

        The database selects them in an index; later ones first if the number of rows is equal.
        """
        row = MarketSnapshotRow
        largest_first = (col(row.records).desc(), *_NEWEST_FIRST)
        span = func.floor(extract("epoch", col(row.event_time)) / span_s)
        rank = func.row_number().over(partition_by=(col(row.scope), span), order_by=largest_first)
        limits = _limits(market, kind, since, until)
        ranked = select(row.id, rank.label("rank")).where(*limits).subquery()
        ids = select(ranked.c.id).where(ranked.c.rank <= 2)
        query = select(*_INFO_COLUMNS).where(col(row.id).in_(ids)).order_by(*largest_first)
        with reading(self._engine) as session:
            return [_info(*each) for each in session.connection().execute(query)]

    def last_fetched_at(self, market: MarketName) -> datetime | None:
        """When any feed of a market was last read; None: never."""
        newest = select(func.max(MarketSnapshotRow.fetched_at))
        with reading(self._engine) as session:
            return session.exec(newest.where(MarketSnapshotRow.market == market.value)).one()

    def fetched_at(self, market: MarketName) -> dict[FeedKind, datetime]:
        """When each kind of feed of a market was last read."""
        newest = func.max(MarketSnapshotRow.fetched_at)
        query = select(MarketSnapshotRow.kind, newest).where(MarketSnapshotRow.market == market)
        with reading(self._engine) as session:
            rows = session.exec(query.group_by(col(MarketSnapshotRow.kind))).all()
        return {FeedKind(kind): at for kind, at in rows}

    def active_market(self) -> MarketName | None:
        """The active market; None before the first collect."""
        with reading(self._engine) as session:
            row = session.get(HomeStateRow, _ACTIVE_MARKET)
        return None if row is None else MarketName(row.value)

    def set_active_market(self, market: MarketName) -> None:
        """Make a market the active one."""
        with writing(self._engine) as session:
            upsert(session, HomeStateRow(key=_ACTIVE_MARKET, value=market.value))


def _select(kind: FeedKind, market: MarketName) -> SelectOfScalar[MarketSnapshotRow]:
    return select(MarketSnapshotRow).where(
        MarketSnapshotRow.kind == kind.value, MarketSnapshotRow.market == market.value
    )


def _known(session: Session, snapshot: Snapshot) -> MarketSnapshotRow | None:
    same_scope = (
        _select(snapshot.kind, snapshot.market)
        .where(MarketSnapshotRow.scope == snapshot.scope)
        .options(_WITHOUT_ROWS)
    )
    newest = session.exec(same_scope.order_by(*_NEWEST_FIRST).limit(1)).first()
    if newest is None or newest.digest == snapshot.digest:
        return newest
    return session.exec(
        same_scope.where(
            MarketSnapshotRow.event_time == snapshot.origin.event_time,
            MarketSnapshotRow.digest == snapshot.digest,
        )
    ).first()


def _row(snapshot: Snapshot, payload: bytes) -> MarketSnapshotRow:
    row = MarketSnapshotRow(
        kind=snapshot.kind.value,
        market=snapshot.market.value,
        scope=snapshot.scope,
        source=snapshot.origin.source,
        event_time=snapshot.origin.event_time,
        fetched_at=snapshot.origin.fetched_at,
        digest=snapshot.digest,
        validator=snapshot.validator,
        records=len(snapshot.rows),
        approximate=snapshot.origin.approximate,
        payload=payload,
    )
    _note_set_aside(row, snapshot)
    return row


def _note_set_aside(row: MarketSnapshotRow, snapshot: Snapshot) -> None:
    row.set_aside = snapshot.set_aside_count
    row.set_aside_reasons = list(snapshot.set_aside[:MAX_SET_ASIDE_REASONS]) or None


def _snapshot(row: MarketSnapshotRow) -> Snapshot:
    reasons = tuple(row.set_aside_reasons or ())
    return Snapshot(
        kind=FeedKind(row.kind),
        market=MarketName(row.market),
        scope=row.scope,
        origin=Provenance(row.source, row.event_time, row.fetched_at, row.approximate),
        digest=row.digest,
        rows=unpack_frame(row.payload),
        validator=row.validator,
        set_aside=reasons,
        more_set_aside=row.set_aside - len(reasons),
    )


def _limits(
    market: MarketName | None,
    kind: FeedKind | None,
    since: datetime | None,
    until: datetime | None,
) -> list[ColumnElement[bool]]:
    row = MarketSnapshotRow
    return [
        *([col(row.market) == market.value] if market is not None else []),
        *([col(row.kind) == kind.value] if kind is not None else []),
        *([col(row.event_time) > since] if since is not None else []),
        *([col(row.event_time) <= until] if until is not None else []),
    ]


def _info(kind: str, market: str, *others: Any) -> SnapshotInfo:
    *columns, reasons = others
    values: list[Any] = [FeedKind(kind), MarketName(market), *columns, tuple(reasons or ())]
    return SnapshotInfo(*values)
