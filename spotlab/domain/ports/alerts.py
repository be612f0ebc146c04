"""Port of alert rules and what was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from spotlab.domain.alert_state import Message, Ringing
from spotlab.domain.alerts import AlertRule
from spotlab.domain.ports.models import By


class DeliveryState(StrEnum):
    """What became of telling an alert."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Delivery:
    """An alert, and what became of telling it.

    Args:
        alert_id: grows; a receiver sees it, and may drop what it has seen.
        rule_id: whose.
        at: when it was found, aware UTC.
        message: as JSON values.
        state: what became of it.
        attempts: how often it was tried.
        next_try_at: when it is tried (again); None: never.
        sent_at: when the receiver took it; None: it has not.
        error: what the receiver answered last, where it did not take it.
    """

    alert_id: int
    rule_id: str
    at: datetime
    message: Mapping[str, Any]
    state: DeliveryState
    attempts: int
    next_try_at: datetime | None
    sent_at: datetime | None
    error: str


class Alerts(Protocol):
    """Rules and what was sent, in SQL."""

    def rules(self) -> Sequence[AlertRule]:
        """By name."""
        ...

    def rule(self, rule_id: str) -> AlertRule:
        """One of them. Raises NotFound."""
        ...

    def sealed(self, rule_id: str) -> str:
        """The sealed address of its receiver. Raises NotFound."""
        ...

    def add(self, rule: AlertRule, sealed: str, by: By) -> None:
        """Keep a new rule."""
        ...

    def change(
        self, rule: AlertRule, sealed: str | None, by: By, expected: AlertRule | None = None
    ) -> AlertRule:
        """Put another in the place of the one of the same id; what rang starts anew.

        Args:
            rule: as it shall be.
            sealed: its receiver's address; None: as it is.
            by: who changes it.
            expected: as it was when the change was thought of; None: however it is.
        Returns:
            As it is now.
        Raises:
            NotFound: there is none.
            ChangedMeanwhile: it is not as expected, or its receiver's address is another.
        """
        ...

    def delete(self, rule_id: str, by: By) -> None:
        """Forget a rule; what waits to be sent is not sent. Raises NotFound."""
        ...

    def keep(self, rule_id: str, rung: Mapping[str, Ringing], messages: Sequence[Message]) -> bool:
        """Note what rings, and put what is to be told into the outbox, in one transaction.

        Returns:
            False: the rule is gone or disabled, and nothing was noted.
        """
        ...

    def due(self, now: datetime, limit: int) -> Sequence[Delivery]:
        """What is to be tried now, oldest first."""
        ...

    def claim(self, delivery: Delivery, next_try_at: datetime | None) -> bool:
        """Count an attempt before it is made; False: another process made it, or it is cancelled.

        Args:
            delivery: as it was read.
            next_try_at: when to try again if nothing more is heard of this attempt.
        """
        ...

    def settle(self, alert_id: int, sent_at: datetime | None, error: str, *, final: bool) -> None:
        """Write down what became of an attempt."""
        ...

    def history(
        self,
        rule_ids: Sequence[str] | None = None,
        *,
        before: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> Sequence[Delivery]:
        """Newest first (of some rules; before an alert's number)."""
        ...

    def count(self, rule_ids: Sequence[str] | None = None) -> int:
        """How many there are."""
        ...
