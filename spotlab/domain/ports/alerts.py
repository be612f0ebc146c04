"""Port of alert rules and what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


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
