"""Alert rules, what they find, and when that is told. Domain floor: pure.

A condition that holds is told once, again after a stated time, and once more when it has ended.
What is unknown changes nothing: it neither rings nor ends what rings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from spotlab.domain.components import COMPONENTS, DEGRADED, DOWN, STATES
from spotlab.domain.market import Pool
from spotlab.errors import InvalidInput


class AlertKind(StrEnum):
    """What is watched."""

    STATE = "state"
    STALENESS = "staleness"
    FAILURES = "failures"
    DRIFT = "drift"
    RISK = "risk"
    PRICE = "price"


KIND_WORDS: Final = {
    AlertKind.STATE: "a part's state changes",
    AlertKind.STALENESS: "data is old",
    AlertKind.FAILURES: "a part fails often",
    AlertKind.DRIFT: "the market drifts from what the model knows",
    AlertKind.RISK: "an instance's risk is high",
    AlertKind.PRICE: "a price is high",
}


class Channel(StrEnum):
    """The shape of what is sent."""

    WEBHOOK = "webhook"
    SLACK = "slack"


class Feed(StrEnum):
    """What can be old."""

    ADVISOR = "advisor"
    PRICES = "prices"
    MARKET = "market"
    FLEET = "fleet"


class Event(StrEnum):
    """What a message says of a condition."""

    FIRING = "firing"
    STILL_FIRING = "still firing"
    RESOLVED = "resolved"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Condition:
    """When a rule rings. "" and None: no demand.

    Args:
        kind: what is watched.
        component: of state and failures; "": each.
        instance_id, account: of risk and price; "": each that the rule's author sees.
        pool: of price: a pool's key, rather than instances.
        feed: of staleness.
        states: of state: those that ring.
        threshold: staleness: minutes; failures: share; risk: P within horizon_h; price: USD/h, or
            a share of the on-demand price.
        of_on_demand: price: the threshold is a share of the on-demand price.
        window_min: failures: over how many minutes.
        least: failures: with fewer tries, the rate is unknown.
        horizon_h: risk: hours.
        again_h: told again after this long; 0: never.
        accounts: whose instances the author sees; None: all.
    """

    kind: AlertKind
    component: str = ""
    instance_id: str = ""
    account: str = ""
    pool: str = ""
    feed: str = ""
    states: tuple[str, ...] = (DOWN, DEGRADED)
    threshold: float | None = None
    of_on_demand: bool = False
    window_min: float = 60.0
    least: int = 5
    horizon_h: float = 24.0
    again_h: float = 24.0
    accounts: tuple[str, ...] | None = None

    @property
    def about_instances(self) -> bool:
        """Whether it tells of instances, which not everybody sees."""
        return self.kind is AlertKind.RISK or (self.kind is AlertKind.PRICE and not self.pool)

    @property
    def words(self) -> str:
        """When it rings, for a person."""
        return _words(self)


@dataclass(frozen=True, slots=True)
class AlertRule:
    """What is watched, and who is told.

    Args:
        rule_id: unique.
        name: a person's.
        condition: when it rings.
        channel: shape of what is sent.
        shown_address: scheme and host of the receiver; the rest of it is a secret.
        enabled: whether it is watched.
        created_at, created_by: when, by whom.
        rung: what rings now, by key.
    """

    rule_id: str
    name: str
    condition: Condition
    channel: Channel
    shown_address: str
    enabled: bool
    created_at: datetime
    created_by: str
    rung: Mapping[str, Ringing]


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


def checked(condition: Condition) -> Condition:
    """The same, if it makes sense.

    Raises:
        InvalidInput: says what does not, and what would.
    """
    kind = condition.kind
    if condition.component and condition.component not in COMPONENTS:
        raise InvalidInput(
            f"There is no part {condition.component!r}.", remedy=f"There are: {_list(COMPONENTS)}."
        )
    if kind is AlertKind.STATE and (
        not condition.states or set(condition.states) - set(STATES[1:])
    ):
        raise InvalidInput("A state rule needs states.", remedy=f"Of: {_list(STATES[1:])}.")
    if kind is AlertKind.STALENESS and condition.feed not in set(Feed):
        raise InvalidInput(
            "A staleness rule needs a feed.", remedy=f"One of: {_list(tuple(Feed))}."
        )
    if kind is AlertKind.PRICE and condition.pool:
        try:
            Pool.parse(condition.pool)
        except ValueError:
            raise InvalidInput(
                f"{condition.pool!r} is no region:zone:type:system.",
                remedy="Such as us-east-1:us-east-1a:m6i.large:Linux, with - for no zone.",
            ) from None
    _check_threshold(condition)
    numbers = (condition.window_min, condition.horizon_h, float(condition.least))
    if not all(0 < number < math.inf for number in numbers) or not 0 <= condition.again_h < 1e6:
        raise InvalidInput("Window, horizon and least count are above 0, the repetition not below.")
    return condition


def scoped(condition: Condition, accounts: tuple[str, ...] | None) -> Condition:
    """The same, told of instances in these accounts alone."""
    return replace(condition, accounts=accounts)


def _check_threshold(condition: Condition) -> None:
    kind, limit = condition.kind, condition.threshold
    if kind in (AlertKind.STATE, AlertKind.DRIFT):
        return
    if limit is None or not 0 < limit < math.inf:
        raise InvalidInput("The threshold is a number above 0.", remedy=_THRESHOLDS[kind])
    if kind in (AlertKind.FAILURES, AlertKind.RISK) and limit >= 1:
        raise InvalidInput(f"The threshold {limit:g} is no share.", remedy=_THRESHOLDS[kind])


_THRESHOLDS: Final = {
    AlertKind.STALENESS: "Minutes since the last success.",
    AlertKind.FAILURES: "A share between 0 and 1, such as 0.2.",
    AlertKind.RISK: "A probability between 0 and 1, such as 0.01.",
    AlertKind.PRICE: "USD per hour, or a share of the on-demand price.",
}


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


def _words(c: Condition) -> str:
    limit = c.threshold or 0.0
    if c.kind is AlertKind.STATE:
        return f"{c.component or 'any part'} is {' or '.join(c.states)}"
    if c.kind is AlertKind.STALENESS:
        return f"no {_FEEDS[Feed(c.feed)]} for {limit:g} min"
    if c.kind is AlertKind.FAILURES:
        part = c.component or "any part"
        return (
            f"{part} fails in over {limit:.0%} of {c.least} or more tries in {c.window_min:g} min"
        )
    if c.kind is AlertKind.DRIFT:
        return "the market or the predictions moved beyond what is usual"
    whose = c.instance_id or (f"any instance of {c.account}" if c.account else "any instance")
    if c.kind is AlertKind.RISK:
        return f"risk of {whose} within {c.horizon_h:g} h is over {limit * 100:g} %"
    about = c.pool or f"the pool of {whose}"
    bar = f"{limit * 100:g} % of on-demand" if c.of_on_demand else f"{limit:g} USD/h"
    return f"price of {about} is over {bar}"


_FEEDS: Final = {
    Feed.ADVISOR: "interruption buckets were read",
    Feed.PRICES: "prices were read",
    Feed.MARKET: "market data was read",
    Feed.FLEET: "list of the fleet was made",
}


def _list(words: Sequence[str]) -> str:
    return ", ".join(words)
