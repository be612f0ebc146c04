"""Own interruptions and exposure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.interruptions import (
    EVIDENCE_WINDOW,
    MAX_GAP,
    Exposure,
    InterruptionEvent,
    InterruptionKind,
    OwnRecord,
    own_record,
)
from spotlab.domain.market import MarketName, Pool
from spotlab.domain.ports import By
from spotlab.store.audit import append
from spotlab.store.engine import lock_until_commit, reading, writing
from spotlab.store.tables.outcomes import ExposureRow, InterruptionEventRow

_LOCK: Final = "interruptions"


class SqlInterruptions:
    """Interruption events and exposure intervals in SQL.

    Args:
        engine: a migrated database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, events: Sequence[InterruptionEvent], by: By | None = None) -> int:
        """Record events; one that is known (instance, kind and time; for an instance seen
        reclaimed: instance and kind) adds nothing.

        Args:
            events: of any kind.
            by: a person who records them, for the audit log; None: SpotLab saw them itself.
        Returns:
            How many are new.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, _LOCK)
            return sum(_add(session, event, by) for event in events)

    def events(
        self, *, emulated: bool | None = None, since: datetime | None = None
    ) -> list[InterruptionEvent]:
        """Newest first; emulated None: those of every AWS."""
        query = select(InterruptionEventRow)
        if emulated is not None:
            query = query.where(col(InterruptionEventRow.emulated).is_(emulated))
        if since is not None:
            query = query.where(InterruptionEventRow.at >= since)
        newest = (col(InterruptionEventRow.at).desc(), col(InterruptionEventRow.id).desc())
        with reading(self._engine) as session:
            return [_event(row) for row in session.exec(query.order_by(*newest))]

    def seen_running(
        self,
        instances: Sequence[Instance],
        now: datetime,
        last_listed_at: datetime | None,
        *,
        emulated: bool,
    ) -> None:
        """Note that these instances run now; spot ones in state "running" count.

        Args:
            instances: as listed.
            now: when.
            last_listed_at: when the account was listed before; None: never. Over a longer gap
                than MAX_GAP nothing counts as exposure.
            emulated: of the emulated AWS.
        """
        watched = last_listed_at is not None and now - last_listed_at <= MAX_GAP
        with writing(self._engine) as session:
            lock_until_commit(session, _LOCK)
            for instance in instances:
                if instance.lifecycle is Lifecycle.SPOT and instance.state == "running":
                    watched_since = last_listed_at if watched else None
                    _extend(session, instance, now, watched_since, emulated)

    def exposures(self, *, emulated: bool, since: datetime) -> list[Exposure]:
        """Those that reach beyond a moment, by start."""
        query = (
            select(ExposureRow)
            .where(col(ExposureRow.emulated).is_(emulated), ExposureRow.ended_at > since)
            .order_by(col(ExposureRow.started_at), col(ExposureRow.id))
        )
        with reading(self._engine) as session:
            return [
                Exposure(
                    row.instance_id,
                    Pool.parse(row.pool),
                    row.started_at,
                    row.ended_at,
                    row.emulated,
                )
                for row in session.exec(query)
            ]

    def own_record(self, market: MarketName, now: datetime) -> OwnRecord:
        """What own instances went through in a market, over the last EVIDENCE_WINDOW.

        The simulated market learns from the emulated AWS alone, the public and the account's
        market from real instances alone, and a recorded market, which is past, from none.
        """
        if market is MarketName.RECORDED:
            return OwnRecord()
        emulated, since = market is MarketName.SIMULATED, now - EVIDENCE_WINDOW
        events = self.events(emulated=emulated, since=since)
        return own_record(events, self.exposures(emulated=emulated, since=since), since)


def _add(session: Session, event: InterruptionEvent, by: By | None) -> bool:
    row = InterruptionEventRow
    known = select(row.id).where(row.instance_id == event.instance_id, row.kind == event.kind.value)
    # An instance is terminated once, and each listing would see it so at another time.
    if event.kind is not InterruptionKind.RECLAIMED:
        known = known.where(row.at == event.at)
    if session.exec(known).first() is not None:
        return False
    session.add(
        InterruptionEventRow(
            instance_id=event.instance_id,
            pool=event.pool.key,
            at=event.at,
            kind=event.kind.value,
            source=event.source,
            recorded_at=event.recorded_at,
            emulated=event.emulated,
        )
    )
    session.flush()
    if by is not None:
        append(session, by, "event.add", event.instance_id, None, _audit_values(event))
    return True


def _audit_values(event: InterruptionEvent) -> dict[str, str]:
    """An event for the audit log."""
    return {
        "kind": event.kind.value,
        "pool": event.pool.key,
        "at": event.at.isoformat(),
        "source": event.source,
    }


def _extend(
    session: Session,
    instance: Instance,
    now: datetime,
    watched_since: datetime | None,
    emulated: bool,
) -> None:
    """Lengthen the instance's interval to now, or begin one.

    Time before the first look does not count: instances that were interrupted then are not there
    to be counted (delayed entry).
    """
    launched_at = instance.launched_at
    query = (
        select(ExposureRow)
        .where(
            ExposureRow.instance_id == instance.instance_id,
            ExposureRow.pool == instance.pool.key,
        )
        .order_by(col(ExposureRow.ended_at).desc())
        .limit(1)
    )
    last = session.exec(query).first()
    if last is not None and last.ended_at >= now:
        return
    started_anew = last is not None and launched_at is not None and launched_at > last.ended_at
    if last is not None and not started_anew and now - last.ended_at <= MAX_GAP:
        last.ended_at = now
        return
    begun = now
    if watched_since is not None and launched_at is not None and launched_at > watched_since:
        begun = min(launched_at, now)
    session.add(
        ExposureRow(
            instance_id=instance.instance_id,
            pool=instance.pool.key,
            started_at=begun,
            ended_at=now,
            emulated=emulated,
        )
    )


def _event(row: InterruptionEventRow) -> InterruptionEvent:
    assert row.id is not None, "a stored row has an id"
    return InterruptionEvent(
        instance_id=row.instance_id,
        pool=Pool.parse(row.pool),
        at=row.at,
        kind=InterruptionKind(row.kind),
        source=row.source,
        recorded_at=row.recorded_at,
        emulated=row.emulated,
        event_id=row.id,
    )
