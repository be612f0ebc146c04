"""Events from queues, with their effects: each once, in one transaction with the event itself."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import case, func, update
from sqlmodel import Session, col, select

from spotlab.domain.decision import Lifecycle
from spotlab.domain.interruptions import MAX_GAP, InterruptionEvent
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account
from spotlab.domain.spot_events import (
    ENDED_STATES,
    Effect,
    Evaluation,
    QueueState,
    RecordedEvent,
    RefusedMessage,
    SpotEvent,
    SpotEventKind,
    signal_of,
)
from spotlab.store.engine import insert_new_rows, lock_until_commit, reading, upsert, writing
from spotlab.store.fleet import signal_in
from spotlab.store.interruptions import EVIDENCE_LOCK, add_event
from spotlab.store.repository import Repository, field_values
from spotlab.store.tables.core import AccountRow, InstanceRow
from spotlab.store.tables.outcomes import ExposureRow
from spotlab.store.tables.spot_events import EventQueueRow, RefusedMessageRow, SpotEventRow

EVALUATED_WITHIN: Final = timedelta(hours=1)
"""An event that is older when it arrives starts no evaluation: the scheduled ones include it."""
SOURCE: Final = "EventBridge"


class SqlSpotEvents(Repository):
    """Events, refused messages and readings of queues in SQL."""

    def record(
        self, account: Account, events: Sequence[SpotEvent], now: datetime
    ) -> list[RecordedEvent]:
        """Record events and apply their effects, all or none; those already recorded are skipped.

        An event of a known instance is evidence of its pool, marks the instance, and may start an
        evaluation. Events may come in any order and repeatedly.

        Args:
            account: whose queue they came from.
            events: in any order.
            now: when they were received, aware UTC.
        Returns:
            The new events.
        Raises:
            DatabaseDown: nothing was recorded.
        """
        by_id = {event.event_id: event for event in events}
        if not by_id:
            return []
        with writing(self._engine) as session:
            lock_until_commit(session, EVIDENCE_LOCK)
            instances = _instances(session, account, {each.instance_id for each in events})
            rows = [
                _row(account, by_id[key], instances.get(by_id[key].instance_id), now)
                for key in sorted(by_id)
            ]
            new = insert_new_rows(session, rows)
            recorded = [_recorded(row) for row in rows if row.event_id in new]
            listed_at = session.exec(
                select(AccountRow.listed_at).where(AccountRow.name == account.name)
            ).first()
            for each in sorted(recorded, key=lambda one: one.event.at):
                instance = instances.get(each.event.instance_id)
                if instance is not None:
                    _apply(session, account, each, instance, listed_at)
            return recorded

    def refuse(self, messages: Sequence[RefusedMessage]) -> int:
        """Record refused messages, except those already recorded; returns how many are new."""
        if not messages:
            return 0
        ordered = sorted(messages, key=lambda each: each.message_id)
        rows = [RefusedMessageRow(**field_values(each)) for each in ordered]
        with writing(self._engine) as session:
            return len(insert_new_rows(session, rows))

    def note_queue(self, state: QueueState) -> None:
        """Record the last reading of a queue."""
        with writing(self._engine) as session:
            upsert(session, EventQueueRow(**field_values(state)))

    def queues(self) -> list[QueueState]:
        """The last reading of each queue, ordered by account and region."""
        query = select(EventQueueRow).order_by(
            col(EventQueueRow.account), col(EventQueueRow.region)
        )
        with reading(self._engine) as session:
            return [
                QueueState(row.account, row.region, row.read_at, row.error)
                for row in session.exec(query)
            ]

    def pending(self) -> list[RecordedEvent]:
        """Events that start an evaluation which has not been made, oldest first."""
        query = (
            select(SpotEventRow)
            .where(SpotEventRow.evaluation == Evaluation.PENDING.value)
            .order_by(col(SpotEventRow.received_at), col(SpotEventRow.event_id))
        )
        with reading(self._engine) as session:
            return [_recorded(row) for row in session.exec(query)]

    def note_evaluated(
        self,
        event_ids: Collection[str],
        at: datetime,
        experiment_id: int | None,
        evaluation: Evaluation = Evaluation.DONE,
    ) -> None:
        """Record that pending events were evaluated, or that none is made any more."""
        change = (
            update(SpotEventRow)
            .where(
                col(SpotEventRow.event_id).in_(event_ids),
                col(SpotEventRow.evaluation) == Evaluation.PENDING.value,
            )
            .values(
                evaluation=evaluation.value,
                evaluated_at=at if evaluation is Evaluation.DONE else None,
                experiment_id=experiment_id,
            )
        )
        with writing(self._engine) as session:
            session.connection().execute(change)

    def last_evaluations(self, instance_ids: Collection[str]) -> dict[str, datetime]:
        """When each instance was last evaluated because of an event, by id."""
        row = SpotEventRow
        query = (
            select(row.instance_id, func.max(row.evaluated_at))
            .where(col(row.instance_id).in_(instance_ids), col(row.evaluated_at).is_not(None))
            .group_by(row.instance_id)
        )
        with reading(self._engine) as session:
            found = session.exec(query).all()
        return {instance_id: at for instance_id, at in found if at is not None}

    def list(
        self,
        *,
        accounts: Collection[str] | None = None,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> list[RecordedEvent]:
        """Events, newest first.

        Args:
            accounts: of these only; None: of all.
            since: of this time and later.
            limit: the most to return.
        """
        row = SpotEventRow
        query = select(row).order_by(col(row.at).desc(), col(row.event_id)).limit(limit)
        if accounts is not None:
            query = query.where(col(row.account).in_(accounts))
        if since is not None:
            query = query.where(row.at >= since)
        with reading(self._engine) as session:
            return [_recorded(each) for each in session.exec(query)]

    def refused(
        self, *, accounts: Collection[str] | None = None, limit: int | None = None
    ) -> builtins.list[RefusedMessage]:
        """Refused messages, newest first; see `list`."""
        row = RefusedMessageRow
        query = select(row).order_by(col(row.refused_at).desc(), col(row.message_id)).limit(limit)
        if accounts is not None:
            query = query.where(col(row.account).in_(accounts))
        with reading(self._engine) as session:
            return [RefusedMessage(**each.model_dump()) for each in session.exec(query)]

    def counts(self, accounts: Collection[str] | None = None) -> Mapping[str, int]:
        """Number of events by kind, of unknown instances, and of refused messages."""
        row, refused = SpotEventRow, RefusedMessageRow
        unknown = func.sum(case((col(row.effect) == Effect.UNKNOWN_INSTANCE.value, 1), else_=0))
        events = select(row.kind, func.count(), unknown).group_by(row.kind)
        messages = select(func.count()).select_from(refused)
        if accounts is not None:
            events = events.where(col(row.account).in_(accounts))
            messages = messages.where(col(refused.account).in_(accounts))
        counts = dict.fromkeys((kind.value for kind in SpotEventKind), 0)
        counts[Effect.UNKNOWN_INSTANCE.value] = 0
        with reading(self._engine) as session:
            for kind, count, unknown_count in session.exec(events):
                counts[kind] = count
                counts[Effect.UNKNOWN_INSTANCE.value] += int(unknown_count)
            counts["refused"] = session.exec(messages).one()
        return counts


def _instances(
    session: Session, account: Account, instance_ids: Collection[str]
) -> Mapping[str, InstanceRow]:
    """The account's instances by id; those of other accounts are unknown to it."""
    query = select(InstanceRow).where(
        col(InstanceRow.instance_id).in_(instance_ids), InstanceRow.account == account.name
    )
    return {row.instance_id: row for row in session.exec(query)}


def _row(
    account: Account, event: SpotEvent, instance: InstanceRow | None, now: datetime
) -> SpotEventRow:
    values: dict[str, Any] = field_values(event) | {"kind": event.kind.value}
    starts = (
        instance is not None
        and event.state not in ENDED_STATES | {"stopping", "stopped", "pending"}
        and now - event.at <= EVALUATED_WITHIN
    )
    return SpotEventRow(
        **values,
        account=account.name,
        pool=_pool(instance).key if instance is not None else None,
        received_at=now,
        effect=(Effect.RECORDED if instance is not None else Effect.UNKNOWN_INSTANCE).value,
        evaluation=(Evaluation.PENDING if starts else Evaluation.NONE).value,
    )


def _apply(
    session: Session,
    account: Account,
    recorded: RecordedEvent,
    instance: InstanceRow,
    listed_at: datetime | None,
) -> None:
    """The effects of a new event; EVIDENCE_LOCK is held."""
    event, pool = recorded.event, _pool(instance)
    on_spot = instance.lifecycle == Lifecycle.SPOT.value
    if event.kind.interruption is not None and on_spot:
        evidence = InterruptionEvent(
            event.instance_id,
            pool,
            event.at,
            event.kind.interruption,
            SOURCE,
            recorded.received_at,
            account.emulated,
        )
        add_event(session, evidence)
    signal = signal_of(event)
    if signal is None:
        _change_state(session, account, event, instance, listed_at)
    elif signal.follows(signal_in(instance)):
        instance.signal_kind = signal.kind.value
        instance.signal_at = signal.at
        instance.notice_ends_at = signal.notice_ends_at


def _change_state(
    session: Session,
    account: Account,
    event: SpotEvent,
    instance: InstanceRow,
    listed_at: datetime | None,
) -> None:
    """Set the state of an instance and its exposure, unless something newer is known."""
    known = [each for each in (instance.state_at, listed_at) if each is not None]
    if known and event.at < max(known):
        return
    was = instance.state
    instance.state, instance.state_at = event.state, event.at
    if event.state in ENDED_STATES:
        instance.active = False
    if instance.lifecycle != Lifecycle.SPOT.value:
        return
    if event.state == "running" and was != "running":
        _start_exposure(session, account, event, instance)
    elif was == "running" and event.state != "running":
        _end_exposure(session, event)


def _start_exposure(
    session: Session, account: Account, event: SpotEvent, instance: InstanceRow
) -> None:
    """Start an interval, which the next listing extends."""
    last = _last_exposure(session, event.instance_id)
    if last is None or last.ended_at < event.at:
        session.add(
            ExposureRow(
                instance_id=event.instance_id,
                pool=_pool(instance).key,
                started_at=event.at,
                ended_at=event.at,
                emulated=account.emulated,
            )
        )


def _end_exposure(session: Session, event: SpotEvent) -> None:
    """Extend the last interval of an instance to the time at which it stopped running."""
    last = _last_exposure(session, event.instance_id)
    if last is not None and timedelta(0) < event.at - last.ended_at <= MAX_GAP:
        last.ended_at = event.at


def _last_exposure(session: Session, instance_id: str) -> ExposureRow | None:
    query = (
        select(ExposureRow)
        .where(ExposureRow.instance_id == instance_id)
        .order_by(col(ExposureRow.ended_at).desc())
        .limit(1)
    )
    return session.exec(query).first()


def _pool(row: InstanceRow) -> Pool:
    return Pool(row.region, row.availability_zone, row.instance_type, row.operating_system)


def _recorded(row: SpotEventRow) -> RecordedEvent:
    return RecordedEvent(
        SpotEvent(
            row.event_id,
            SpotEventKind(row.kind),
            row.instance_id,
            row.aws_account_id,
            row.region,
            row.at,
            row.state,
        ),
        row.account,
        Pool.parse(row.pool) if row.pool is not None else None,
        row.received_at,
        Effect(row.effect),
        Evaluation(row.evaluation),
        row.evaluated_at,
        row.experiment_id,
    )
