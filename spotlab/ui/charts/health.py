"""Charts of a component's last 24 hours: states and latency."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

import plotly.graph_objects as go

from spotlab.domain.components import STATES
from spotlab.domain.ports import Probe
from spotlab.domain.uptime import MAX_HOLD, Spell
from spotlab.ui.charts.base import figure
from spotlab.ui.common.formatting import age, state_mark
from spotlab.ui.common.theme import Palette

MAX_POINTS = 1500


def states(spells: Sequence[Spell], since: datetime, now: datetime, palette: Palette) -> go.Figure:
    """One lane per state, so that the chart is readable without colour.

    Args:
        spells: oldest first, without a gap.
        since, now: the window.
        palette: of the theme.
    """
    chart = figure(palette, x="time (UTC)", y="", height=190)
    for state in reversed(STATES):
        matching = [spell for spell in spells if spell.state == state]
        chart.add_trace(
            go.Bar(
                orientation="h",
                base=[spell.since for spell in matching],
                x=[spell.seconds * 1e3 for spell in matching],
                y=[state_mark(state)] * len(matching),
                width=0.7,
                marker={"color": palette.of_state(state), "line": {"width": 0}},
                customdata=[
                    (f"{spell.since:%H:%M:%S}", f"{spell.until:%H:%M:%S}", age(spell.seconds))
                    for spell in matching
                ],
                hovertemplate=f"{state}<br>%{{customdata[0]}} to %{{customdata[1]}} UTC"
                "<br>%{customdata[2]}<extra></extra>",
            )
        )
    chart.update_layout(barmode="overlay")
    chart.update_xaxes(type="date", range=[since, now])
    chart.update_yaxes(
        categoryorder="array", categoryarray=[state_mark(state) for state in reversed(STATES)]
    )
    return chart


def latency(probes: Sequence[Probe], since: datetime, now: datetime, palette: Palette) -> go.Figure:
    """Latency of the probes; the line has gaps where there was no probe or no response.

    Args:
        probes: oldest first.
        since, now: the window.
        palette: of the theme.
    """
    chart = figure(palette, x="time (UTC)", y="latency (ms)", height=260)
    thinned = probes[:: max(1, len(probes) // MAX_POINTS)]
    times: list[datetime] = []
    values: list[float | None] = []
    for before, probe in pairwise((None, *thinned)):
        if before is not None and probe is not None and probe.at - before.at > 2 * MAX_HOLD:
            times.append(before.at + MAX_HOLD)
            values.append(None)
        if probe is not None:
            times.append(probe.at)
            values.append(probe.latency_ms)
    chart.add_trace(
        go.Scatter(
            x=times,
            y=values,
            mode="lines+markers" if len(times) < 120 else "lines",
            line={"color": palette.move, "width": 1.5},
            marker={"size": 4},
            connectgaps=False,
            hovertemplate="%{x|%H:%M:%S} UTC<br>%{y:.1f} ms<extra></extra>",
        )
    )
    chart.update_xaxes(range=[since, now])
    chart.update_yaxes(rangemode="tozero")
    return chart
