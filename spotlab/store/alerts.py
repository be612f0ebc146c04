"""Alert rules, and the outbox of notifications."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import func, update
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from spotlab.domain.alert_state import FiringAlert, Message
from spotlab.domain.alerts import AlertRule, Channel, Condition
from spotlab.domain.ports import By, Delivery, DeliveryState
from spotlab.errors import ChangedMeanwhile, NotFound
from spotlab.store import audit
from spotlab.store.engine import reading, writing
from spotlab.store.repository import Repository
from spotlab.store.tables.monitoring import AlertRow, AlertRuleRow

_WAITING: Final = DeliveryState.WAITING.value


class SqlAlerts(Repository):
    """Rules and alerts in SQL."""

    def rules(self) -> list[AlertRule]:
        """All rules, ordered by name."""
        query = select(AlertRuleRow).order_by(AlertRuleRow.name, AlertRuleRow.rule_id)
        with reading(self._engine) as session:
            return [_rule(row) for row in session.exec(query)]

    def rule(self, rule_id: str) -> AlertRule:
        """One rule. Raises NotFound."""
        with reading(self._engine) as session:
            return _rule(_row(session, rule_id))

    def sealed(self, rule_id: str) -> str:
        """The sealed address of its receiver. Raises NotFound."""
        with reading(self._engine) as session:
            return _row(session, rule_id).sealed_address

    def add(self, rule: AlertRule, sealed: str, by: By) -> None:
        """Store a new rule."""
        with writing(self._engine) as session:
            session.add(AlertRuleRow(**_values(rule), sealed_address=sealed))
            session.flush()
            audit.append(session, by, "alert.add", rule.rule_id, None, _audit_values(rule))

    def change(
        self, rule: AlertRule, sealed: str | None, by: By, expected: AlertRule | None = None
    ) -> AlertRule:
        """Replace a rule; its conditions are evaluated from scratch.

        Args:
            rule: the new values.
            sealed: encrypted address of its receiver; None: unchanged.
            by: who changes it.
            expected: the rule before the change; None: any.
        Returns:
            The rule as stored.
        Raises:
            NotFound, ChangedMeanwhile: nothing was changed.
        """
        with writing(self._engine) as session:
            row = _row(session, rule.rule_id, for_update=True)
            current = _rule(row)
            before = _audit_values(current)
            if expected is not None and _changed(current, expected):
                raise ChangedMeanwhile(
                    f"Alert rule {rule.rule_id!r} was changed meanwhile.", remedy="Read it again."
                )
            for name, value in (_values(rule) | {"state": {}}).items():
                setattr(row, name, value)
            if sealed is not None:
                row.sealed_address = sealed
            if not rule.enabled:
                _cancel(session, rule.rule_id, "The rule was disabled.")
            session.flush()
            after = _audit_values(rule) | ({"address": "changed"} if sealed is not None else {})
            audit.append(session, by, "alert.change", rule.rule_id, before, after)
            return _rule(row)

    def delete(self, rule_id: str, by: By) -> None:
        """Delete a rule and cancel its waiting notifications. Raises NotFound."""
        with writing(self._engine) as session:
            row = _row(session, rule_id, for_update=True)
            before = _audit_values(_rule(row))
            _cancel(session, rule_id, "The rule was deleted.")
            session.delete(row)
            session.flush()
            audit.append(session, by, "alert.delete", rule_id, before, None)

    def record_firing(
        self, rule_id: str, rung: Mapping[str, FiringAlert], messages: Sequence[Message]
    ) -> bool:
        """Store which alerts fire, and queue notifications; False: rule deleted or disabled."""
        with writing(self._engine) as session:
            row = session.get(AlertRuleRow, rule_id, with_for_update=True)
            if row is None or not row.enabled:
                return False
            row.state = msgspec.to_builtins(dict(rung))
            about = {"id": rule_id, "name": row.name, "kind": row.kind}
            for message in messages:
                session.add(
                    AlertRow(
                        rule_id=rule_id,
                        key=message.key,
                        at=message.at,
                        message={"rule": about, **msgspec.to_builtins(message)},
                        state=_WAITING,
                        attempts=0,
                        next_try_at=message.at,
                        sent_at=None,
                        error="",
                    )
                )
        return True

    def due(self, now: datetime, limit: int) -> list[Delivery]:
        """Notifications to be sent now, oldest first."""
        query = select(AlertRow).where(AlertRow.state == _WAITING, col(AlertRow.next_try_at) <= now)
        with reading(self._engine) as session:
            rows = session.exec(query.order_by(col(AlertRow.id)).limit(limit)).all()
        return [_delivery(row) for row in rows]

    def claim(self, delivery: Delivery, next_try_at: datetime | None) -> bool:
        """Count an attempt before it is made; False: already made, or cancelled."""
        claimed = (
            update(AlertRow)
            .where(
                col(AlertRow.id) == delivery.alert_id,
                col(AlertRow.state) == _WAITING,
                col(AlertRow.attempts) == delivery.attempts,
            )
            .values(
                attempts=delivery.attempts + 1,
                next_try_at=next_try_at,
                error="Being sent; no response yet.",
            )
        )
        with writing(self._engine) as session:
            return bool(session.connection().execute(claimed).rowcount)

    def settle(self, alert_id: int, sent_at: datetime | None, error: str, *, final: bool) -> None:
        """Record the result of an attempt."""
        state = DeliveryState.SENT if sent_at else DeliveryState.FAILED if final else None
        values: dict[str, Any] = {"error": error, "sent_at": sent_at}
        if state is not None:
            values |= {"state": state.value, "next_try_at": None}
        settled = update(AlertRow).where(
            col(AlertRow.id) == alert_id, col(AlertRow.state) == _WAITING
        )
        with writing(self._engine) as session:
            session.connection().execute(settled.values(values))

    def history(
        self,
        rule_ids: Sequence[str] | None = None,
        *,
        before: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Delivery]:
        """Notifications, newest first (of some rules; before an alert's number)."""
        query = _of_rules(select(AlertRow), rule_ids)
        if before is not None:
            query = query.where(col(AlertRow.id) < before)
        newest = query.order_by(col(AlertRow.id).desc()).limit(limit).offset(offset)
        with reading(self._engine) as session:
            return [_delivery(row) for row in session.exec(newest)]

    def count(self, rule_ids: Sequence[str] | None = None) -> int:
        """Number of notifications."""
        with reading(self._engine) as session:
            return int(
                session.exec(_of_rules(select(func.count(col(AlertRow.id))), rule_ids)).one()
            )


def _of_rules(query: SelectOfScalar[Any], rule_ids: Sequence[str] | None) -> SelectOfScalar[Any]:
    return query if rule_ids is None else query.where(col(AlertRow.rule_id).in_(rule_ids))


def _cancel(session: Session, rule_id: str, why: str) -> None:
    waiting = update(AlertRow).where(
        col(AlertRow.rule_id) == rule_id, col(AlertRow.state) == _WAITING
    )
    cancelled = DeliveryState.CANCELLED.value
    session.connection().execute(waiting.values(state=cancelled, next_try_at=None, error=why))


def _row(session: Session, rule_id: str, *, for_update: bool = False) -> AlertRuleRow:
    row = session.get(AlertRuleRow, rule_id, with_for_update=for_update)
    if row is None:
        raise NotFound(f"There is no alert rule {rule_id!r}.", remedy="List the alert rules.")
    return row


def _rule(row: AlertRuleRow) -> AlertRule:
    return AlertRule(
        rule_id=row.rule_id,
        name=row.name,
        condition=msgspec.convert(row.about, Condition),
        channel=Channel(row.channel),
        shown_address=row.shown_address,
        enabled=row.enabled,
        created_at=row.created_at,
        created_by=row.created_by,
        rung=msgspec.convert(row.state, dict[str, FiringAlert]),
        address_mark=_address_mark(row.sealed_address),
    )


def _address_mark(sealed: str) -> str:
    """A digest that changes with every encryption, even of the same address."""
    return hashlib.blake2b(sealed.encode(), digest_size=8).hexdigest()


def _changed(rule: AlertRule, expected: AlertRule) -> bool:
    marks = {rule.address_mark, expected.address_mark}
    return _audit_values(rule) != _audit_values(expected) or ("" not in marks and len(marks) > 1)


def _values(rule: AlertRule) -> dict[str, Any]:
    return {
        "rule_id": rule.rule_id,
        "name": rule.name,
        "kind": rule.condition.kind.value,
        "about": msgspec.to_builtins(rule.condition),
        "channel": rule.channel.value,
        "shown_address": rule.shown_address,
        "enabled": rule.enabled,
        "created_at": rule.created_at,
        "created_by": rule.created_by,
        "state": msgspec.to_builtins(dict(rule.rung)),
    }


def _audit_values(rule: AlertRule) -> dict[str, Any]:
    """A rule for the audit log, without the secret part of the receiver's address."""
    values = _values(rule)
    return {
        name: values[name]
        for name in ("name", "kind", "about", "channel", "shown_address", "enabled")
    }


def _delivery(row: AlertRow) -> Delivery:
    assert row.id is not None, "a stored row has an id"
    return Delivery(
        alert_id=row.id,
        rule_id=row.rule_id,
        at=row.at,
        message=row.message,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        next_try_at=row.next_try_at,
        sent_at=row.sent_at,
        error=row.error,
    )
