"""Alert rules: what is watched, and who is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from spotlab.domain.alert_state import Ringing
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


HIGHEST_THRESHOLD: Final = 1e6
LONGEST_WINDOW_MIN: Final = 1_440.0
MOST_TRIES: Final = 100_000
LONGEST_H: Final = 8_766.0
"""Limits of a rule's numbers: a year, a day, and what no part does in a day."""


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
        address_mark: changes with the receiver's address, and says nothing of it.
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
    address_mark: str = field(default="", compare=False)


def checked(condition: Condition) -> Condition:
    """The same, if it makes sense.

    Raises:
        InvalidInput: says what does not, and what would.
    """
    kind = condition.kind
    if condition.component and condition.component not in COMPONENTS:
        raise InvalidInput(
            f"There is no part {condition.component!r}.",
            remedy=f"There are: {_list(COMPONENTS)}.",
            field="part",
        )
    if kind is AlertKind.STATE and (
        not condition.states or set(condition.states) - set(STATES[1:])
    ):
        raise InvalidInput(
            "A state rule needs states.", remedy=f"Of: {_list(STATES[1:])}.", field="states"
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
                f"{condition.pool!r} is no region:zone:type:system.",
                remedy="Such as us-east-1:us-east-1a:m6i.large:Linux, with - for no zone.",
                field="pool",
            ) from None
    _check_threshold(condition)
    for number, low, high, what in (
        (condition.window_min, 1, LONGEST_WINDOW_MIN, "window, in minutes,"),
        (condition.least, 1, MOST_TRIES, "least count of tries"),
        (condition.horizon_h, _ABOVE_0, LONGEST_H, "horizon, in hours,"),
        (condition.again_h, 0, LONGEST_H, "time until it is told again, in hours,"),
    ):
        if not low <= number <= high:
            raise InvalidInput(f"The {what} is from {low:g} to {high:g}, not {number:g}.")
    return condition


def scoped(condition: Condition, accounts: tuple[str, ...] | None) -> Condition:
    """The same, told of instances in these accounts alone."""
    return replace(condition, accounts=accounts)


def _check_threshold(condition: Condition) -> None:
    kind, limit = condition.kind, condition.threshold
    if kind in (AlertKind.STATE, AlertKind.DRIFT):
        return
    if limit is None or not 0 < limit <= HIGHEST_THRESHOLD:
        raise InvalidInput(
            f"The threshold is a number above 0, up to {HIGHEST_THRESHOLD:g}.",
            remedy=_THRESHOLDS[kind],
            field="threshold",
        )
    if kind in (AlertKind.FAILURES, AlertKind.RISK) and limit >= 1:
        raise InvalidInput(
            f"The threshold {limit:g} is no share.", remedy=_THRESHOLDS[kind], field="threshold"
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
