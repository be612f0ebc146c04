"""Tables of firing alerts, alert rules and notifications."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from spotlab.domain.alerts import AlertRule
from spotlab.domain.ports import Delivery, DeliveryState
from spotlab.monitoring.alerts.payloads import MARKS
from spotlab.ui.common import export, formatting, tables, widgets
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette

STATE_MARKS = {
    DeliveryState.WAITING: "○ waiting",
    DeliveryState.SENT: "● sent",
    DeliveryState.FAILED: "■ failed",
    DeliveryState.CANCELLED: "○ cancelled",
}


def headline(rules: Sequence[AlertRule], deliveries: Sequence[Delivery]) -> str:
    """How many alerts fire, and how many notifications could not be delivered."""
    if not rules:
        return "0 alert rules: no one is notified when something fails"
    firing = sum(len(rule.rung) for rule in rules if rule.enabled)
    enabled = sum(rule.enabled for rule in rules)
    sentence = (
        f"{formatting.count(firing, 'alert')} firing, {formatting.count(enabled, 'rule')} enabled"
    )
    failed = sum(each.state is DeliveryState.FAILED for each in deliveries)
    if not failed:
        return sentence
    return f"{sentence}; {formatting.count(failed, 'notification')} could not be delivered"


def show_firing(rules: Sequence[AlertRule], now: datetime, palette: Palette) -> None:
    """Shows the firing alerts, newest first."""
    rows = [
        (rule.name, each.subject, each.text, each.since, each.told_at)
        for rule in rules
        for each in rule.rung.values()
    ]
    if not rows:
        return
    st.subheader("Firing now", anchor=False)
    frame = pd.DataFrame(rows, columns=["rule", "subject", "text", "since", "notified_at"])
    columns = {
        "subject": Column("alert", colour=lambda _: palette.bad, width=280),
        "since": Column("since", tables.at(now, formatting.ago), width=95),
        "text": Column("reason", width=480),
        "rule": Column("rule", width=120),
        "notified_at": Column(
            "last notified", tables.at(now, formatting.ago), "“—”: not yet.", width=95
        ),
    }
    newest = frame.sort_values("since", ascending=False)
    tables.show(newest, columns, name="Firing alerts", key="ringing", max_rows=8)


def show_rules(rules: Sequence[AlertRule], now: datetime, palette: Palette) -> AlertRule | None:
    """Shows every rule and returns the selected one."""
    frame = pd.DataFrame(
        [
            (
                ("■ firing" if rule.rung else "● quiet") if rule.enabled else "○ off",
                rule.name,
                rule.condition.words,
                f"{rule.channel} to {rule.shown_address}",
                _reminder(rule.condition.again_h),
                f"{rule.created_by}, {formatting.ago(rule.created_at, now)}",
            )
            for rule in rules
        ],
        columns=["state", "name", "condition", "receiver", "reminder", "by"],
    )
    colours = {"■": palette.bad, "●": palette.good}
    columns = {
        "state": Column("state", colour=lambda text: colours.get(str(text)[:1], palette.quiet)),
        "name": Column("name"),
        "condition": Column("condition", width="large"),
        "receiver": Column(
            "receiver", help="The address is stored encrypted: only its host is shown."
        ),
        "reminder": Column("reminder every", help="While the condition holds."),
        "by": Column("added by"),
    }
    st.subheader("Rules", anchor=False)
    chosen = tables.show(
        frame,
        columns,
        name="Rules",
        key="rules",
        select=["single-row", "single-cell"],
        rows=[rule.rule_id for rule in rules],
    )
    return rules[chosen[0]] if chosen else None


def show_history(
    deliveries: Sequence[Delivery], count: int, now: datetime, palette: Palette
) -> None:
    """Shows the notifications, newest first."""
    st.subheader("Notifications", anchor=False)
    if not deliveries:
        widgets.empty(
            "There are no notifications yet.",
            "send a test of a rule to check that its receiver responds.",
        )
        return
    colours = {"●": palette.good, "■": palette.bad}
    columns = {
        "at": Column("when", tables.at(now, formatting.ago)),
        "event": Column("event"),
        "subject": Column("alert", width=280),
        "state": Column(
            "state", colour=lambda text: colours.get(str(text)[:1], palette.quiet), width=100
        ),
        "rule": Column("rule"),
        "attempts": Column("attempts", number=True, help="At most 8, over about an hour."),
        "next": Column(
            "next attempt",
            tables.at(now, _until),
            "“—”: none. After a failed attempt, the rule's other notifications wait for the next "
            "check.",
        ),
        "error": Column("receiver's response", width="large", help="“—”: not sent yet."),
    }
    tables.show(history(deliveries), columns, name="Notifications", key="alerts-history")
    if count > len(deliveries):
        st.caption(f"The newest {len(deliveries):,} of {count:,}.")
    export.offer(lambda: _exported(deliveries, now), "alerts", "alerts-file")


def history(deliveries: Sequence[Delivery]) -> pd.DataFrame:
    """One row per notification."""
    rows = [
        (
            each.at,
            MARKS[each.message["event"]],
            each.message["rule"]["name"],
            each.message["subject"],
            STATE_MARKS[each.state],
            each.attempts,
            each.next_try_at,
            each.error or None,
        )
        for each in deliveries
    ]
    names = ["at", "event", "rule", "subject", "state", "attempts", "next", "error"]
    return pd.DataFrame(rows, columns=names)


def _reminder(again_h: float) -> str:
    return f"{again_h:g} h" if again_h else "never"


def _until(then: datetime, now: datetime) -> str:
    wait_s = (then - now).total_seconds()
    return f"in {formatting.age(wait_s)}" if wait_s > 0 else "at the next check"


def _exported(deliveries: Sequence[Delivery], now: datetime) -> export.Table:
    frame = history(deliveries)
    headers = {
        "at": "When (UTC)",
        "event": "Event",
        "rule": "Rule",
        "subject": "What",
        "state": "State",
        "attempts": "Attempts",
        "error": "Receiver's response",
    }
    frame["at"] = [formatting.moment(at) for at in frame["at"]]
    return export.Table(frame, f"Alerts until {formatting.moment(now)}", headers)
