"""Effects of events: evidence, marks on instances and exposure, inside the events' transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Table, bindparam, inspect, update
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from spotlab.domain.decision import Lifecycle
from spotlab.domain.interruptions import MAX_GAP
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account
from spotlab.domain.spot_events import ENDED_STATES, RecordedEvent, Signal, SpotEvent, signal_of
from spotlab.store.engine import insert_new_rows
from spotlab.store.fleet import signal_of_columns
from spotlab.store.tables.core import AccountRow, InstanceRow
from spotlab.store.tables.outcomes import ExposureRow, InterruptionEventRow

SOURCE: Final = "EventBridge"


@dataclass(slots=True)
class KnownInstance:
    """What an event may change of an instance.

    Args:
        pool: where it runs.
        on_spot: whether it is a spot instance.
        state: its state.
        state_at: of the newest event or listing that says so; None: unknown.
        signal: its last one.
        active: whether it is in the fleet.
    """

    pool: Pool
    on_spot: bool
    state: str
    state_at: datetime | None
    signal: Signal | None
    active: bool


def instances_of(
    session: Session, account: Account, instance_ids: Collection[str]
) -> dict[str, KnownInstance]:
    """The account's instances by id; those of other accounts are unknown to it."""
    row: Any = InstanceRow
    pool = (row.region, row.availability_zone, row.instance_type, row.operating_system)
    rest = (row.lifecycle, row.state, row.state_at, row.active)
    signal = (row.signal_kind, row.signal_at, row.notice_ends_at)
    query = select_columns(row.instance_id, *pool, *rest, *signal).where(
        col(row.instance_id).in_(instance_ids), col(row.account) == account.name
    )
    listing = select_columns(col(AccountRow.listed_at)).where(col(AccountRow.name) == account.name)
    connection = session.connection()
    listed_at = connection.execute(listing).scalar()
    known = {}
    for each in connection.execute(query):
        times = [at for at in (each.state_at, listed_at) if at is not None]
        known[each.instance_id] = KnownInstance(
            Pool(each.region, each.availability_zone, each.instance_type, each.operating_system),
            each.lifecycle == Lifecycle.SPOT.value,
            each.state,
            max(times, default=None),
            signal_of_columns(each.signal_kind, each.signal_at, each.notice_ends_at),
            each.active,
        )
    return known


def apply_effects(
    session: Session,
    account: Account,
    recorded: Sequence[RecordedEvent],
    known: Mapping[str, KnownInstance],
) -> None:
    """The effects of new events; EVIDENCE_LOCK is held."""
    evidence: list[dict[str, Any]] = []
    changed: dict[str, KnownInstance] = {}
    for each in sorted(recorded, key=lambda one: one.event.at):
        event, instance = each.event, known.get(each.event.instance_id)
        if instance is None:
            continue
        if event.kind.interruption is not None and instance.on_spot:
            evidence.append(_evidence(account, each, instance.pool))
        signal = signal_of(event)
        if signal is None:
            if _changes_state(session, account, event, instance):
                changed[event.instance_id] = instance
        elif signal.follows(instance.signal):
            instance.signal = signal
            changed[event.instance_id] = instance
    insert_new_rows(session, InterruptionEventRow, evidence)
    if changed:
        row = InstanceRow
        table = inspect(row).local_table
        assert isinstance(table, Table), "a row's class has a table"
        statement = update(table).where(table.c.instance_id == bindparam("changed_id"))
        values = [_marks(instance_id, each) for instance_id, each in sorted(changed.items())]
        session.connection().execute(statement, values)


def _evidence(account: Account, recorded: RecordedEvent, pool: Pool) -> dict[str, Any]:
    return {
        "instance_id": recorded.event.instance_id,
        "pool": pool.key,
        "at": recorded.event.at,
        "kind": recorded.event.kind.value,
        "source": SOURCE,
        "recorded_at": recorded.received_at,
        "emulated": account.emulated,
    }


def _marks(instance_id: str, known: KnownInstance) -> dict[str, Any]:
    signal = known.signal
    return {
        "changed_id": instance_id,
        "state": known.state,
        "state_at": known.state_at,
        "active": known.active,
        "signal_kind": signal.kind.value if signal is not None else None,
        "signal_at": signal.at if signal is not None else None,
        "notice_ends_at": signal.notice_ends_at if signal is not None else None,
    }


def _changes_state(
    session: Session, account: Account, event: SpotEvent, instance: KnownInstance
) -> bool:
    """Set the state of an instance and its exposure, unless something newer is known."""
    if instance.state_at is not None and event.at < instance.state_at:
        return False
    was = instance.state
    instance.state, instance.state_at = event.state, event.at
    if event.state in ENDED_STATES:
        instance.active = False
    if not instance.on_spot:
        return True
    if event.state == "running" and was != "running":
        _start_exposure(session, account, event, instance.pool)
    elif was == "running" and event.state != "running":
        _end_exposure(session, event)
    return True


def _start_exposure(session: Session, account: Account, event: SpotEvent, pool: Pool) -> None:
    """Start an interval, which the next listing extends."""
    last = _last_exposure(session, event.instance_id)
    if last is None or last.ended_at < event.at:
        session.add(
            ExposureRow(
                instance_id=event.instance_id,
                pool=pool.key,
                started_at=event.at,
                ended_at=event.at,
                emulated=account.emulated,
            )
        )
        session.flush()


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
