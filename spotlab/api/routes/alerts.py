"""Operations on alert rules, alerts and notifications.

A receiver's address is never returned.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from spotlab.api import etags
from spotlab.api.etags import IfMatch
from spotlab.api.operation import NOT_FOUND, Operation, cacheable
from spotlab.api.paging import Page, PageDep, decode_number
from spotlab.api.request_state import ServicesDep
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
from spotlab.telemetry.invisible_characters import LABEL

router = APIRouter(route_class=Operation, tags=["alerts"])

Id = Annotated[
    str,
    Path(pattern="^[0-9a-f]{12}$", description="Id of the rule.", examples=["0f1e2d3c4b5a"]),
]


def view(rule: AlertRule) -> RuleView:
    """The response for a rule."""
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
    """The ETag of a rule, the same for every operation that returns it."""
    return etags.tag_of_view(view(rule), rule.address_mark)


def notification_view(delivery: Delivery) -> NotificationView:
    """The response for a notification."""
    message = delivery.message
    return NotificationView(
        alert_id=delivery.alert_id,
        rule_id=delivery.rule_id,
        rule=message["rule"]["name"],
        event=message["event"],
        subject=message["subject"],
        text=message["text"],
        value=message["value"],
        since=message["since"],
        at=delivery.at,
        state=delivery.state,
        attempts=delivery.attempts,
        next_try_at=delivery.next_try_at,
        sent_at=delivery.sent_at,
        error=delivery.error,
    )


def _tagged(response: Response, rule: AlertRule) -> RuleView:
    response.headers["ETag"] = tag_of(rule)
    return view(rule)


@router.get(
    "/alerts",
    summary="List firing alerts",
    openapi_extra=cacheable(Topic.ALERTS, Topic.FLEET),
)
def list_alerts(services: ServicesDep, page: PageDep) -> Page[AlertView]:
    """Alerts of the rules that you may see, sorted by rule and subject."""
    alerts = sorted(
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
            for rule in services.alerts.rules()
            for key, each in rule.rung.items()
        ),
        key=lambda each: (each.rule_id, each.key),
    )
    page_alerts, following = page.slice(alerts, lambda each: [each.rule_id, each.key])
    return Page[AlertView](items=list(page_alerts), total=len(alerts), next=following)


@router.get(
    "/alerts/history",
    summary="List notifications",
    openapi_extra=cacheable(Topic.ALERTS, Topic.FLEET),
)
def list_alert_deliveries(services: ServicesDep, page: PageDep) -> Page[NotificationView]:
    """Sent, pending and failed notifications of the rules that you may see, newest first."""
    total = services.alerts.count()
    deliveries = services.alerts.history(before=decode_number(page.cursor), limit=page.limit + 1)
    return page.from_store(
        deliveries, total, lambda each: [each.alert_id], notification_view, Page[NotificationView]
    )


@router.get(
    "/alerts/rules",
    summary="List alert rules",
    openapi_extra=cacheable(Topic.ALERTS, Topic.FLEET),
)
def list_alert_rules(
    services: ServicesDep,
    page: PageDep,
    enabled: Annotated[
        bool | None, Query(description="true: only enabled rules; false: only disabled rules.")
    ] = None,
) -> Page[RuleView]:
    """Sorted by name. You see a rule about instances if you may see all of its accounts."""
    rules = sorted(
        (rule for rule in services.alerts.rules() if enabled is None or rule.enabled is enabled),
        key=lambda rule: (rule.name, rule.rule_id),
    )
    return page.from_list(rules, lambda rule: [rule.name, rule.rule_id], view, Page[RuleView])


@router.post(
    "/alerts/rules",
    summary="Add an alert rule",
    status_code=201,
    responses=NOT_FOUND,
)
def create_alert_rule(services: ServicesDep, response: Response, body: RuleRequest) -> RuleView:
    """The rule covers only instances that you may see."""
    rule = services.alerts.add(
        body.name, body.condition.condition(), body.channel, body.address, body.reason
    ).rule
    response.headers["Location"] = f"/api/v1/alerts/rules/{rule.rule_id}"
    return view(rule)


@router.get(
    "/alerts/rules/{rule_id}",
    summary="Get an alert rule",
    openapi_extra=cacheable(Topic.ALERTS, Topic.FLEET),
)
def get_alert_rule(services: ServicesDep, response: Response, rule_id: Id) -> RuleView:
    """Use the ETag of the response as If-Match to change the rule."""
    return _tagged(response, services.alerts.rule(rule_id))


@router.patch(
    "/alerts/rules/{rule_id}",
    summary="Change, enable or disable an alert rule",
)
def change_alert_rule(
    services: ServicesDep,
    response: Response,
    rule_id: Id,
    body: RuleChangeRequest,
    if_match: IfMatch = None,
) -> RuleView:
    """Omitted fields keep their value. Alerts that are firing start again."""
    changed = etags.apply_change(
        if_match,
        lambda: services.alerts.rule(rule_id),
        tag_of,
        f"alert rule {rule_id}",
        lambda current: services.alerts.change(
            rule_id,
            name=body.name,
            condition=None if body.condition is None else body.condition.condition(),
            channel=body.channel,
            address=body.address,
            enabled=body.enabled,
            reason=body.reason,
            expected=current,
        ),
    )
    return _tagged(response, changed)


@router.delete(
    "/alerts/rules/{rule_id}",
    summary="Delete an alert rule",
)
def delete_alert_rule(
    services: ServicesDep,
    rule_id: Id,
    reason: Annotated[
        str, Query(max_length=500, pattern=LABEL, description="Reason for the change.")
    ] = "",
) -> RuleView:
    """Returns the deleted rule. Pending notifications are not sent."""
    services.principal.require(Right.CHANGE_ALERTS)
    rule = services.alerts.rule(rule_id)
    services.alerts.delete(rule_id, reason)
    return view(rule)


@router.post(
    "/alerts/rules/{rule_id}/test",
    summary="Send a test notification",
)
def test_alert_rule(services: ServicesDep, rule_id: Id) -> TestNotificationView:
    """Sends one real notification, even if the rule is disabled. A failure is part of the
    response, not an error."""
    return TestNotificationView.model_validate(services.alerts.test(rule_id))


@router.get(
    "/alerts/rules/{rule_id}/signing-key",
    summary="Get the signing key of an alert rule",
)
def get_alert_signing_key(services: ServicesDep, response: Response, rule_id: Id) -> SigningKeyView:
    """The receiver verifies notifications with it. Needs the right to change rules."""
    response.headers["Cache-Control"] = "no-store"
    return SigningKeyView(rule_id=rule_id, signing_key=services.alerts.signing_key(rule_id))
