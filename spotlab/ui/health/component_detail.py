"""One component's day: states, latency, failures with reasons, and what depends on it."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import streamlit as st

from spotlab.domain.components import COMPONENTS, MEANINGS, depends_on, needed_by
from spotlab.monitoring.health.report import Health, PartDay
from spotlab.ui.common import export, formatting, session, tables, widgets
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette

MOST_FAILURES = 50


def pick() -> str | None:
    """The part whose day is shown, in the URL."""
    names = {name: f"{name}: {MEANINGS[name]}" for name in COMPONENTS}
    return widgets.pick_one("Look at one part", names, "part", blank="pick a part to see its day")


def show(name: str, health: Health, palette: Palette) -> None:
    """Everything about one part. Raises DatabaseDown."""
    part, day = health.part(name), session.desk().health.day(name)
    with st.container(border=True):
        st.header(name, anchor=False)
        _show_charts(name, health, day, palette)
        st.subheader("What went wrong", anchor=False)
        if day.failures:
            _show_failures(day, palette, health.now)
        else:
            probes = formatting.count(len(day.probes), "probe")
            st.write(f"None of {probes} of the last 24 h found it worse than the one before.")
        _show_needs(name)
    export.offer(lambda: _exported(day, name), f"health-{part.state.name}", "part-file")


def _show_charts(name: str, health: Health, day: PartDay, palette: Palette) -> None:
    from spotlab.ui import charts
    from spotlab.ui.charts.health import latency, states

    spells = health.part(name).spells
    st.plotly_chart(
        states(spells, day.since, day.now, palette),
        config=charts.CONFIG,
        key="part-states",
        alt=f"States of {name} in the last 24 hours",
    )
    if any(probe.latency_ms is not None for probe in day.probes):
        st.plotly_chart(
            latency(day.probes, day.since, day.now, palette),
            config=charts.CONFIG,
            key="part-latency",
            alt=f"Latency of {name} in the last 24 hours",
        )


def _show_failures(day: PartDay, palette: Palette, now: datetime) -> None:
    frame = pd.DataFrame(
        [(each.at, each.state, each.reason) for each in day.failures[:MOST_FAILURES]],
        columns=["at", "state", "reason"],
    )
    tables.show(
        frame,
        {
            "at": Column("since", tables.at(now, formatting.ago), "When it was first found."),
            "state": Column(
                "state", formatting.state_mark, colour=lambda state: palette.of_state(str(state))
            ),
            "reason": Column("why", width="large"),
        },
        name="Failures",
        key="part-failures",
        max_rows=8,
    )


def _show_needs(name: str) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Depends on", anchor=False)
        for need in depends_on(name):
            st.markdown(f"**{need.on}**{_stops(need.stops)}. Without it: {need.without}")
        if not depends_on(name):
            st.write("Nothing of SpotLab.")
    with right:
        st.subheader("Needed by", anchor=False)
        for need in needed_by(name):
            st.markdown(f"**{need.part}**{_stops(need.stops)}. Without {name}: {need.without}")
        if not needed_by(name):
            st.write("Nothing of SpotLab.")


def _stops(stops: bool) -> str:
    return " (cannot do without)" if stops else ""


def _exported(day: PartDay, name: str) -> export.Table:
    rows = [(p.at.isoformat(), p.state, p.latency_ms, p.reason) for p in day.probes]
    return export.Table(
        frame=pd.DataFrame(rows, columns=["at", "state", "latency_ms", "reason"]),
        caption=f"Probes of {name}, 24 h until {formatting.moment(day.now)}",
        headers={"at": "At", "state": "State", "latency_ms": "Latency (ms)", "reason": "Reason"},
        digits={"latency_ms": 2},
    )
