"""Alert rules, alerts and notifications."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from spotlab.api.views.base import Asked, Number, Reasoned, View
from spotlab.api.views.base import about as told
from spotlab.domain.alert_state import Event
from spotlab.domain.alerts import (
    HIGHEST_THRESHOLD,
    LONGEST_H,
    LONGEST_WINDOW_MIN,
    MOST_TRIES,
    AlertKind,
    Channel,
    Condition,
)
from spotlab.domain.ports import DeliveryState
from spotlab.telemetry.text import LABEL

BadState = Literal["degraded", "down", "unknown"]
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=LABEL)]
Address = Annotated[str, Field(min_length=1, max_length=2000, pattern=LABEL)]


class ConditionView(View):
    """When a rule rings; what is empty or null demands nothing."""

    kind: AlertKind = told("What is watched.", "state")
    component: str = told("Of state and failures: which part.", "Redis cache")
    instance_id: str = told("Of risk and price: which instance.", "")
    account: str = told("Of risk and price: which account's instances.", "")
    pool: str = told("Of price: a pool's key, rather than instances.", "")
    feed: str = told("Of staleness: advisor, prices, market or fleet.", "")
    states: list[str] = told("Of state: those that ring.", ["down", "degraded"])
    threshold: Number = told(
        "Minutes (staleness), share (failures), P within horizon_h (risk), or price.", None
    )
    of_on_demand: bool = told("Of price: the threshold is a share of the on-demand price.", False)
    window_min: float = told("Of failures: over how long.", 60.0, "min")
    least: int = told("Of failures: with fewer tries the rate is unknown.", 5, "count")
    horizon_h: float = told("Of risk.", 24.0, "h")
    again_h: float = told("Told again after this long; 0: never.", 24.0, "h")


class ConditionAsked(Asked):
    """When a rule shall ring; what its kind does not look at stays as it is here."""

    kind: AlertKind = Field(description="What is watched.", examples=["state"])
    component: str = Field(
        default="", max_length=40, pattern=LABEL, description="A part; empty: each."
    )
    instance_id: str = Field(
        default="", pattern=r"^[A-Za-z0-9-]{0,40}$", description="An instance; empty: each."
    )
    account: str = Field(
        default="", max_length=100, pattern=LABEL, description="An account; empty: each you see."
    )
    pool: str = Field(
        default="",
        max_length=120,
        pattern=LABEL,
        description="A pool's key, rather than instances.",
    )
    feed: str = Field(
        default="",
        pattern=r"^(advisor|prices|market|fleet)?$",
        description="Of staleness: what may not be old.",
    )
    states: list[BadState] = Field(
        default=["down", "degraded"], max_length=3, description="Of state: those that ring."
    )
    threshold: float | None = Field(
        default=None,
        gt=0,
        le=HIGHEST_THRESHOLD,
        description="Minutes (staleness), share (failures), P within horizon_h (risk), or price.",
    )
    of_on_demand: bool = Field(
        default=False, description="Of price: the threshold is a share of the on-demand price."
    )
    window_min: float = Field(
        default=60.0, ge=1, le=LONGEST_WINDOW_MIN, description="Of failures, min."
    )
    least: int = Field(
        default=5, ge=1, le=MOST_TRIES, description="Of failures: with fewer tries it is unknown."
    )
    horizon_h: float = Field(default=24.0, gt=0, le=LONGEST_H, description="Of risk, h.")
    again_h: float = Field(
        default=24.0, ge=0, le=LONGEST_H, description="Told again after this long, h; 0: never."
    )

    def condition(self) -> Condition:
        """The same as a value of the domain."""
        given = self.model_dump()
        return Condition(**given | {"states": tuple(given["states"])})


class RuleView(View):
    """What is watched, and who is told. The receiver's address is kept sealed."""

    rule_id: str = told("Names it.", "0f1e2d3c4b5a")
    name: str = told("A person's.", "Redis is down")
    condition: ConditionView = Field(description="When it rings.")
    words: str = told("The same for a person.", "Redis cache is down or degraded")
    channel: Channel = told("Shape of what is sent.", "webhook")
    shown_address: str = told("The receiver's scheme and host.", "https://hooks.example.com/…")
    enabled: bool = told("It is watched.", True)
    created_at: datetime = told("When it was made.", "2026-11-03T09:30:00Z")
    created_by: str = told("By whom.", "ana")


class RuleAsked(Reasoned):
    """Something to watch, and whom to tell."""

    name: Name = Field(description="For people.", examples=["Redis is down"])
    condition: ConditionAsked = Field(description="When it rings.")
    channel: Channel = Field(description="Shape of what is sent.", examples=["webhook"])
    address: Address = Field(
        description="Where it is posted to; kept sealed, and never told again.",
        examples=["https://hooks.example.com/services/1"],
    )


class RuleChange(Reasoned):
    """What is changed of a rule; what is not given stays, and what rang starts anew."""

    name: Name | None = Field(default=None, description="For people.")
    condition: ConditionAsked | None = Field(default=None, description="When it rings, whole.")
    channel: Channel | None = Field(default=None, description="Shape of what is sent.")
    address: Address | None = Field(default=None, description="Where it is posted to.")
    enabled: bool | None = Field(default=None, description="It is watched.", examples=[True])


class SigningKeyView(View):
    """What a rule's messages are signed with (HMAC-SHA256, header X-SpotLab-Signature)."""

    rule_id: str = told("Which rule.", "0f1e2d3c4b5a")
    signing_key: str = told("The key, in hex.", "00" * 32)


class TestView(View):
    """What a receiver answered to a test."""

    ok: bool = told("It took the message.", True)
    words: str = told("For a person.", "It answered 200 OK.")


class RingingView(View):
    """A condition that holds."""

    rule_id: str = told("Whose.", "0f1e2d3c4b5a")
    rule: str = told("The rule's name.", "Redis is down")
    key: str = told("Names the subject.", "Redis cache")
    subject: str = told("What it is about.", "Redis cache")
    text: str = told("What is so.", "Redis cache is down: it refused the connection.")
    level: str = told("How bad; empty where there are no levels.", "down")
    since: datetime = told("When it was first found.", "2026-11-03T09:30:00Z")
    told_at: datetime = told("When it was last told.", "2026-11-03T09:30:00Z")


class DeliveryView(View):
    """An alert, and what became of telling it."""

    alert_id: int = told("Grows; receivers see it.", 17)
    rule_id: str = told("Whose.", "0f1e2d3c4b5a")
    rule: str = told("The rule's name then.", "Redis is down")
    event: Event = told("What it says of the condition.", "firing")
    subject: str = told("What it is about.", "Redis cache")
    text: str = told("What was so.", "Redis cache is down: it refused the connection.")
    value: Number = told("The number that was compared; null: none.", None)
    since: datetime = told("When the condition was first found.", "2026-11-03T09:30:00Z")
    at: datetime = told("When this was found.", "2026-11-03T09:30:00Z")
    state: DeliveryState = told("What became of telling it.", "sent")
    attempts: int = told("How often it was tried.", 1, "count")
    next_try_at: datetime | None = told("Null: it is not tried (again).", None)
    sent_at: datetime | None = told("Null: it was not taken.", "2026-11-03T09:30:01Z")
    error: str = told("What the receiver answered where it did not take it.", "")
