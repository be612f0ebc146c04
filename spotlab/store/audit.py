"""The audit log: every change, each chained to the one before it by a hash.

Call `append` in the transaction of the change itself, so that both are written or neither.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC
from typing import Any, Final

from sqlalchemy import ColumnElement, func, not_, or_
from sqlmodel import Session, col, select

from spotlab.domain.ports import By
from spotlab.domain.ports.access import AuditCheck, AuditEntry, AuditFilter
from spotlab.errors import DatabaseDown, InvalidInput
from spotlab.store.engine import lock_until_commit, reading, writing
from spotlab.store.repository import Repository
from spotlab.store.tables.access import ApiTokenRow, AuditRow, SessionRow
from spotlab.store.tables.core import InstanceRow
from spotlab.store.tables.switches import SwitchRow
from spotlab.store.types import to_json

_LOCK: Final = "audit log"
_BATCH: Final = 1000
_DIGEST_PREFIX: Final = re.compile(r"[0-9a-f]{16,64}")
EVERYTHING: Final = AuditFilter()


def append(
    session: Session, by: By, action: str, target: str, before: Any = None, after: Any = None
) -> None:
    """Add an entry in an open transaction.

    Args:
        session: of the change itself.
        by: who, when, why, and through which interface.
        action: name of the change, such as "instance.shadow".
        target: what is changed, such as an instance id.
        before, after: JSON values without secrets; None: no value.
    """
    lock_until_commit(session, _LOCK)
    last = session.exec(select(AuditRow).order_by(col(AuditRow.number).desc()).limit(1)).first()
    row = AuditRow(
        number=last.number + 1 if last is not None else 1,
        at=by.at,
        actor=by.actor,
        via=by.via,
        action=action,
        target=target,
        before=_text(before),
        after=_text(after),
        reason=by.reason,
        previous=last.digest if last is not None else "",
        digest="",
    )
    row.digest = _digest(row)
    session.add(row)
    session.flush()


class SqlAudit(Repository):
    """The audit log in SQL."""

    def add(self, by: By, action: str, target: str, before: Any = None, after: Any = None) -> None:
        """Add an entry in its own transaction, for a change that is not in SQL."""
        with writing(self._engine) as session:
            append(session, by, action, target, before, after)

    def entries(
        self, where: AuditFilter = EVERYTHING, *, limit: int = 100, offset: int = 0
    ) -> list[AuditEntry]:
        """Matching entries, newest first."""
        query = select(AuditRow).where(*_conditions(where))
        newest = query.order_by(col(AuditRow.number).desc()).limit(limit).offset(offset)
        with reading(self._engine) as session:
            return [_entry(row) for row in session.exec(newest)]

    def count(self, where: AuditFilter = EVERYTHING) -> int:
        """Number of matching entries."""
        query = select(func.count(col(AuditRow.number))).where(*_conditions(where))
        with reading(self._engine) as session:
            return int(session.exec(query).one())

    def check(self, head: str = "") -> AuditCheck:
        """Verify the hash chain; see `check`."""
        return check(lambda: reading(self._engine), head)


OpenSession = Callable[[], AbstractContextManager[Session]]


def check(open_session: OpenSession, head: str = "") -> AuditCheck:
    """Verify the hash chain from the first entry to the last.

    Args:
        open_session: opens a session per batch of entries, so that none stays open for long.
        head: the head that an earlier check reported, or at least its first 16 digits. It must be
            the digest of an entry: the chain alone does not reveal that its end was cut off or
            that all of it was rewritten.
    Raises:
        InvalidInput: `head` is not the beginning of a digest.
    """
    if head and not _DIGEST_PREFIX.fullmatch(head):
        raise InvalidInput(f"{head!r} is not a digest.", remedy="Enter 16 to 64 hex digits.")
    previous, number, found = "", 0, False
    for stored_number, row in _rows(open_session):
        number += 1
        if row is None or (fault := _fault(row, number, previous)):
            reason = f"Entry {number} cannot be read." if row is None else fault
            return AuditCheck(number - 1, stored_number, reason, previous)
        previous, found = row.digest, found or row.digest.startswith(head)
    if head and not found:
        reason = f"No entry has the stored head {head}: entries were removed or rewritten."
        return AuditCheck(number, number + 1, reason, previous)
    return AuditCheck(number, None, "", previous)


def _rows(open_session: OpenSession) -> Iterator[tuple[int, AuditRow | None]]:
    """Every entry with its number, also invalid numbers below 1; None: unreadable."""
    batch = select(AuditRow.number).order_by(col(AuditRow.number)).limit(_BATCH)
    query = batch
    while True:
        with open_session() as session:
            numbers = session.exec(query).all()
        if not numbers:
            return
        yield from _read_batch(open_session, numbers)
        query = batch.where(col(AuditRow.number) > numbers[-1])


def _read_batch(
    open_session: OpenSession, numbers: Sequence[int]
) -> Iterator[tuple[int, AuditRow | None]]:
    rows: Sequence[AuditRow] = ()
    query = select(AuditRow).where(col(AuditRow.number).between(numbers[0], numbers[-1]))
    try:
        with open_session() as session:
            rows = session.exec(query.order_by(col(AuditRow.number))).all()
    except (TypeError, ValueError, DatabaseDown):
        with open_session() as session:  # raises if the database fails, rather than a value
            session.exec(select(func.count(col(AuditRow.number)))).one()
        if len(numbers) == 1:
            yield numbers[0], None
            return
        half = len(numbers) // 2
        yield from _read_batch(open_session, numbers[:half])
        yield from _read_batch(open_session, numbers[half:])
    yield from ((row.number, row) for row in rows)


def _conditions(where: AuditFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if where.actor is not None:
        conditions.append(col(AuditRow.actor) == where.actor)
    if where.action is not None:
        conditions.append(_action_is(where.action))
    if where.target is not None:
        conditions.append(col(AuditRow.target) == where.target)
    if where.since is not None:
        conditions.append(col(AuditRow.at) >= where.since)
    if where.before is not None:
        conditions.append(col(AuditRow.number) < where.before)
    if where.accounts is not None:
        conditions += _visible_to(where.accounts, where.alert_rules, where.users)
    return conditions


def _action_is(action: str) -> ColumnElement[bool]:
    column = col(AuditRow.action)
    return or_(column == action, column.startswith(f"{action}.", autoescape=True))


def _visible_to(
    accounts: Sequence[str], alert_rules: Sequence[str], users: Sequence[str]
) -> list[ColumnElement[bool]]:
    target = col(AuditRow.target)
    instances = select(InstanceRow.instance_id).where(col(InstanceRow.account).in_(accounts))
    sessions = select(SessionRow.session_id).where(col(SessionRow.user).in_(users))
    tokens = select(ApiTokenRow.token_id).where(col(ApiTokenRow.user).in_(users))
    switches = select(SwitchRow.switch_id).where(col(SwitchRow.account).in_(accounts))
    return [
        or_(not_(_action_is("switch")), target.in_(switches)),
        or_(not_(_action_is("switching")), target.in_((*accounts, "installation"))),
        or_(not_(or_(_action_is("user"), _action_is("link"))), target.in_(users)),
        or_(not_(_action_is("session")), target.in_(sessions)),
        or_(not_(_action_is("token")), target.in_(tokens)),
        or_(not_(_action_is("account")), target.in_(accounts)),
        or_(not_(or_(_action_is("instance"), _action_is("event"))), target.in_(instances)),
        or_(not_(_action_is("alert")), target.in_(alert_rules)),
    ]


def _text(value: Any) -> str:
    return "" if value is None else to_json(value)


def _digest(row: AuditRow) -> str:
    """SHA-256 over all other fields, as a JSON list so that the fields stay separate.

    The time is written in UTC to the microsecond, as both databases store it.
    """
    at = row.at.astimezone(UTC).isoformat(timespec="microseconds")
    fields = [row.number, at, row.actor, row.via, row.action, row.target, row.before, row.after]
    text = json.dumps([*fields, row.reason, row.previous], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _fault(row: AuditRow, number: int, previous: str) -> str:
    if row.number != number:
        return f"Entry {number} is missing."
    if row.previous != previous:
        return f"Entry {number} does not follow the one before it."
    try:
        changed = row.digest != _digest(row)
    except TypeError:  # SQLite can store bytes in a text column
        changed = True
    return f"Entry {number} was changed since it was written." if changed else ""


def _entry(row: AuditRow) -> AuditEntry:
    values = row.model_dump()
    for name in ("before", "after"):
        values[name] = json.loads(values[name]) if values[name] else None
    return AuditEntry(**values)
