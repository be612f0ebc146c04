"""Interruption events and exposure of own instances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlmodel import Session, col, func, select

from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.hazard_curve import merged
from spotlab.domain.interruptions import (
    EVIDENCE_WINDOW,
    MAX_GAP,
    SIGNAL_WINDOW,
    Exposure,
    InterruptionEvent,
    InterruptionKind,
    OwnRecord,
    own_record,
    pool_signals,
    short_signals,
)
from spotlab.domain.market import MarketName, Pool
from spotlab.domain.placement import USUAL_FOR, score_falls
from spotlab.domain.ports import By
from spotlab.store.audit import append
from spotlab.store.engine import lock_until_commit, reading, writing
from spotlab.store.placement import SqlPlacement
from spotlab.store.repository import Repository
from spotlab.store.tables.outcomes import ExposureRow, InterruptionEventRow

EVIDENCE_LOCK: Final = "interruptions"


class SqlInterruptions(Repository):
    """Interruption events and exposure intervals in SQL."""

    def add(self, events: Sequence[InterruptionEvent], by: By | None = None) -> int:
        """Record events, except those already recorded.

        An event is identified by instance, kind and time; a reclaim by instance and kind.

        Args:
            events: of any kind.
            by: the user who records them, for the audit log; None: observed by SpotLab.
        Returns:
            The number of new events.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, EVIDENCE_LOCK)
            return sum(add_event(session, event, by) for event in events)

    def events(
        self, *, emulated: bool | None = None, since: datetime | None = None
    ) -> list[InterruptionEvent]:
        """Events, newest first; emulated None: of emulated and real AWS."""
        query = select(InterruptionEventRow)
        if emulated is not None:
            query = query.where(col(InterruptionEventRow.emulated).is_(emulated))
        if since is not None:
            query = query.where(InterruptionEventRow.at >= since)
        newest = (col(InterruptionEventRow.at).desc(), col(InterruptionEventRow.id).desc())
        with reading(self._engine) as session:
            return [_event(row) for row in session.exec(query.order_by(*newest))]

    def record_running(
        self,
        instances: Sequence[Instance],
        now: datetime,
        last_listed_at: datetime | None,
        *,
        emulated: bool,
    ) -> None:
        """Record that these instances are running; only spot instances in state "running" count.

        Args:
            instances: as listed.
            now: time of the listing.
            last_listed_at: when the account was listed before; None: never. A gap longer than
                MAX_GAP does not count as exposure.
            emulated: whether they are of the emulated AWS.
        """
        recent = last_listed_at is not None and now - last_listed_at <= MAX_GAP
        observed_since = last_listed_at if recent else None
        with writing(self._engine) as session:
            lock_until_commit(session, EVIDENCE_LOCK)
            for instance in instances:
                if instance.lifecycle is Lifecycle.SPOT and instance.state == "running":
                    _extend(session, instance, now, observed_since, emulated)

    def exposures(self, *, emulated: bool, since: datetime) -> list[Exposure]:
        """Exposure intervals that end after a time, ordered by start."""
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

    def newest_id(self) -> int:
        """Id of the newest recorded event; 0: there is none."""
        with reading(self._engine) as session:
            return session.exec(select(func.max(InterruptionEventRow.id))).one() or 0

    def own_record(self, market: MarketName, now: datetime) -> OwnRecord:
        """Interruptions and exposure of own instances over the last EVIDENCE_WINDOW.

        The simulated market uses instances of the emulated AWS only, the public and the account
        market real instances only, and a recorded market, which is in the past, none.
        """
        if market is MarketName.RECORDED:
            return OwnRecord()
        emulated, since = market is MarketName.SIMULATED, now - EVIDENCE_WINDOW
        events = self.events(emulated=emulated, since=since)
        record = own_record(events, self.exposures(emulated=emulated, since=since), since)
        recent = now - SIGNAL_WINDOW
        answers = SqlPlacement(self._engine).since(now - USUAL_FOR, emulated=emulated)
        return replace(
            record,
            signals=pool_signals(events, recent),
            short=merged(short_signals(events, recent), score_falls(answers, now)),
        )


def add_event(session: Session, event: InterruptionEvent, by: By | None = None) -> bool:
    """Record an event unless it is recorded; EVIDENCE_LOCK is held. Returns whether it is new."""
    row = InterruptionEventRow
    query = select(row.id).where(row.instance_id == event.instance_id, row.kind == event.kind.value)
    # An instance is reclaimed once, but every listing observes it at another time.
    if event.kind is not InterruptionKind.RECLAIMED:
        query = query.where(row.at == event.at)
    if session.exec(query).first() is not None:
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
    observed_since: datetime | None,
    emulated: bool,
) -> None:
    """Extend the instance's interval to now, or start a new one.

    Time before the first observation does not count: instances interrupted before it would be
    missing (delayed entry).
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
    restarted = last is not None and launched_at is not None and launched_at > last.ended_at
    if last is not None and not restarted and now - last.ended_at <= MAX_GAP:
        last.ended_at = now
        return
    started_at = now
    if observed_since is not None and launched_at is not None and launched_at > observed_since:
        started_at = min(launched_at, now)
    session.add(
        ExposureRow(
            instance_id=instance.instance_id,
            pool=instance.pool.key,
            started_at=started_at,
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
