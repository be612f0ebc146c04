"""What policies cost beside what they endure, and one window as it went. Screens floor: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Final, Literal

import plotly.graph_objects as go

from spotlab.ui.charts.base import figure, label
from spotlab.ui.charts.placing import Box, placed
from spotlab.ui.theme import Palette

if TYPE_CHECKING:
    from spotlab.gym.replay import Span

Estimate3 = tuple[float, float, float]
ON_DEMAND: Final = "on-demand"
NOWHERE: Final = "nothing runs"
ROW_PX: Final = 30
_SYMBOLS: Final = {"oracle": "star", "ours": "diamond", "other": "circle"}
_PATTERNS: Final = {"on spot": "", "on-demand": "x", "starting": "/", "nothing": ""}
"""How each state is filled; "nothing" is an outline."""
_BAND: Final = 0.86
_ROOM: Final = 1.12
_SEEN_DIGITS: Final = 2
_FAR: Final = 2.0
"""What costs more than this multiple of the middle policy is named at the edge."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A policy's mark.

    Args:
        name: its label.
        x, y: value, low and high on each axis.
        role: "oracle", "ours" (SpotLab's) or "other".
    """

    name: str
    x: Estimate3
    y: Estimate3
    role: Literal["oracle", "ours", "other"] = "other"


@dataclass(frozen=True, slots=True)
class Course:
    """How one policy went through a window.

    Args:
        name: its label.
        spans: where instances were.
        progress: (hours since the window began, hours of work done).
    """

    name: str
    spans: Sequence[Span]
    progress: Sequence[tuple[float, float]] = ()


def tradeoff(outcomes: Sequence[Outcome], *, x: str, y: str, palette: Palette) -> go.Figure:
    """Cost against what it costs in another coin; each policy is named beside its mark.

    One that costs far more than the others is named at the upper edge, so that they can be told
    apart.

    Args:
        outcomes: one a policy.
        x, y: axis titles with units; less is better on both.
        palette: of the theme.
    """
    chart = figure(x=x, y=y, height=440)
    first = sorted(outcomes, key=lambda one: one.role == "other")
    inside, above = _apart(_merged(first))
    widest = max((one.x[2] for one in inside), default=0.0) * _ROOM or 1.0
    low, high = _reach(inside)
    best = unbeaten(inside)
    chart.add_trace(
        go.Scatter(
            x=[one.x[0] for one in best],
            y=[one.y[0] for one in best],
            mode="lines",
            line={"color": palette.quiet, "width": 1, "dash": "dot"},
            hoverinfo="skip",
        )
    )
    for one in inside:
        _mark(chart, one, _colour(one, palette), x, y, palette)
    at = [_shares(one, widest, low, high) for one in inside]
    bars = [
        (one.x[1] / widest, one.x[2] / widest, height)
        for one, (_, height) in zip(inside, at, strict=True)
    ]
    for one, box in zip(inside, placed(at, [one.name for one in inside], bars), strict=True):
        _name(chart, one, box, _colour(one, palette), palette)
    for number, one in enumerate(above):
        label(
            chart,
            f"▲ above: {one.name}, {one.y[0]:,.1f} at {one.x[0]:,.1f}",
            0.0,
            high,
            _colour(one, palette),
            xshift=8,
            yshift=-14 - 20 * number,
        )
    chart.update_xaxes(range=[-0.02 * widest, widest])
    chart.update_yaxes(range=[low, high])
    return chart


def _shares(one: Outcome, widest: float, low: float, high: float) -> tuple[float, float]:
    return one.x[0] / widest, (one.y[0] - low) / (high - low)


def _merged(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Outcomes of one place under one mark, with all their names."""
    found: dict[tuple[object, ...], list[Outcome]] = {}
    for one in outcomes:
        seen = tuple(round(end, _SEEN_DIGITS) for end in (*one.x, *one.y))
        found.setdefault((one.role, *seen), []).append(one)
    return [replace(same[0], name=" = ".join(o.name for o in same)) for same in found.values()]


def _apart(outcomes: Sequence[Outcome]) -> tuple[list[Outcome], list[Outcome]]:
    middle = median([one.y[0] for one in outcomes]) if outcomes else 0.0
    inside = [one for one in outcomes if one.y[0] <= _FAR * middle]
    return inside, [one for one in outcomes if one not in inside]


def _reach(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    low = min((one.y[1] for one in outcomes), default=0.0)
    high = max((one.y[2] for one in outcomes), default=1.0)
    room = 0.12 * (high - low) or max(0.1 * high, 0.1)
    return max(0.0, low - room), high + 2 * room


def unbeaten(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Those that no other beats on both axes, by x.

    >>> a, b, c = (Outcome(n, (x, x, x), (y, y, y)) for n, x, y in
    ...            [("a", 0, 9), ("b", 2, 4), ("c", 3, 5)])
    >>> [one.name for one in unbeaten([c, b, a])]
    ['a', 'b']
    """
    best: list[Outcome] = []
    for one in sorted(outcomes, key=lambda outcome: (outcome.x[0], outcome.y[0])):
        if not best or one.y[0] < best[-1].y[0]:
            best.append(one)
    return best


def _colour(one: Outcome, palette: Palette) -> str:
    return {"oracle": palette.good, "ours": palette.move}.get(one.role, palette.text)


def _mark(chart: go.Figure, one: Outcome, colour: str, x: str, y: str, palette: Palette) -> None:
    chart.add_trace(
        go.Scatter(
            x=[one.x[0]],
            y=[one.y[0]],
            mode="markers",
            marker={
                "color": colour,
                "size": 9 if one.role == "other" else 13,
                "symbol": _SYMBOLS[one.role],
            },
            error_x=_ends(one.x, palette.dots),
            error_y=_ends(one.y, palette.dots),
            hovertemplate=f"<b>{one.name}</b><br>{x}: {_told(one.x)}<br>{y}: {_told(one.y)}"
            "<extra></extra>",
        )
    )


def _ends(value: Estimate3, colour: str) -> dict[str, object]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(0.0, value[2] - value[0])],
        "arrayminus": [max(0.0, value[0] - value[1])],
        "color": colour,
        "thickness": 1,
        "width": 3,
    }


def _told(value: Estimate3) -> str:
    return f"{value[0]:,.2f} ({value[1]:,.2f} to {value[2]:,.2f})"


def _name(chart: go.Figure, one: Outcome, box: Box, colour: str, palette: Palette) -> None:
    chart.add_annotation(
        text=f"<b>{one.name}</b>" if one.role != "other" else one.name,
        x=one.x[0],
        y=one.y[0],
        ax=box.right_px,
        ay=box.down_px,
        xanchor="left" if box.right_px >= 0 else "right",
        showarrow=True,
        arrowhead=0,
        arrowwidth=1,
        arrowcolor=palette.quiet,
        standoff=7,
        font={"color": colour, "size": 13},
    )


def timeline(
    zones: Mapping[str, Sequence[tuple[float, float]]],
    courses: Sequence[Course],
    *,
    length_h: float,
    deadline: bool,
    palette: Palette,
) -> go.Figure:
    """A window: light bands where a zone was available, bold bars where a policy ran.

    Args:
        zones: by name: from and to, hours since the window began.
        courses: at most two; the first one's bars are above the second's.
        length_h: of the window.
        deadline: whether its end is a deadline.
        palette: of the theme.
    """
    places = [*zones, ON_DEMAND, NOWHERE]
    chart = figure(x="hours since the window began", y="", height=110 + ROW_PX * len(places))
    spells = [(zone, start, end) for zone, known in zones.items() for start, end in known]
    chart.add_trace(
        go.Bar(
            name="available",
            orientation="h",
            y=[places.index(zone) for zone, _, _ in spells],
            base=[start for _, start, _ in spells],
            x=[end - start for _, start, end in spells],
            width=_BAND,
            marker={"color": palette.scale[1], "line": {"width": 0}, "opacity": 0.75},
            hoverinfo="skip",
            showlegend=True,
        )
    )
    lanes = (0.0,) if len(courses) < 2 else (-0.21, 0.21)
    for course, lane, colour in zip(courses, lanes, (palette.move, palette.bad), strict=False):
        _course(chart, course, places, lane, 0.72 / len(courses), colour, palette)
    if deadline:
        chart.add_vline(length_h, line={"color": palette.text, "width": 1, "dash": "dash"})
    chart.update_layout(
        barmode="overlay",
        bargap=0,
        showlegend=True,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0, "traceorder": "normal"},
    )
    chart.update_xaxes(range=[-0.004 * length_h, length_h * 1.01])
    chart.update_yaxes(
        tickvals=[*range(len(places))],
        ticktext=places,
        range=[len(places) - 0.5, -0.5],
        showgrid=False,
    )
    return chart


def _course(
    chart: go.Figure,
    course: Course,
    places: Sequence[str],
    lane: float,
    width: float,
    colour: str,
    palette: Palette,
) -> None:
    for state, pattern in _PATTERNS.items():
        spans = [span for span in course.spans if _state(span) == state]
        filled = state in {"on spot", "on-demand"}
        chart.add_trace(
            go.Bar(
                name=f"{course.name}: {state}",
                orientation="h",
                y=[places.index(span.place or NOWHERE) + lane for span in spans],
                base=[span.start_h for span in spans],
                x=[span.end_h - span.start_h for span in spans],
                width=width,
                marker={
                    "color": colour if filled else palette.background,
                    "line": {"color": colour, "width": 0 if filled else 1},
                    "pattern": {
                        "shape": pattern,
                        "fgcolor": palette.background if filled else colour,
                        "fillmode": "overlay",
                        "size": 6,
                        "solidity": 0.35,
                    },
                },
                customdata=[[span.place or NOWHERE, span.start_h, span.end_h] for span in spans],
                hovertemplate=f"<b>{course.name}</b>, {state}<br>%{{customdata[0]}}"
                "<br>%{customdata[1]:.2f} h to %{customdata[2]:.2f} h<extra></extra>",
                showlegend=bool(spans),
            )
        )


def _state(span: Span) -> str:
    if span.state == "running":
        return "on-demand" if span.place == ON_DEMAND else "on spot"
    return "starting" if span.state == "starting" else "nothing"


def work_done(
    courses: Sequence[Course], *, work_h: float, deadline_h: float, palette: Palette
) -> go.Figure:
    """Hours of work done as time went by, beside the pace that just meets the deadline.

    Args:
        courses: at most two, with progress.
        work_h, deadline_h: of the job.
        palette: of the theme.
    """
    chart = figure(x="hours since the window began", y="work done (h)", height=300)
    chart.add_trace(
        go.Scatter(
            x=[0, deadline_h],
            y=[0, work_h],
            mode="lines",
            line={"color": palette.quiet, "dash": "dot", "width": 1},
            hoverinfo="skip",
        )
    )
    label(
        chart,
        "even pace",
        0.88 * deadline_h,
        0.88 * work_h,
        palette.quiet,
        xanchor="right",
        xshift=0,
        yshift=12,
    )
    heights = (-16, 18)
    for number, (course, colour) in enumerate(
        zip(courses, (palette.move, palette.bad), strict=False)
    ):
        chart.add_trace(
            go.Scatter(
                x=[at for at, _ in course.progress],
                y=[done for _, done in course.progress],
                mode="lines",
                line={"color": colour, "width": 2, "dash": ("solid", "dash")[number]},
                hovertemplate=f"{course.name}<br>%{{x:.1f}} h<br>%{{y:.1f}} h of work done"
                "<extra></extra>",
            )
        )
        if course.progress:
            at, done = course.progress[len(course.progress) * (2 + number) // 5]
            anchor = "right" if number == 0 else "left"
            label(
                chart,
                course.name,
                at,
                done,
                colour,
                xanchor=anchor,
                xshift=-8 if number == 0 else 8,
                yshift=-heights[number],
            )
    chart.add_vline(deadline_h, line={"color": palette.text, "width": 1, "dash": "dash"})
    label(chart, "deadline", deadline_h, 0, palette.text, xanchor="right", xshift=-6, yshift=12)
    chart.update_xaxes(range=[0, deadline_h * 1.01])
    chart.update_yaxes(range=[0, work_h * 1.06])
    return chart
