"""Alert rules, alerts and notifications."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from spotlab.api.views.base import ChangeRequest, Number, RequestBody, View, field
from spotlab.domain.alert_state import Event
from spotlab.domain.alerts import (
    MAX_ATTEMPTS,
    MAX_HOURS,
    MAX_THRESHOLD,
    MAX_WINDOW_MIN,
    AlertKind,
    Channel,
    Condition,
)
from spotlab.domain.ports import DeliveryState
from spotlab.telemetry.invisible_characters import LABEL

BadState = Literal["degraded", "down", "unknown"]
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=LABEL)]
Address = Annotated[str, Field(min_length=1, max_length=2000, pattern=LABEL)]


class ConditionView(View):
    """Condition of an alert rule; an empty or null field does not restrict it."""

    kind: AlertKind = field("What the rule watches.", "state")
    component: str = field("For state and failures: component.", "Redis cache")
    instance_id: str = field("For risk and price: instance.", "")
    account: str = field("For risk and price: account of the instances.", "")
    pool: str = field("For price: pool key, instead of instances.", "")
    feed: str = field("For staleness: advisor, prices, market or fleet.", "")
    states: list[str] = field("For state: states that fire.", ["down", "degraded"])
    threshold: Number = field(
        "Minutes (staleness), share (failures), P within horizon_h (risk), or USD/h (price).", None
    )
    of_on_demand: bool = field("For price: the threshold is a share of the on-demand price.", False)
    window_min: float = field("For failures: period that is counted.", 60.0, "min")
    least: int = field(
        "For failures: minimum number of attempts; with fewer the rate is unknown.", 5, "count"
    )
    horizon_h: float = field("For risk: horizon.", 24.0, "h")
    again_h: float = field("Hours until the notification is repeated; 0 for never.", 24.0, "h")


class ConditionRequest(RequestBody):
    """Condition of an alert rule; a field that its kind does not use has no effect."""

    kind: AlertKind = Field(description="What the rule watches.", examples=["state"])
    component: str = Field(
        default="", max_length=40, pattern=LABEL, description="Component; empty for any."
    )
    instance_id: str = Field(
        default="", pattern=r"^[A-Za-z0-9-]{0,40}$", description="Instance; empty for any."
    )
    account: str = Field(
        default="",
        max_length=100,
        pattern=LABEL,
        description="Account; empty for all that you see.",
    )
    pool: str = Field(
        default="",
        max_length=120,
        pattern=LABEL,
        description="Pool key, instead of instances.",
    )
    feed: str = Field(
        default="",
        pattern=r"^(advisor|prices|market|fleet)?$",
        description="For staleness: data that may not be stale.",
    )
    states: list[BadState] = Field(
        default=["down", "degraded"], max_length=3, description="For state: states that fire."
    )
    threshold: float | None = Field(
        default=None,
        gt=0,
        le=MAX_THRESHOLD,
        description="Minutes (staleness), share (failures), P within horizon_h (risk), USD/h.",
    )
    of_on_demand: bool = Field(
        default=False, description="For price: the threshold is a share of the on-demand price."
    )
    window_min: float = Field(
        default=60.0,
        ge=1,
        le=MAX_WINDOW_MIN,
        description="For failures: period that is counted, min.",
    )
    least: int = Field(
        default=5, ge=1, le=MAX_ATTEMPTS, description="For failures: minimum number of attempts."
    )
    horizon_h: float = Field(default=24.0, gt=0, le=MAX_HOURS, description="For risk: horizon, h.")
    again_h: float = Field(
        default=24.0,
        ge=0,
        le=MAX_HOURS,
        description="Hours until the notification is repeated; 0 for never.",
    )

    def condition(self) -> Condition:
        """The condition as a domain object."""
        values = self.model_dump()
        return Condition(**values | {"states": tuple(values["states"])})


class RuleView(View):
    """An alert rule. The receiver's address is stored encrypted and never returned."""

    rule_id: str = field("Id of the rule.", "0f1e2d3c4b5a")
    name: str = field("Name of the rule.", "Redis is down")
    condition: ConditionView = Field(description="When the rule fires.")
    words: str = field("The condition in words.", "Redis cache is down or degraded")
    channel: Channel = field("Format of notifications.", "webhook")
    shown_address: str = field(
        "Scheme and host of the receiver's address.", "https://hooks.example.com/…"
    )
    enabled: bool = field("Whether the rule is enabled.", True)
    created_at: datetime = field("When the rule was created.", "2026-11-03T09:30:00Z")
    created_by: str = field("User who created the rule.", "ana")


class RuleRequest(ChangeRequest):
    """An alert rule to add."""

    name: Name = Field(description="Name of the rule.", examples=["Redis is down"])
    condition: ConditionRequest = Field(description="When the rule fires.")
    channel: Channel = Field(description="Format of notifications.", examples=["webhook"])
    address: Address = Field(
        description="Address of the receiver; stored encrypted and never returned.",
        examples=["https://hooks.example.com/services/1"],
    )


class RuleChangeRequest(ChangeRequest):
    """Changes of a rule; omitted fields keep their value, and firing alerts start again."""

    name: Name | None = Field(default=None, description="Name of the rule.")
    condition: ConditionRequest | None = Field(
        default=None, description="The complete new condition."
    )
    channel: Channel | None = Field(default=None, description="Format of notifications.")
    address: Address | None = Field(default=None, description="Address of the receiver.")
    enabled: bool | None = Field(
        default=None, description="Whether the rule is enabled.", examples=[True]
    )


class SigningKeyView(View):
    """Key that signs a rule's notifications (HMAC-SHA256, header X-SpotLab-Signature)."""

    rule_id: str = field("Id of the rule.", "0f1e2d3c4b5a")
    signing_key: str = field("The key in hexadecimal.", "00" * 32)


class TestNotificationView(View):
    """Response of a receiver to a test notification."""

    ok: bool = field("Whether the receiver accepted the notification.", True)
    words: str = field("The response in words.", "It answered 200 OK.")


class AlertView(View):
    """An alert that is firing."""

    rule_id: str = field("Id of the rule.", "0f1e2d3c4b5a")
    rule: str = field("Name of the rule.", "Redis is down")
    key: str = field("Key of the subject.", "Redis cache")
    subject: str = field("Subject of the alert.", "Redis cache")
    text: str = field("The alert in a sentence.", "Redis cache is down: it refused the connection.")
    level: str = field("Severity; empty if the kind has no levels.", "down")
    since: datetime = field("When the alert started to fire.", "2026-11-03T09:30:00Z")
    told_at: datetime = field("When the last notification was created.", "2026-11-03T09:30:00Z")


class NotificationView(View):
    """A notification and its delivery."""

    alert_id: int = field("Increasing number, also sent to the receiver.", 17)
    rule_id: str = field("Id of the rule.", "0f1e2d3c4b5a")
    rule: str = field("Name of the rule at that time.", "Redis is down")
    event: Event = field("Whether the alert fired or was resolved.", "firing")
    subject: str = field("Subject of the alert.", "Redis cache")
    text: str = field("The alert in a sentence.", "Redis cache is down: it refused the connection.")
    value: Number = field("Value that was compared with the threshold; null if none.", None)
    since: datetime = field("When the alert started to fire.", "2026-11-03T09:30:00Z")
    at: datetime = field("When the event was detected.", "2026-11-03T09:30:00Z")
    state: DeliveryState = field("State of the delivery.", "sent")
    attempts: int = field("Number of delivery attempts.", 1, "count")
    next_try_at: datetime | None = field("Time of the next attempt; null if there is none.", None)
    sent_at: datetime | None = field(
        "When the receiver accepted it; null if it has not.", "2026-11-03T09:30:01Z"
    )
    error: str = field("Why the last attempt failed; empty if it did not.", "")
