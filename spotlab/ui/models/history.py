"""What happened to a model version, and which was in force at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.ports import ModelEvent, ModelRecord
from spotlab.ui.common import export, formatting, session, tables
from spotlab.ui.common.tables import Column, at
from spotlab.ui.models import card_facts

MOST_EVENTS: Final = 200


def show(record: ModelRecord, now: datetime) -> None:
    """The audit trail of a version, and what was live when."""
    events = session.desk().models.history(record.reference)
    if events:
        tables.show(rows(events), columns(now), name="History", key="card-history", max_rows=12)
        export.offer(
            lambda: exported(events, record.reference), f"{record.name}-history", "history-file"
        )
    else:
        st.caption("It has no history yet.")
    _show_live_at(record, now)


def show_all(now: datetime) -> None:
    """The newest events of every model, refused uploads too; read when it is opened."""
    box = st.expander(
        "History of all models", icon=":material/history:", key="all-history", on_change="rerun"
    )
    if not box.open:
        return
    with box:
        events = session.desk().models.history(limit=MOST_EVENTS)
        if not events:
            st.caption("There is no history yet.")
            return
        frame = rows(events)
        frame["model"] = [f"{e.name}@{e.version}" if e.name else None for e in events]
        spec = columns(now)
        shown = {
            "when": spec["when"],
            "model": Column("model", help="“—”: a refused file."),
            **spec,
        }
        tables.show(frame, shown, name="History of all models", key="history-all", max_rows=12)


def rows(events: Sequence[ModelEvent]) -> pd.DataFrame:
    """One row an event, newest first."""
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
    """How the history's columns are shown."""
    return {
        "when": Column("when", at(now, formatting.ago)),
        "at": Column("at (UTC)", lambda value: f"{pd.Timestamp(value):%Y-%m-%d %H:%M:%S}"),
        "actor": Column("who", help="“spotlab” is the app itself."),
        "action": Column("what"),
        "change": Column("before → after", width="medium"),
        "instance": Column("instance", help="“—”: it is about the version, not an instance."),
        "reason": Column("reason", width="large", help="“—”: none was given."),
    }


def exported(events: Sequence[ModelEvent], reference: str) -> export.Table:
    """The trail as a file."""
    frame = rows(events)
    frame["at"] = [f"{event.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}" for event in events]
    return export.Table(
        frame=frame,
        caption=f"History of {reference}",
        headers={
            "at": "At (UTC)",
            "actor": "Who",
            "action": "What",
            "change": "Before → after",
            "instance": "Instance",
            "reason": "Reason",
        },
    )


def _show_live_at(record: ModelRecord, now: datetime) -> None:
    st.markdown("**Champion at a given time**")
    row = st.columns([1, 1, 4], vertical_alignment="bottom")
    day = row[0].date_input("Day (UTC)", now.date(), max_value=now.date(), key="live-day")
    hour = row[1].time_input(
        "Time (UTC)", now.time().replace(second=0, microsecond=0), key="live-time", step=60
    )
    if isinstance(day, date) and isinstance(hour, time):
        moment = datetime.combine(day, hour, tzinfo=UTC).replace(second=59)
        event = session.desk().models.live_at(record.task, moment)
        row[2].markdown(live_at(record.task, moment, event))


def live_at(task: str, moment: datetime, event: ModelEvent | None) -> str:
    """Which version was in force, since when and through whom."""
    told = f"{moment:%Y-%m-%d %H:%M} UTC"
    if event is None:
        return f"At {told} no model was in force for {card_facts.task_words(task)}."
    why = f": {formatting.plain(event.reason)}" if event.reason else "."
    return (
        f"At {told} **{event.name}@{event.version}** was in force for "
        f"{card_facts.task_words(task)}, "
        f"made champion by {formatting.plain(event.actor)} at {formatting.moment(event.at)}{why}"
    )
