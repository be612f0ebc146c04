"""What rings, and when that is told.

A condition that holds is told once, again after a stated time, and once more when it has ended.
What is unknown changes nothing: it neither rings nor ends what rings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Event(StrEnum):
    """What a message says of a condition."""

    FIRING = "firing"
    STILL_FIRING = "still firing"
    RESOLVED = "resolved"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule finds of one subject.

    Args:
        key: of the subject, stable.
        subject: for a person.
        ringing: whether the condition holds; None: unknown.
        text: what is so, a sentence.
        value: the number that was compared; None: none was.
        level: a change of it is told, too, while the condition holds.
    """

    key: str
    subject: str
    ringing: bool | None
    text: str
    value: float | None = None
    level: str = ""


@dataclass(frozen=True, slots=True)
class Ringing:
    """A condition that holds.

    Args:
        subject, text: as last found.
        since: when it was first found, aware UTC.
        told_at: when it was last told.
        level: what was told of it.
    """

    subject: str
    text: str
    since: datetime
    told_at: datetime
    level: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What is told.

    Args:
        event: what it says of the condition.
        key, subject, text, value: as found.
        since: when the condition was first found.
        at: when this is told.
    """

    event: Event
    key: str
    subject: str
    text: str
    value: float | None
    since: datetime
    at: datetime


def step(
    rung: Mapping[str, Ringing], found: Sequence[Finding], now: datetime, again_h: float
) -> tuple[dict[str, Ringing], list[Message]]:
    """What rings after a look, and what is to be told of it.

    Args:
        rung: what rang before.
        found: each subject once; one that is missing is not watched any more.
        now: aware UTC.
        again_h: told again after this long; 0: never.
    """
    after: dict[str, Ringing] = {}
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
            after[each.key] = Ringing(each.subject, each.text, since, told_at, each.level)
            if event is not None:
                messages.append(_message(event, each, since, now))
        elif before is not None:
            messages.append(_message(Event.RESOLVED, each, before.since, now))
    for key in rung.keys() - {each.key for each in found}:
        gone = Finding(key, rung[key].subject, False, "It is not watched any more.")
        messages.append(_message(Event.RESOLVED, gone, rung[key].since, now))
    return after, messages


def _due(before: Ringing | None, found: Finding, now: datetime, again_h: float) -> Event | None:
    if before is None:
        return Event.FIRING
    if before.level != found.level:
        return Event.STILL_FIRING
    if again_h > 0 and now - before.told_at >= timedelta(hours=again_h):
        return Event.STILL_FIRING
    return None


def _message(event: Event, found: Finding, since: datetime, now: datetime) -> Message:
    return Message(event, found.key, found.subject, found.text, found.value, since, now)
