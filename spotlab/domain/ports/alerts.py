"""Records of sent notifications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class DeliveryState(StrEnum):
    """State of a notification's delivery."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notification and its delivery.

    Args:
        alert_id: increasing; sent along, so that receivers can ignore duplicates.
        rule_id: of the rule.
        at: when the condition was found, aware UTC.
        message: as JSON values.
        state: of the delivery.
        attempts: number of attempts.
        next_try_at: time of the next attempt; None: no further attempt.
        sent_at: when the receiver accepted it; None: not yet.
        error: the receiver's last response, if it did not accept the notification.
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
