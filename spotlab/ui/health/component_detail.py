"""One component's last 24 hours: states, latency, failures, and its dependencies."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import streamlit as st

from spotlab.domain.components import (
    ADVISOR_SCRAPER,
    COMPONENTS,
    MEANINGS,
    PRICE_SCRAPER,
    depends_on,
    needed_by,
)
from spotlab.monitoring.health.report import ComponentDay, Health
from spotlab.pipeline.collect import scraper_of
from spotlab.ui.common import export, formatting, session, set_aside, tables, widgets
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette

MOST_FAILURES = 50


def pick() -> str | None:
    """The component whose details are shown; the choice is in the URL."""
    names = {name: f"{name}: {MEANINGS[name]}" for name in COMPONENTS}
    return widgets.pick_one(
        "Component details", names, "part", blank="choose a component to see its last 24 hours"
    )


def show(name: str, health: Health, palette: Palette) -> None:
    """The details of one component. Raises DatabaseDown."""
    day = session.services().health.day(name)
    with st.container(border=True):
        st.header(name, anchor=False)
        _show_charts(name, health, day, palette)
        st.subheader("Failures", anchor=False)
        if day.failures:
            _show_failures(day, palette, health.now)
        elif day.probes:
            count = formatting.count(len(day.probes), "probe")
            st.write(f"No failures: it was healthy in {count} of the last 24 h.")
        else:
            st.write("No probes were recorded in the last 24 h.")
        if name in (ADVISOR_SCRAPER, PRICE_SCRAPER):
            infos = session.services().market.snapshots()
            set_aside.show([info for info in infos if scraper_of([info.kind]) == name])
        _show_needs(name)
    export.offer(lambda: _exported(day, name), f"health-{name}", "part-file")


def _show_charts(name: str, health: Health, day: ComponentDay, palette: Palette) -> None:
    from spotlab.ui import charts
    from spotlab.ui.charts.health import latency, states

    spells = health.component(name).spells
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


def _show_failures(day: ComponentDay, palette: Palette, now: datetime) -> None:
    frame = pd.DataFrame(
        [(each.at, each.state, each.reason) for each in day.failures[:MOST_FAILURES]],
        columns=["at", "state", "reason"],
    )
    tables.show(
        frame,
        {
            "at": Column("since", tables.at(now, formatting.ago), "When a probe first found it."),
            "state": Column(
                "state", formatting.state_mark, colour=lambda state: palette.of_state(str(state))
            ),
            "reason": Column("reason", width="large"),
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
            st.markdown(f"**{need.on}**{_required(need.stops)}. Without it: {need.without}")
        if not depends_on(name):
            st.write("No other component.")
    with right:
        st.subheader("Needed by", anchor=False)
        for need in needed_by(name):
            st.markdown(
                f"**{need.component}**{_required(need.stops)}. Without {name}: {need.without}"
            )
        if not needed_by(name):
            st.write("No other component.")


def _required(stops: bool) -> str:
    return " (required)" if stops else ""


def _exported(day: ComponentDay, name: str) -> export.Table:
    rows = [(p.at.isoformat(), p.state, p.latency_ms, p.reason) for p in day.probes]
    return export.Table(
        frame=pd.DataFrame(rows, columns=["at", "state", "latency_ms", "reason"]),
        caption=f"Probes of {name}, 24 h until {formatting.moment(day.now)}",
        headers={"at": "At", "state": "State", "latency_ms": "Latency (ms)", "reason": "Reason"},
        digits={"latency_ms": 2},
    )
