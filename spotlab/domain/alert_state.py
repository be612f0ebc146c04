"""Firing alerts of a rule, and the notifications that are due.

An alert notifies when it begins to fire, again after a given time, and when it is resolved. An
unknown condition changes nothing: it neither fires an alert nor resolves one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Event(StrEnum):
    """What a notification reports."""

    FIRING = "firing"
    STILL_FIRING = "still firing"
    RESOLVED = "resolved"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Finding:
    """The state of a rule's condition for one subject.

    Args:
        key: of the subject, stable.
        subject: for a person.
        ringing: whether the condition is true; None: unknown.
        text: one sentence that describes the state.
        value: the number that was compared; None: no number was compared.
        level: a change of it also notifies while the condition is true.
    """

    key: str
    subject: str
    ringing: bool | None
    text: str
    value: float | None = None
    level: str = ""


@dataclass(frozen=True, slots=True)
class FiringAlert:
    """A firing alert.

    Args:
        subject, text: of the newest finding.
        since: when the condition was first found, aware UTC.
        told_at: when it last notified, aware UTC.
        level: of the newest finding.
    """

    subject: str
    text: str
    since: datetime
    told_at: datetime
    level: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A notification.

    Args:
        event: what it reports.
        key, subject, text, value: of the finding.
        since: when the condition was first found.
        at: when the notification was created.
    """

    event: Event
    key: str
    subject: str
    text: str
    value: float | None
    since: datetime
    at: datetime


def update_alerts(
    rung: Mapping[str, FiringAlert], found: Sequence[Finding], now: datetime, again_h: float
) -> tuple[dict[str, FiringAlert], list[Message]]:
    """The alerts that fire after a check, and the notifications that are due.

    Args:
        rung: alerts that fired before, by key.
        found: one finding per subject; a missing subject is no longer monitored.
        now: aware UTC.
        again_h: hours between repeated notifications; 0: none.
    """
    after: dict[str, FiringAlert] = {}
    messages: list[Message] = []
    for each in found:
        before = rung.get(each.key)
        if each.ringing is None:
            if before is not None:
                after[each.key] = before
        elif each.ringing:
            event = _due(before, each, now, again_h)
            since = before.since if before is not None else now
            told_at = now if event is not None or before is None else before.told_at
            after[each.key] = FiringAlert(each.subject, each.text, since, told_at, each.level)
            if event is not None:
                messages.append(_message(event, each, since, now))
        elif before is not None:
            messages.append(_message(Event.RESOLVED, each, before.since, now))
    for key in rung.keys() - {each.key for each in found}:
        gone = Finding(key, rung[key].subject, False, "It is no longer monitored.")
        messages.append(_message(Event.RESOLVED, gone, rung[key].since, now))
    return after, messages


def _due(before: FiringAlert | None, found: Finding, now: datetime, again_h: float) -> Event | None:
    if before is None:
        return Event.FIRING
    if before.level != found.level:
        return Event.STILL_FIRING
    if again_h > 0 and now - before.told_at >= timedelta(hours=again_h):
        return Event.STILL_FIRING
    return None


def _message(event: Event, found: Finding, since: datetime, now: datetime) -> Message:
    return Message(event, found.key, found.subject, found.text, found.value, since, now)
