"""Alert rules, alerts and notifications."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from spotlab.api.views.base import ChangeRequest, Number, RequestBody, View, field
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

    kind: AlertKind = field("What is watched.", "state")
    component: str = field("Of state and failures: which part.", "Redis cache")
    instance_id: str = field("Of risk and price: which instance.", "")
    account: str = field("Of risk and price: which account's instances.", "")
    pool: str = field("Of price: a pool's key, rather than instances.", "")
    feed: str = field("Of staleness: advisor, prices, market or fleet.", "")
    states: list[str] = field("Of state: those that ring.", ["down", "degraded"])
    threshold: Number = field(
        "Minutes (staleness), share (failures), P within horizon_h (risk), or price.", None
    )
    of_on_demand: bool = field("Of price: the threshold is a share of the on-demand price.", False)
    window_min: float = field("Of failures: over how long.", 60.0, "min")
    least: int = field("Of failures: with fewer tries the rate is unknown.", 5, "count")
    horizon_h: float = field("Of risk.", 24.0, "h")
    again_h: float = field("Told again after this long; 0: never.", 24.0, "h")


class ConditionRequest(RequestBody):
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

    rule_id: str = field("Names it.", "0f1e2d3c4b5a")
    name: str = field("A person's.", "Redis is down")
    condition: ConditionView = Field(description="When it rings.")
    words: str = field("The same for a person.", "Redis cache is down or degraded")
    channel: Channel = field("Shape of what is sent.", "webhook")
    shown_address: str = field("The receiver's scheme and host.", "https://hooks.example.com/…")
    enabled: bool = field("It is watched.", True)
    created_at: datetime = field("When it was made.", "2026-11-03T09:30:00Z")
    created_by: str = field("By whom.", "ana")


class RuleRequest(ChangeRequest):
    """Something to watch, and whom to tell."""

    name: Name = Field(description="For people.", examples=["Redis is down"])
    condition: ConditionRequest = Field(description="When it rings.")
    channel: Channel = Field(description="Shape of what is sent.", examples=["webhook"])
    address: Address = Field(
        description="Where it is posted to; kept sealed, and never told again.",
        examples=["https://hooks.example.com/services/1"],
    )


class RuleChangeRequest(ChangeRequest):
    """What is changed of a rule; what is not given stays, and what rang starts anew."""

    name: Name | None = Field(default=None, description="For people.")
    condition: ConditionRequest | None = Field(default=None, description="When it rings, whole.")
    channel: Channel | None = Field(default=None, description="Shape of what is sent.")
    address: Address | None = Field(default=None, description="Where it is posted to.")
    enabled: bool | None = Field(default=None, description="It is watched.", examples=[True])


class SigningKeyView(View):
    """What a rule's messages are signed with (HMAC-SHA256, header X-SpotLab-Signature)."""

    rule_id: str = field("Which rule.", "0f1e2d3c4b5a")
    signing_key: str = field("The key, in hex.", "00" * 32)


class TestNotificationView(View):
    """What a receiver answered to a test."""

    ok: bool = field("It took the message.", True)
    words: str = field("For a person.", "It answered 200 OK.")


class AlertView(View):
    """A condition that holds."""

    rule_id: str = field("Whose.", "0f1e2d3c4b5a")
    rule: str = field("The rule's name.", "Redis is down")
    key: str = field("Names the subject.", "Redis cache")
    subject: str = field("What it is about.", "Redis cache")
    text: str = field("What is so.", "Redis cache is down: it refused the connection.")
    level: str = field("How bad; empty where there are no levels.", "down")
    since: datetime = field("When it was first found.", "2026-11-03T09:30:00Z")
    told_at: datetime = field("When it was last told.", "2026-11-03T09:30:00Z")


class NotificationView(View):
    """An alert, and what became of telling it."""

    alert_id: int = field("Grows; receivers see it.", 17)
    rule_id: str = field("Whose.", "0f1e2d3c4b5a")
    rule: str = field("The rule's name then.", "Redis is down")
    event: Event = field("What it says of the condition.", "firing")
    subject: str = field("What it is about.", "Redis cache")
    text: str = field("What was so.", "Redis cache is down: it refused the connection.")
    value: Number = field("The number that was compared; null: none.", None)
    since: datetime = field("When the condition was first found.", "2026-11-03T09:30:00Z")
    at: datetime = field("When this was found.", "2026-11-03T09:30:00Z")
    state: DeliveryState = field("What became of telling it.", "sent")
    attempts: int = field("How often it was tried.", 1, "count")
    next_try_at: datetime | None = field("Null: it is not tried (again).", None)
    sent_at: datetime | None = field("Null: it was not taken.", "2026-11-03T09:30:01Z")
    error: str = field("What the receiver answered where it did not take it.", "")
