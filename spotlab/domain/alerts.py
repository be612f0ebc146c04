"""Alert rules: conditions and receivers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from spotlab.domain.alert_state import FiringAlert
from spotlab.domain.components import COMPONENTS, DEGRADED, DOWN, STATES
from spotlab.domain.market import Pool
from spotlab.errors import InvalidInput


class AlertKind(StrEnum):
    """What a rule monitors."""

    STATE = "state"
    STALENESS = "staleness"
    FAILURES = "failures"
    DRIFT = "drift"
    BEHIND = "behind"
    RISK = "risk"
    PRICE = "price"


KIND_WORDS: Final = {
    AlertKind.STATE: "a component is not healthy",
    AlertKind.STALENESS: "data is stale",
    AlertKind.FAILURES: "a component fails often",
    AlertKind.DRIFT: "the market or the predictions drift",
    AlertKind.BEHIND: "the capacity model is behind a simple rule",
    AlertKind.RISK: "an instance's risk is high",
    AlertKind.PRICE: "a price is high",
}


class Channel(StrEnum):
    """Format of a notification."""

    WEBHOOK = "webhook"
    SLACK = "slack"


class Feed(StrEnum):
    """Data that can be stale."""

    ADVISOR = "advisor"
    PRICES = "prices"
    MARKET = "market"
    FLEET = "fleet"


MAX_THRESHOLD: Final = 1e6
MAX_WINDOW_MIN: Final = 1_440.0
MAX_ATTEMPTS: Final = 100_000
MAX_HOURS: Final = 8_766.0
"""Limits of a rule's numbers: a year, a day, and more attempts than a component makes in a day."""


@dataclass(frozen=True, slots=True)
class Condition:
    """When a rule's alerts fire. "" and None: no restriction.

    Args:
        kind: what is monitored.
        component: state and failures; "": all components.
        instance_id, account: risk and price; "": all that the rule's author sees.
        pool: price: a pool's key, instead of instances.
        feed: staleness: the data.
        states: state: those that fire an alert.
        threshold: staleness: minutes; failures: share; risk: P within horizon_h; price: USD/h, or
            a share of the on-demand price.
        of_on_demand: price: the threshold is a share of the on-demand price.
        window_min: failures: length of the window, minutes.
        least: failures: with fewer attempts, the rate is unknown.
        horizon_h: risk: hours.
        again_h: hours between repeated notifications; 0: none.
        accounts: accounts whose instances the author sees; None: all.
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
        """Whether alerts are about instances, which not all users see."""
        return self.kind is AlertKind.RISK or (self.kind is AlertKind.PRICE and not self.pool)

    @property
    def words(self) -> str:
        """The condition as text."""
        return _words(self)


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A condition and its receiver.

    Args:
        rule_id: unique.
        name: for a person.
        condition: when its alerts fire.
        channel: format of the notifications.
        shown_address: scheme and host of the receiver; the rest of the address is secret.
        enabled: whether the condition is checked.
        created_at, created_by: aware UTC, and the user.
        rung: alerts that fire now, by key.
        address_mark: changes with the receiver's address, without revealing it.
    """

    rule_id: str
    name: str
    condition: Condition
    channel: Channel
    shown_address: str
    enabled: bool
    created_at: datetime
    created_by: str
    rung: Mapping[str, FiringAlert]
    address_mark: str = field(default="", compare=False)


def validated(condition: Condition) -> Condition:
    """The same condition, if it is valid.

    Raises:
        InvalidInput: says what is invalid, and what is allowed.
    """
    kind = condition.kind
    if condition.component and condition.component not in COMPONENTS:
        raise InvalidInput(
            f"There is no component {condition.component!r}.",
            remedy=f"Available: {_list(COMPONENTS)}.",
            field="part",
        )
    if kind is AlertKind.STATE and (
        not condition.states or set(condition.states) - set(STATES[1:])
    ):
        raise InvalidInput(
            "A state rule needs states.", remedy=f"Allowed: {_list(STATES[1:])}.", field="states"
        )
    if kind is AlertKind.STALENESS and condition.feed not in set(Feed):
        raise InvalidInput(
            "A staleness rule needs a feed.", remedy=f"One of: {_list(tuple(Feed))}.", field="feed"
        )
    if kind is AlertKind.PRICE and condition.pool:
        try:
            Pool.parse(condition.pool)
        except ValueError:
            raise InvalidInput(
                f"{condition.pool!r} is not of the form region:zone:type:os.",
                remedy="Example: us-east-1:us-east-1a:m6i.large:Linux, with - for no zone.",
                field="pool",
            ) from None
    _check_threshold(condition)
    for number, low, high, what in (
        (condition.window_min, 1, MAX_WINDOW_MIN, "window, in minutes,"),
        (condition.least, 1, MAX_ATTEMPTS, "minimum number of attempts"),
        (condition.horizon_h, _ABOVE_0, MAX_HOURS, "horizon, in hours,"),
        (condition.again_h, 0, MAX_HOURS, "time between repeated notifications, in hours,"),
    ):
        if not low <= number <= high:
            raise InvalidInput(f"The {what} must be from {low:g} to {high:g}, not {number:g}.")
    return condition


def scoped(condition: Condition, accounts: tuple[str, ...] | None) -> Condition:
    """The same condition, limited to instances in these accounts."""
    return replace(condition, accounts=accounts)


def _check_threshold(condition: Condition) -> None:
    kind, limit = condition.kind, condition.threshold
    if kind in (AlertKind.STATE, AlertKind.DRIFT, AlertKind.BEHIND):
        return
    if limit is None or not 0 < limit <= MAX_THRESHOLD:
        raise InvalidInput(
            f"The threshold must be above 0 and at most {MAX_THRESHOLD:g}.",
            remedy=_THRESHOLDS[kind],
            field="threshold",
        )
    if kind in (AlertKind.FAILURES, AlertKind.RISK) and limit >= 1:
        raise InvalidInput(
            f"The threshold {limit:g} is not a share.",
            remedy=_THRESHOLDS[kind],
            field="threshold",
        )


_ABOVE_0: Final = 1e-6
_THRESHOLDS: Final = {
    AlertKind.STALENESS: "Minutes since the last success.",
    AlertKind.FAILURES: "A share between 0 and 1, such as 0.2.",
    AlertKind.RISK: "A probability between 0 and 1, such as 0.01.",
    AlertKind.PRICE: "USD per hour, or a share of the on-demand price.",
}


def _words(c: Condition) -> str:
    limit = c.threshold or 0.0
    if c.kind is AlertKind.STATE:
        return f"{c.component or 'any component'} is {' or '.join(c.states)}"
    if c.kind is AlertKind.STALENESS:
        return f"no {_FEEDS[Feed(c.feed)]} for {limit:g} min"
    if c.kind is AlertKind.FAILURES:
        component = c.component or "any component"
        return (
            f"{component} fails in over {limit:.0%} of at least {c.least} attempts in "
            f"{c.window_min:g} min"
        )
    if c.kind is AlertKind.DRIFT:
        return "the market or the predictions changed beyond the usual variation"
    if c.kind is AlertKind.BEHIND:
        return "the capacity champion's live forecasts are worse than a simple rule's"
    whose = c.instance_id or (f"any instance of {c.account}" if c.account else "any instance")
    if c.kind is AlertKind.RISK:
        return f"risk of {whose} within {c.horizon_h:g} h is over {limit * 100:g} %"
    about = c.pool or f"the pool of {whose}"
    bar = f"{limit * 100:g} % of on-demand" if c.of_on_demand else f"{limit:g} USD/h"
    return f"price of {about} is over {bar}"


_FEEDS: Final = {
    Feed.ADVISOR: "interruption buckets read",
    Feed.PRICES: "prices read",
    Feed.MARKET: "market data read",
    Feed.FLEET: "listing of the fleet",
}


def _list(words: Sequence[str]) -> str:
    return ", ".join(words)
