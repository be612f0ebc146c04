"""Switches and their journals in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
from sqlalchemy import Select, func, update
from sqlmodel import Session, col, select

from spotlab.domain.ports import By
from spotlab.domain.switch_filter import SwitchFilter
from spotlab.domain.switch_steps import Step
from spotlab.domain.switches import (
    DRIVEN_STATES,
    OPEN_STATES,
    JournalEntry,
    Phase,
    Switch,
    SwitchState,
    resumed,
)
from spotlab.errors import ChangedMeanwhile, Conflict, NotFound
from spotlab.store.audit import append
from spotlab.store.engine import insert_new, lock_until_commit, reading, writing
from spotlab.store.repository import Repository
from spotlab.store.tables.switches import SwitchJournalRow, SwitchRow

__all__ = ["SqlSwitches", "SwitchFilter"]
_EVERYTHING: Final = SwitchFilter()
_ASKED: Final = ("pause_requested", "rollback_requested")
"""Columns that users write while a driver saves the others."""


class SqlSwitches(Repository):
    """Switches in SQL. A driver writes inside `engine.fenced`."""

    def create(self, switch: Switch, by: By, entries: Sequence[JournalEntry] = ()) -> Switch:
        """Store a new switch, with its first journal entries.

        Args:
            switch: version is ignored.
            by: for the audit log.
            entries: of the journal.
        Returns:
            The switch as stored.
        Raises:
            Conflict: another switch of the instance is open.
        """
        stored = replace(switch, version=1)
        with writing(self._engine) as session:
            lock_until_commit(session, f"switches:{switch.instance_id}")
            other = _open_of(session, switch.instance_id)
            if other is not None:
                raise _already_open(other.switch_id, switch.instance_id)
            if not insert_new(session, _row(stored)):
                raise Conflict(
                    f"The switch {switch.switch_id} exists already.", remedy="Use another id."
                )
            _append(session, switch.switch_id, entries)
            append(session, by, "switch.request", switch.switch_id, None, _summary(stored))
        return stored

    def get(self, switch_id: str) -> Switch:
        """One switch. Raises NotFound."""
        with reading(self._engine) as session:
            row = session.get(SwitchRow, switch_id)
            if row is None:
                raise NotFound(
                    f"There is no switch {switch_id!r}.", remedy="List the switches for their ids."
                )
            return _switch(row)

    def list(
        self, where: SwitchFilter = _EVERYTHING, *, limit: int = 100, offset: int = 0
    ) -> list[Switch]:
        """Switches, newest request first."""
        query = _filtered(select(SwitchRow), where).order_by(
            col(SwitchRow.requested_at).desc(), col(SwitchRow.switch_id).desc()
        )
        with reading(self._engine) as session:
            return [_switch(row) for row in session.exec(query.offset(offset).limit(limit))]

    def count(self, where: SwitchFilter = _EVERYTHING) -> int:
        """Number of matching switches."""
        query = _filtered(select(func.count()).select_from(SwitchRow), where)
        with reading(self._engine) as session:
            return int(session.exec(query).one())

    def open_of(self, instance_id: str) -> Switch | None:
        """The open switch of an instance; None: none."""
        with reading(self._engine) as session:
            row = _open_of(session, instance_id)
            return None if row is None else _switch(row)

    def drivable(self, limit: int = 100) -> Sequence[str]:
        """Ids of switches that wait for a driver or whose driver may be gone, oldest first."""
        states = [state.value for state in DRIVEN_STATES]
        resumed = (col(SwitchRow.state) == SwitchState.PAUSED.value) & (
            ~col(SwitchRow.pause_requested) | col(SwitchRow.rollback_requested)
        )
        asked_back = (col(SwitchRow.state) == SwitchState.NEEDS_ATTENTION.value) & col(
            SwitchRow.rollback_requested
        )
        query = (
            select(SwitchRow.switch_id)
            .where(col(SwitchRow.state).in_(states) | resumed | asked_back)
            .order_by(col(SwitchRow.requested_at), col(SwitchRow.switch_id))
            .limit(limit)
        )
        with reading(self._engine) as session:
            return list(session.exec(query))

    def save(
        self, switch: Switch, entries: Sequence[JournalEntry] = (), by: By | None = None
    ) -> Switch:
        """Store a changed switch and append to its journal, in one transaction.

        `pause_requested` and `rollback_requested` are not written: see `ask`.

        Args:
            switch: with the version on which the change is based.
            entries: of the journal.
            by: the user whose action this is, for the audit log; None: a driver's.
        Returns:
            The switch with its new version, and with what users have asked meanwhile.
        Raises:
            ChangedMeanwhile: the stored version is another; nothing was written.
            Fenced: another driver has taken over; nothing was written.
        """
        row = _row(replace(switch, version=switch.version + 1))
        values = {
            name: getattr(row, name)
            for name in SwitchRow.model_fields
            if name != "switch_id" and name not in _ASKED
        }
        change = (
            update(SwitchRow)
            .where(
                col(SwitchRow.switch_id) == switch.switch_id,
                col(SwitchRow.version) == switch.version,
            )
            .values(**values)
        )
        with writing(self._engine) as session:
            before = _summary_of(session, switch.switch_id) if by is not None else None
            if session.connection().execute(change).rowcount != 1:
                raise ChangedMeanwhile(
                    f"The switch {switch.switch_id} has changed since version {switch.version}.",
                    remedy="Read it again.",
                )
            _append(session, switch.switch_id, entries)
            if by is not None:
                action = f"switch.{switch.state.value}"
                append(session, by, action, switch.switch_id, before, _summary(switch))
            stored = session.get_one(SwitchRow, switch.switch_id)
            return _switch(stored)

    def ask(
        self, switch_id: str, by: By, *, pause: bool | None = None, roll_back: bool | None = None
    ) -> Switch:
        """Ask the driver to pause, to continue, or to roll back; it answers at its next step.

        Args:
            switch_id: of an open switch.
            by: for the audit log and the journal.
            pause: True: stop before the next step that cannot be undone; False: continue, also
                if the switch needed attention.
            roll_back: True: undo what was done.
        Raises:
            NotFound: no such switch.
            Conflict: it is finished.
        """
        asked = {"pause_requested": pause, "rollback_requested": roll_back}
        values = {name: value for name, value in asked.items() if value is not None}
        with writing(self._engine) as session:
            lock_until_commit(session, f"switch:{switch_id}")
            row = session.get(SwitchRow, switch_id)
            if row is None:
                raise NotFound(f"There is no switch {switch_id!r}.")
            if not row.is_open:
                raise Conflict(
                    f"The switch {switch_id} is finished ({row.state}).",
                    remedy="Request another switch.",
                )
            before = {name: getattr(row, name) for name in values}
            if pause is False and row.state == SwitchState.NEEDS_ATTENTION.value:
                _replace(session, row, resumed(_switch(row)))
            for name, value in values.items():
                setattr(row, name, value)
            session.flush()
            detail = {"by": by.actor, "reason": by.reason, **values}
            entry = JournalEntry(switch_id, 0, by.at, _step(row.step), "ask", Phase.NOTE, detail)
            _append(session, switch_id, [entry])
            append(session, by, "switch.ask", switch_id, before, values)
            return _switch(row)

    def note(self, entry: JournalEntry) -> None:
        """Append one entry to a journal without changing the switch."""
        with writing(self._engine) as session:
            _append(session, entry.switch_id, [entry])

    def journal(
        self, switch_id: str, after: int = 0, limit: int = 10_000
    ) -> Sequence[JournalEntry]:
        """The journal of a switch in order, from the entry after this position."""
        query = (
            select(SwitchJournalRow)
            .where(SwitchJournalRow.switch_id == switch_id, SwitchJournalRow.seq > after)
            .order_by(col(SwitchJournalRow.seq))
            .limit(limit)
        )
        with reading(self._engine) as session:
            return [_entry(row) for row in session.exec(query)]


def _replace(session: Session, row: SwitchRow, switch: Switch) -> None:
    """Overwrite a row with a switch, under the next version."""
    new = _row(replace(switch, version=row.version + 1))
    for name in SwitchRow.model_fields:
        if name != "switch_id" and name not in _ASKED:
            setattr(row, name, getattr(new, name))
    session.add(row)


def _filtered(query: Select[Any], where: SwitchFilter) -> Any:
    row = SwitchRow
    conditions: list[Any] = []
    if where.accounts is not None:
        conditions.append(col(row.account).in_(where.accounts))
    if where.instance_id is not None:
        conditions.append(
            (col(row.instance_id) == where.instance_id)
            | (col(row.new_instance_id) == where.instance_id)
        )
    if where.states is not None:
        conditions.append(col(row.state).in_([state.value for state in where.states]))
    if where.open is not None:
        conditions.append(col(row.is_open).is_(where.open))
    if where.pool is not None:
        conditions.append((col(row.pool) == where.pool) | (col(row.target_pool) == where.pool))
    if where.since is not None:
        conditions.append(col(row.requested_at) >= where.since)
    if where.started_since is not None:
        conditions.append(col(row.started_at) >= where.started_since)
    if where.dry_run is not None:
        conditions.append(col(row.dry_run).is_(where.dry_run))
    if where.experiment_id is not None:
        conditions.append(col(row.experiment_id) == where.experiment_id)
    if where.before is not None:
        at, switch_id = where.before
        conditions.append(
            (col(row.requested_at) < at)
            | ((col(row.requested_at) == at) & (col(row.switch_id) < switch_id))
        )
    return query.where(*conditions)


def _open_of(session: Session, instance_id: str) -> SwitchRow | None:
    query = select(SwitchRow).where(
        SwitchRow.instance_id == instance_id, col(SwitchRow.is_open).is_(True)
    )
    return session.exec(query).first()


def _already_open(switch_id: str, instance_id: str) -> Conflict:
    return Conflict(
        f"The switch {switch_id} of {instance_id} is still open.",
        remedy="Wait until it is finished, or roll it back.",
    )


def _append(session: Session, switch_id: str, entries: Sequence[JournalEntry]) -> None:
    if not entries:
        return
    lock_until_commit(session, f"switch-journal:{switch_id}")
    query = select(func.max(SwitchJournalRow.seq)).where(SwitchJournalRow.switch_id == switch_id)
    last = session.exec(query).one() or 0
    for seq, entry in enumerate(entries, start=last + 1):
        session.add(
            SwitchJournalRow(
                switch_id=switch_id,
                seq=seq,
                at=entry.at,
                step=entry.step.value if entry.step is not None else "",
                action=entry.action,
                phase=entry.phase.value,
                detail=msgspec.to_builtins(entry.detail),
                attempt=entry.attempt,
                token=entry.token,
            )
        )
    session.flush()


def _row(switch: Switch) -> SwitchRow:
    return SwitchRow(
        switch_id=switch.switch_id,
        account=switch.account,
        instance_id=switch.instance_id,
        pool=switch.pool.key,
        target_pool=switch.requested.pool.key,
        experiment_id=switch.experiment_id,
        state=switch.state.value,
        is_open=switch.state in OPEN_STATES,
        step=switch.step.value if switch.step is not None else "",
        dry_run=switch.dry_run,
        requested_by=switch.requested_by,
        requested_at=switch.requested_at,
        expires_at=switch.expires_at,
        started_at=switch.started_at,
        finished_at=switch.finished_at,
        new_instance_id=switch.got.instance_id if switch.got is not None else "",
        pause_requested=switch.pause_requested,
        rollback_requested=switch.rollback_requested,
        version=switch.version,
        details=msgspec.to_builtins(switch),
    )


def _switch(row: SwitchRow) -> Switch:
    own = {name: getattr(row, name) for name in (*_ASKED, "version")}
    return msgspec.convert({**row.details, **own}, Switch)


def _entry(row: SwitchJournalRow) -> JournalEntry:
    return JournalEntry(
        switch_id=row.switch_id,
        seq=row.seq,
        at=row.at,
        step=_step(row.step),
        action=row.action,
        phase=Phase(row.phase),
        detail=row.detail,
        attempt=row.attempt,
        token=row.token,
    )


def _step(stored: str) -> Step | None:
    return Step(stored) if stored else None


def _summary(switch: Switch) -> dict[str, Any]:
    """What the audit log says about a switch."""
    return {
        "instance": switch.instance_id,
        "account": switch.account,
        "target": switch.requested.label,
        "state": switch.state.value,
        "dry_run": switch.dry_run,
    }


def _summary_of(session: Session, switch_id: str) -> dict[str, Any] | None:
    row = session.get(SwitchRow, switch_id)
    summary = None if row is None else _summary(_switch(row))
    session.expire_all()
    return summary
