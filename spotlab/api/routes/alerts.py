"""Alert rules, what rings now, and what was told.

A receiver's address goes in and never comes out.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from spotlab.api import etags
from spotlab.api.etags import IfMatch
from spotlab.api.operation import NOT_FOUND, Operation, cacheable
from spotlab.api.paging import Page, PageDep, number_of_cursor
from spotlab.api.request_state import DeskDep
from spotlab.api.views.alerts import (
    AlertView,
    ConditionView,
    NotificationView,
    RuleChangeRequest,
    RuleRequest,
    RuleView,
    SigningKeyView,
    TestNotificationView,
)
from spotlab.domain.access import Right
from spotlab.domain.alerts import AlertRule
from spotlab.domain.ports import Delivery, Topic
from spotlab.telemetry.text import LABEL

router = APIRouter(route_class=Operation, tags=["alerts"])

Id = Annotated[
    str,
    Path(pattern="^[0-9a-f]{12}$", description="The rule's id.", examples=["0f1e2d3c4b5a"]),
]


def view(rule: AlertRule) -> RuleView:
    """A rule as it is answered."""
    return RuleView(
        rule_id=rule.rule_id,
        name=rule.name,
        condition=ConditionView.model_validate(rule.condition),
        words=rule.condition.words,
        channel=rule.channel,
        shown_address=rule.shown_address,
        enabled=rule.enabled,
        created_at=rule.created_at,
        created_by=rule.created_by,
    )


def tag_of(rule: AlertRule) -> str:
    """Its entity tag, the same under every operation that answers it."""
    return etags.tag_of_view(view(rule), rule.address_mark)


def delivery_view(found: Delivery) -> NotificationView:
    """An alert as it is answered."""
    message = found.message
    return NotificationView(
        alert_id=found.alert_id,
        rule_id=found.rule_id,
        rule=message["rule"]["name"],
        event=message["event"],
        subject=message["subject"],
        text=message["text"],
        value=message["value"],
        since=message["since"],
        at=found.at,
        state=found.state,
        attempts=found.attempts,
        next_try_at=found.next_try_at,
        sent_at=found.sent_at,
        error=found.error,
    )


@router.get(
    "/alerts",
    operation_id="list_alerts",
    summary="What rings now",
    response_model=Page[AlertView],
    openapi_extra=cacheable(Topic.ALERTS, Topic.FLEET),
)
def list_alerts(
    desk: DeskDep,
    page: PageDep,
) -> Page[AlertView]:
    """By rule and subject, of the rules that you see."""
    found = sorted(
        (
            AlertView(
                rule_id=rule.rule_id,
                rule=rule.name,
                key=key,
                subject=each.subject,
                text=each.text,
                level=each.level,
                since=each.since,
                told_at=each.told_at,
            )
            for rule in desk.alerts.rules()
            for key, each in rule.rung.items()
        ),
        key=lambda each: (each.rule_id, each.key),
    )
    shown, following = page.slice(found, lambda each: [each.rule_id, each.key])
    return Page[AlertView](items=list(shown), total=len(found), next=following)


@router.get(
    "/alerts/history",
    operation_id="list_alert_deliveries",
    summary="What was told, or could not be",
    response_model=Page[NotificationView],
    openapi_extra=cacheable(Topic.ALERTS, Topic.FLEET),
)
def list_alert_deliveries(
    desk: DeskDep,
    page: PageDep,
) -> Page[NotificationView]:
    """Newest first, of the rules that you see."""
    total = desk.alerts.count()
    found = desk.alerts.history(before=number_of_cursor(page.cursor), limit=page.limit + 1)
    return page.from_store(
        found, total, lambda each: [each.alert_id], delivery_view, Page[NotificationView]
    )


@router.get(
    "/alerts/rules",
    operation_id="list_alert_rules",
    summary="The alert rules that you see",
    response_model=Page[RuleView],
    openapi_extra=cacheable(Topic.ALERTS, Topic.FLEET),
)
def list_alert_rules(
    desk: DeskDep,
    page: PageDep,
    enabled: Annotated[
        bool | None, Query(description="Only those that are watched, or not.")
    ] = None,
) -> Page[RuleView]:
    """By name. A rule about instances is there for those who see every account it tells of."""
    found = sorted(
        (rule for rule in desk.alerts.rules() if enabled is None or rule.enabled is enabled),
        key=lambda rule: (rule.name, rule.rule_id),
    )
    return page.from_list(found, lambda rule: [rule.name, rule.rule_id], view, Page[RuleView])


@router.post(
    "/alerts/rules",
    operation_id="create_alert_rule",
    summary="Watch something, and tell somebody",
    response_model=RuleView,
    status_code=201,
    responses=NOT_FOUND,
)
def create_alert_rule(desk: DeskDep, response: Response, asked: RuleRequest) -> RuleView:
    """It tells of the instances that you see, and of no others."""
    made = desk.alerts.add(
        asked.name, asked.condition.condition(), asked.channel, asked.address, asked.reason
    ).rule
    response.headers["Location"] = f"/api/v1/alerts/rules/{made.rule_id}"
    return view(made)


@router.get(
    "/alerts/rules/{rule_id}",
    operation_id="get_alert_rule",
    summary="One alert rule",
    response_model=RuleView,
    openapi_extra=cacheable(Topic.ALERTS, Topic.FLEET),
)
def get_alert_rule(desk: DeskDep, response: Response, rule_id: Id) -> RuleView:
    """Its ETag is what a change is made from."""
    rule = desk.alerts.rule(rule_id)
    response.headers["ETag"] = tag_of(rule)
    return view(rule)


@router.patch(
    "/alerts/rules/{rule_id}",
    operation_id="change_alert_rule",
    summary="Change, enable or disable an alert rule",
    response_model=RuleView,
)
def change_alert_rule(
    desk: DeskDep,
    response: Response,
    rule_id: Id,
    asked: RuleChangeRequest,
    if_match: IfMatch = None,
) -> RuleView:
    """What is not given stays as it is; what rang starts anew."""
    changed = etags.apply_change(
        if_match,
        lambda: desk.alerts.rule(rule_id),
        tag_of,
        f"alert rule {rule_id}",
        lambda now: desk.alerts.change(
            rule_id,
            name=asked.name,
            condition=None if asked.condition is None else asked.condition.condition(),
            channel=asked.channel,
            address=asked.address,
            enabled=asked.enabled,
            reason=asked.reason,
            expected=now,
        ),
    )
    response.headers["ETag"] = tag_of(changed)
    return view(changed)


@router.delete(
    "/alerts/rules/{rule_id}",
    operation_id="delete_alert_rule",
    summary="Watch something no longer",
    response_model=RuleView,
)
def delete_alert_rule(
    desk: DeskDep,
    rule_id: Id,
    reason: Annotated[str, Query(max_length=500, pattern=LABEL, description="Why.")] = "",
) -> RuleView:
    """Gives the rule as it was; what waits to be told is not told."""
    desk.who.require(Right.CHANGE_ALERTS)
    rule = desk.alerts.rule(rule_id)
    desk.alerts.delete(rule_id, reason)
    return view(rule)


@router.post(
    "/alerts/rules/{rule_id}/test",
    operation_id="test_alert_rule",
    summary="Send a test message now",
    response_model=TestNotificationView,
)
def test_alert_rule(desk: DeskDep, rule_id: Id) -> TestNotificationView:
    """Sent once, really, whether the rule is enabled or not. What went wrong is in the answer."""
    return TestNotificationView.model_validate(desk.alerts.test(rule_id))


@router.get(
    "/alerts/rules/{rule_id}/signing-key",
    operation_id="get_alert_signing_key",
    summary="What a rule's messages are signed with",
    response_model=SigningKeyView,
)
def get_alert_signing_key(desk: DeskDep, response: Response, rule_id: Id) -> SigningKeyView:
    """For its receiver, who checks them with it; for those who may change rules."""
    response.headers["Cache-Control"] = "no-store"
    return SigningKeyView(rule_id=rule_id, signing_key=desk.alerts.signing_key(rule_id))
