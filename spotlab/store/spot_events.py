"""Events from queues, with their effects: each once, in one transaction with the event itself."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import case, func, update
from sqlmodel import col, select

from spotlab.domain.market import Pool
from spotlab.domain.ports import Account
from spotlab.domain.spot_events import (
    Effect,
    Evaluation,
    QueueState,
    RecordedEvent,
    RefusedMessage,
    SpotEvent,
    SpotEventKind,
)
from spotlab.store.engine import insert_new_rows, lock_until_commit, reading, upsert, writing
from spotlab.store.interruptions import EVIDENCE_LOCK
from spotlab.store.repository import Repository, field_values
from spotlab.store.spot_event_effects import KnownInstance, apply_effects, instances_of
from spotlab.store.tables.spot_events import EventQueueRow, RefusedMessageRow, SpotEventRow

EVALUATED_WITHIN: Final = timedelta(hours=1)
"""An event that is older when it arrives starts no evaluation: the scheduled ones include it."""


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
            known = instances_of(session, account, {each.instance_id for each in events})
            received = [
                _received(account, by_id[key], known.get(by_id[key].instance_id), now)
                for key in sorted(by_id)
            ]
            new = insert_new_rows(session, SpotEventRow, [_values(each) for each in received])
            recorded = [each for each in received if each.event.event_id in new]
            apply_effects(session, account, recorded, known)
            return recorded

    def refuse(self, messages: Sequence[RefusedMessage]) -> int:
        """Record refused messages, except those already recorded; returns how many are new."""
        if not messages:
            return 0
        rows = [field_values(each) for each in messages]
        rows.sort(key=lambda each: str(each["message_id"]))
        with writing(self._engine) as session:
            return len(insert_new_rows(session, RefusedMessageRow, rows))

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


def _received(
    account: Account, event: SpotEvent, instance: KnownInstance | None, now: datetime
) -> RecordedEvent:
    starts = (
        instance is not None
        and event.state in ("", "running")
        and now - event.at <= EVALUATED_WITHIN
    )
    return RecordedEvent(
        event,
        account.name,
        instance.pool if instance is not None else None,
        now,
        Effect.RECORDED if instance is not None else Effect.UNKNOWN_INSTANCE,
        Evaluation.PENDING if starts else Evaluation.NONE,
    )


def _values(recorded: RecordedEvent) -> dict[str, Any]:
    return field_values(recorded.event) | {
        "kind": recorded.event.kind.value,
        "account": recorded.account,
        "pool": recorded.pool.key if recorded.pool is not None else None,
        "received_at": recorded.received_at,
        "effect": recorded.effect.value,
        "evaluation": recorded.evaluation.value,
        "evaluated_at": None,
        "experiment_id": None,
    }


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
