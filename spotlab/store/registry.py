"""The model registry: model versions, their states and events."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlmodel import Session, col, select

from spotlab.domain.decision import Instance
from spotlab.domain.model_lifecycle import (
    ModelAction,
    ModelState,
    state_after,
    trusted,
    unusable_reason,
)
from spotlab.domain.ports import By, ModelEvent, ModelRecord
from spotlab.errors import InvalidInput, NotFound
from spotlab.store.audit import append
from spotlab.store.engine import lock_until_commit, reading, writing
from spotlab.store.fleet import refuse_changed
from spotlab.store.repository import Repository, field_values
from spotlab.store.tables.core import InstanceRow, ModelEventRow, ModelVersionRow

_LOCK: Final = "one change to the models"
_ENABLING: Final = frozenset({ModelAction.ENABLE, ModelAction.DISABLE})
_UNASSIGNED: Final = "champion"
_SYSTEM_ACTOR: Final = "spotlab"


class SqlModelRegistry(Repository):
    """Model versions in SQL; a unique index allows one champion per task.

    Changes are serialised, so the order of events is the order of changes, even if the clocks of
    the machines differ.
    """

    def register(self, record: ModelRecord, by: By | None = None) -> bool:
        """Register a candidate model, identified by name and version; True if new.

        Args:
            record: in state "candidate".
            by: who registers it; None: SpotLab, at record.registered_at.
        Raises:
            InvalidInput: the version exists with another digest, or the state is not candidate.
        """
        if record.state != ModelState.CANDIDATE:
            raise InvalidInput(
                f"Model {record.reference} cannot be registered as {record.state}.",
                remedy="Register it as a candidate; its state can be changed afterwards.",
            )
        with writing(self._engine) as session:
            lock_until_commit(session, _LOCK)
            known = session.get(ModelVersionRow, (record.name, record.version))
            if known is not None and known.digest != record.digest:
                raise InvalidInput(
                    f"Model {record.reference} is registered with another digest.",
                    remedy="Give the changed artefact a new version.",
                )
            if known is None:
                session.add(_row(record))
                signature = by or By(_SYSTEM_ACTOR, record.registered_at)
                _record_event(session, record, ModelAction.REGISTER, "", record.state, signature)
            return known is None

    def records(self) -> list[ModelRecord]:
        """All versions, ordered by name, newest version first."""
        with reading(self._engine) as session:
            records = [_record(row) for row in session.exec(select(ModelVersionRow))]
        newest_first = sorted(records, key=lambda each: _sort_key(each.version), reverse=True)
        return sorted(newest_first, key=lambda each: each.name)

    def trusts(self, name: str, version: str, digest: str) -> bool:
        """Whether a version with this digest is `model_lifecycle.trusted`; cheap."""
        row = ModelVersionRow
        query = select(row.digest, row.state, row.enabled).where(
            row.name == name, row.version == version
        )
        with reading(self._engine) as session:
            version_row = session.exec(query).first()
        if version_row is None:
            return False
        registered_digest, state, enabled = version_row
        return registered_digest == digest and trusted(state, enabled)

    def champion(self, task: str) -> ModelRecord | None:
        """The champion of a task."""
        with reading(self._engine) as session:
            row = _champion_row(session, task)
            return None if row is None else _record(row)

    def move(self, name: str, version: str, action: ModelAction, by: By) -> ModelRecord:
        """Apply an action of `domain/model_lifecycle`; a former champion becomes graduated.

        Raises:
            NotFound: no such version.
            InvalidInput: its state does not allow the action; nothing was changed.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, _LOCK)
            row = _version_row(session, name, version)
            before = _record(row)
            state, enabled = state_after(before.reference, before.state, before.enabled, action)
            if action is ModelAction.CHAMPION:
                _step_down(session, before, by)
            row.state, row.enabled = state, enabled
            after = _record(row)
            value = _enabled if action in _ENABLING else _state
            _record_event(session, after, action, value(before), value(after), by)
        return after

    def assign(
        self,
        instance_id: str,
        record: ModelRecord | None,
        by: By,
        expected: Instance | None = None,
    ) -> None:
        """Assign a model version to an instance; None: the champion evaluates it.

        Raises:
            NotFound: the instance or the version does not exist.
            ChangedMeanwhile: the instance is not as `expected`.
            InvalidInput: the version is disabled, rejected or archived.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, _LOCK)
            instance = session.get(InstanceRow, instance_id, with_for_update=True)
            if instance is None:
                raise NotFound(
                    f"Instance {instance_id!r} is not in the fleet.",
                    remedy="Check its id, or collect its account first.",
                )
            refuse_changed(instance, expected)
            assigned = None
            if record is not None:
                assigned = _record(_version_row(session, record.name, record.version))
                _check_usable(assigned)
            former, instance.model = instance.model, assigned.reference if assigned else None
            if former == instance.model:
                return
            before = former or _UNASSIGNED
            after = instance.model or _UNASSIGNED
            change = _Assignment(instance_id, before, after, by)
            if former is not None:
                name, _, version = former.partition("@")
                unassigned = session.get(ModelVersionRow, (name, version))
                task = unassigned.task if unassigned is not None else ""
                change.note(session, name, version, task, ModelAction.UNASSIGN)
            if assigned is not None:
                change.note(
                    session, assigned.name, assigned.version, assigned.task, ModelAction.ASSIGN
                )

    def record_rejection(self, name: str, version: str, task: str, by: By) -> None:
        """Record that an upload was rejected; by.reason is the reason."""
        with writing(self._engine) as session:
            lock_until_commit(session, _LOCK)
            session.add(_event_row(_event(name, version, task, ModelAction.REFUSE, by)))
            append(session, by, "model.refuse", f"{name}@{version}")

    def events(self, name: str | None = None, limit: int | None = None) -> list[ModelEvent]:
        """Model events, newest first; name None: of all models; limit None: all."""
        query = select(ModelEventRow).order_by(col(ModelEventRow.id).desc()).limit(limit)
        if name is not None:
            query = query.where(ModelEventRow.name == name)
        with reading(self._engine) as session:
            return [_to_event(row) for row in session.exec(query)]

    def champion_event_at(self, task: str, at: datetime) -> ModelEvent | None:
        """The event that made the champion of a task at a time; None: there was no champion."""
        query = (
            select(ModelEventRow)
            .where(ModelEventRow.task == task, ModelEventRow.after == ModelState.CHAMPION.value)
            .where(col(ModelEventRow.instance_id) == "", col(ModelEventRow.at) <= at)
            .order_by(col(ModelEventRow.id).desc())
        )
        with reading(self._engine) as session:
            row = session.exec(query).first()
            return None if row is None else _to_event(row)


@dataclass(frozen=True, slots=True)
class _Assignment:
    instance_id: str
    before: str
    after: str
    by: By

    def note(
        self, session: Session, name: str, version: str, task: str, action: ModelAction
    ) -> None:
        event = _event(name, version, task, action, self.by)
        event = replace(event, before=self.before, after=self.after, instance_id=self.instance_id)
        session.add(_event_row(event))
        session.flush()
        if action is ModelAction.ASSIGN or self.after == _UNASSIGNED:
            append(session, self.by, "instance.model", self.instance_id, self.before, self.after)


def _version_row(session: Session, name: str, version: str) -> ModelVersionRow:
    row = session.get(ModelVersionRow, (name, version))
    if row is None:
        raise NotFound(
            f"Model {name}@{version} is not registered.",
            remedy="`spotlab models list` lists the registered versions.",
        )
    return row


def _champion_row(session: Session, task: str) -> ModelVersionRow | None:
    query = select(ModelVersionRow).where(
        ModelVersionRow.task == task, ModelVersionRow.state == ModelState.CHAMPION.value
    )
    return session.exec(query).first()


def _step_down(session: Session, successor: ModelRecord, by: By) -> None:
    row = _champion_row(session, successor.task)
    if row is None:
        return
    before, row.state = row.state, ModelState.GRADUATED.value
    session.flush()  # the index allows one champion per task at any time
    reason = f"{successor.reference} became the champion. {by.reason}".strip()
    signature = replace(by, reason=reason)
    _record_event(session, _record(row), ModelAction.STEP_DOWN, before, row.state, signature)


def _check_usable(record: ModelRecord) -> None:
    if reason := unusable_reason(record.state, record.enabled):
        raise InvalidInput(
            f"Model {record.reference} {reason}.",
            remedy="Assign a version that is in use.",
        )


def _state(record: ModelRecord) -> str:
    return record.state


def _enabled(record: ModelRecord) -> str:
    return "enabled" if record.enabled else "disabled"


def _record_event(
    session: Session, record: ModelRecord, action: ModelAction, before: str, after: str, by: By
) -> None:
    event = _event(record.name, record.version, record.task, action, by)
    session.add(_event_row(replace(event, before=before, after=after)))
    session.flush()  # ids in the order of the changes
    append(session, by, f"model.{action.value}", record.reference, before or None, after)


def _event(name: str, version: str, task: str, action: ModelAction, by: By) -> ModelEvent:
    return ModelEvent(0, by.at, by.actor, name, version, task, action.value, "", "", by.reason)


def _event_row(event: ModelEvent) -> ModelEventRow:
    values = field_values(event)
    del values["event_id"]  # assigned by the database
    return ModelEventRow(**values)


def _to_event(row: ModelEventRow) -> ModelEvent:
    values = row.model_dump()
    return ModelEvent(event_id=values.pop("id"), **values)


def _sort_key(version: str) -> list[tuple[int, int, str]]:
    """Sort key of a version: 1.10.0 is newer than 1.9.0 and than 1.10.0-rc1."""
    parts = re.findall(r"\d+|[A-Za-z]+", version)
    numbers_over_words = [(2, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]
    return [*numbers_over_words, (1, 0, "")]


def _row(record: ModelRecord) -> ModelVersionRow:
    return ModelVersionRow(**field_values(record) | {"card": dict(record.card)})


def _record(row: ModelVersionRow) -> ModelRecord:
    return ModelRecord(**row.model_dump())
