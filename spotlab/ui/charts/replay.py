"""Charts of one backtest window: where instances ran, and the work done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import plotly.graph_objects as go

from spotlab.ui.charts.base import figure, label, plain
from spotlab.ui.common.theme import Palette

if TYPE_CHECKING:
    from spotlab.gym.replay import Span

ON_DEMAND: Final = "on-demand"
NOWHERE: Final = "nothing runs"
ROW_PX: Final = 30
_PATTERNS: Final = {"on spot": "", "on-demand": "x", "starting": "/", "nothing": ""}
"""Fill pattern of each state; "nothing" is an outline."""
_BAND: Final = 0.86


@dataclass(frozen=True, slots=True)
class Course:
    """The course of one policy in a window.

    Args:
        name: label of the policy.
        spans: where instances ran, and when.
        progress: (hours since the start of the window, hours of work done).
    """

    name: str
    spans: Sequence[Span]
    progress: Sequence[tuple[float, float]] = ()


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
        zones: by name: start and end of each available period, hours since the window's start.
        courses: at most two; the bars of the first are above those of the second.
        length_h: of the window.
        deadline: whether the window ends with a deadline.
        palette: of the theme.
    """
    places = [*zones, ON_DEMAND, NOWHERE]
    chart = figure(
        palette, x="hours since the window began", y="", height=110 + ROW_PX * len(places)
    )
    spells = [(zone, start, end) for zone, periods in zones.items() for start, end in periods]
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
        _add_course(chart, course, places, lane, 0.72 / len(courses), colour, palette)
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
        ticktext=[*map(plain, places)],
        range=[len(places) - 0.5, -0.5],
        showgrid=False,
    )
    return chart


def _add_course(
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
                name=f"{plain(course.name)}: {state}",
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
                customdata=[
                    [plain(span.place or NOWHERE), span.start_h, span.end_h] for span in spans
                ],
                hovertemplate=f"<b>{plain(course.name)}</b>, {state}<br>%{{customdata[0]}}"
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
    """Hours of work done over time, with the even pace that just meets the deadline.

    Args:
        courses: at most two, with progress.
        work_h, deadline_h: of the job.
        palette: of the theme.
    """
    chart = figure(palette, x="hours since the window began", y="work done (h)", height=300)
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
                hovertemplate=f"{plain(course.name)}<br>%{{x:.1f}} h<br>%{{y:.1f}} h of work done"
                "<extra></extra>",
            )
        )
        if course.progress:
            at, done = course.progress[len(course.progress) * (2 + number) // 5]
            anchor = "right" if number == 0 else "left"
            label(
                chart,
                plain(course.name),
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
