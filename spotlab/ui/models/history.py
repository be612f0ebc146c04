"""Event history of model versions, and the champion at a given time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.ports import ModelEvent, ModelRecord
from spotlab.services import card_facts
from spotlab.ui.common import export, formatting, session, tables
from spotlab.ui.common.tables import Column, at

MAX_EVENTS: Final = 200


def show(record: ModelRecord, now: datetime) -> None:
    """Shows the events of a version, and the champion of its task at a given time."""
    events = session.services().models.history(record.reference)
    if events:
        tables.show(rows(events), columns(now), name="History", key="card-history", max_rows=12)
        export.offer(
            lambda: exported(events, record.reference), f"{record.name}-history", "history-file"
        )
    else:
        st.caption("This version has no history yet.")
    _show_champion_at(record, now)


def show_all(now: datetime) -> None:
    """Shows the newest events of all models and rejected uploads; read when expanded."""
    box = st.expander(
        "History of all models", icon=":material/history:", key="all-history", on_change="rerun"
    )
    if not box.open:
        return
    with box:
        events = session.services().models.history(limit=MAX_EVENTS)
        if not events:
            st.caption("There is no history yet.")
            return
        frame = rows(events)
        frame["model"] = [f"{e.name}@{e.version}" if e.name else None for e in events]
        spec = columns(now)
        shown = {
            "when": spec["when"],
            "model": Column("model", help="“—”: a rejected file."),
            **spec,
        }
        tables.show(frame, shown, name="History of all models", key="history-all", max_rows=12)


def rows(events: Sequence[ModelEvent]) -> pd.DataFrame:
    """One row per event, newest first."""
    return pd.DataFrame(
        [
            {
                "at": event.at,
                "when": event.at,
                "actor": event.actor,
                "action": event.action,
                "change": f"{event.before or '—'} → {event.after or '—'}",
                "instance": event.instance_id or None,
                "reason": event.reason or None,
            }
            for event in events
        ]
    )


def columns(now: datetime) -> dict[str, Column]:
    """The columns of the table."""
    return {
        "when": Column("when", at(now, formatting.ago)),
        "at": Column("time (UTC)", lambda value: f"{pd.Timestamp(value):%Y-%m-%d %H:%M:%S}"),
        "actor": Column("user", help="“spotlab” is the app itself."),
        "action": Column("action"),
        "change": Column("before → after", width="medium"),
        "instance": Column("instance", help="“—”: concerns the version, not an instance."),
        "reason": Column("reason", width="large", help="“—”: no reason was entered."),
    }


def exported(events: Sequence[ModelEvent], reference: str) -> export.Table:
    """The events as a file."""
    frame = rows(events)
    frame["at"] = [f"{event.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}" for event in events]
    return export.Table(
        frame=frame,
        caption=f"History of {reference}",
        headers={
            "at": "At (UTC)",
            "actor": "User",
            "action": "Action",
            "change": "Before → after",
            "instance": "Instance",
            "reason": "Reason",
        },
    )


def _show_champion_at(record: ModelRecord, now: datetime) -> None:
    st.markdown("**Champion at a given time**")
    row = st.columns([1, 1, 4], vertical_alignment="bottom")
    day = row[0].date_input("Day (UTC)", now.date(), max_value=now.date(), key="live-day")
    hour = row[1].time_input(
        "Time (UTC)", now.time().replace(second=0, microsecond=0), key="live-time", step=60
    )
    if isinstance(day, date) and isinstance(hour, time):
        moment = datetime.combine(day, hour, tzinfo=UTC).replace(second=59)
        event = session.services().models.live_at(record.task, moment)
        row[2].markdown(champion_at(record.task, moment, event))


def champion_at(task: str, moment: datetime, event: ModelEvent | None) -> str:
    """A sentence that names the champion of a task at a time, and who made it champion.

    Args:
        task: name of the task.
        moment: aware UTC.
        event: the event that made the version champion; None: there was no champion.
    """
    period = f"{card_facts.task_words(task)} at {moment:%Y-%m-%d %H:%M} UTC"
    if event is None:
        return f"No model was champion for {period}."
    reason = f": {formatting.plain(event.reason)}" if event.reason else "."
    return (
        f"**{event.name}@{event.version}** was champion for {period}. "
        f"{formatting.plain(event.actor)} made it champion at {formatting.moment(event.at)}{reason}"
    )
