"""What rings now, the rules, and what was told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from spotlab.domain.alerts import KIND_WORDS, AlertRule
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
    """What rings, and is it told?"""
    if not rules:
        return "0 alert rules: nobody is notified when something fails"
    ringing = sum(len(rule.rung) for rule in rules if rule.enabled)
    watched = sum(rule.enabled for rule in rules)
    firing = formatting.count(ringing, "alert rings", "alerts ring")
    told = f"{firing} of {formatting.count(watched, 'rule')}"
    failed = sum(each.state is DeliveryState.FAILED for each in deliveries)
    return told + (
        f"; {formatting.count(failed, 'message')} could not be delivered" if failed else ""
    )


def show_ringing(rules: Sequence[AlertRule], now: datetime, palette: Palette) -> None:
    """What rings now, newest first."""
    rows = [
        (rule.name, each.subject, each.text, each.since, each.told_at)
        for rule in rules
        for each in rule.rung.values()
    ]
    if not rows:
        return
    st.subheader("Rings now", anchor=False)
    frame = pd.DataFrame(rows, columns=["rule", "subject", "text", "since", "told_at"])
    columns = {
        "subject": Column("what", colour=lambda _: palette.bad, width=280),
        "since": Column("since", tables.at(now, formatting.ago), width=95),
        "text": Column("why", width=480),
        "rule": Column("rule", width=120),
        "told_at": Column("last told", tables.at(now, formatting.ago), "“—”: not yet.", width=95),
    }
    newest = frame.sort_values("since", ascending=False)
    tables.show(newest, columns, name="What rings now", key="ringing", max_rows=8)


def show_rules(rules: Sequence[AlertRule], now: datetime, palette: Palette) -> AlertRule | None:
    """Every rule; the selected one."""
    frame = pd.DataFrame(
        [
            (
                ("■ rings" if rule.rung else "● quiet") if rule.enabled else "○ off",
                rule.name,
                rule.condition.words,
                f"{rule.channel} to {rule.shown_address}",
                _again(rule.condition.again_h),
                f"{rule.created_by}, {formatting.ago(rule.created_at, now)}",
            )
            for rule in rules
        ],
        columns=["state", "name", "rings_when", "told", "again", "by"],
    )
    colours = {"■": palette.bad, "●": palette.good}
    columns = {
        "state": Column("state", colour=lambda text: colours.get(str(text)[:1], palette.quiet)),
        "name": Column("name"),
        "rings_when": Column("rings when", width="large"),
        "told": Column("told to", help="The address is sealed: only its host is shown."),
        "again": Column("told again"),
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
    """What was told or could not be, newest first."""
    st.subheader("What was told", anchor=False)
    if not deliveries:
        widgets.empty("No alerts have fired yet.", "test a rule to see that its receiver answers.")
        return
    colours = {"●": palette.good, "■": palette.bad}
    columns = {
        "at": Column("when", tables.at(now, formatting.ago)),
        "event": Column("event"),
        "subject": Column("what", width=280),
        "state": Column(
            "state", colour=lambda text: colours.get(str(text)[:1], palette.quiet), width=100
        ),
        "rule": Column("rule"),
        "attempts": Column("attempts", number=True, help="At most 8, over about an hour."),
        "next": Column(
            "next try", tables.at(now, _until), "“—”: none. A receiver is asked once a look."
        ),
        "error": Column("receiver's answer", width="large", help="“—”: it was not asked yet."),
    }
    tables.show(history(deliveries), columns, name="What was told", key="alerts-history")
    if count > len(deliveries):
        st.caption(f"The newest {len(deliveries):,} of {count:,}.")
    export.offer(lambda: _exported(deliveries, now), "alerts", "alerts-file")


def history(deliveries: Sequence[Delivery]) -> pd.DataFrame:
    """One row a message."""
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


def kinds() -> dict[str, str]:
    """What can be watched, by its word."""
    return {kind.value: text for kind, text in KIND_WORDS.items()}


def _again(again_h: float) -> str:
    return f"every {again_h:g} h" if again_h else "never"


def _until(then: datetime, now: datetime) -> str:
    left_s = (then - now).total_seconds()
    return f"in {formatting.age(left_s)}" if left_s > 0 else "next look"


def _exported(deliveries: Sequence[Delivery], now: datetime) -> export.Table:
    frame = history(deliveries)
    headers = {
        "at": "When (UTC)",
        "event": "Event",
        "rule": "Rule",
        "subject": "What",
        "state": "State",
        "attempts": "Attempts",
        "error": "Receiver's answer",
    }
    frame["at"] = [formatting.moment(at) for at in frame["at"]]
    return export.Table(frame, f"Alerts until {formatting.moment(now)}", headers)
