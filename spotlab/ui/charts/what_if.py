"""Chart of a fleet's price against its expected interruptions, over the values of a setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from spotlab.ui.charts.base import figure, label, plain
from spotlab.ui.common.formatting import usd
from spotlab.ui.common.theme import Palette


@dataclass(frozen=True, slots=True)
class FleetPoint:
    """A fleet's price and expected interruptions.

    Args:
        text: what it belongs to, such as "5 USD" or "today".
        interruptions_a_month: expected.
        usd_per_hour: price.
        moves: instances that would move; None: where it runs now.
    """

    text: str
    interruptions_a_month: float
    usd_per_hour: float
    moves: int | None = None


def fleet_curve(
    curve: Sequence[FleetPoint],
    running: FleetPoint,
    today: FleetPoint,
    chosen: FleetPoint | None,
    palette: Palette,
    setting: str,
) -> go.Figure:
    """The curve over a setting; the fleet now, with today's settings, and with the chosen ones.

    Args:
        curve: in the order of the setting's values.
        running: where the fleet runs now.
        today: after the decisions with today's settings.
        chosen: after those with the changes; None: nothing is changed.
        palette: of the theme.
        setting: the setting's label.
    """
    chart = figure(
        palette, x="expected interruptions a month", y="price of the fleet (USD/h)", height=380
    )
    chart.add_trace(
        go.Scatter(
            x=[each.interruptions_a_month for each in curve],
            y=[each.usd_per_hour for each in curve],
            mode="lines+markers",
            line={"color": palette.quiet, "width": 1.5, "dash": "dot"},
            marker={"color": palette.dots, "size": 7},
            text=[_hover(each, setting) for each in curve],
            hovertemplate="%{text}<extra></extra>",
        )
    )
    marks = [(running, "square-open", palette.bad), (today, "circle-open", palette.text)]
    if chosen is not None:
        marks.append((chosen, "star", palette.move))
    _label_ends(chart, curve, [each for each, _, _ in marks], palette)
    for place, (point, symbol, colour) in enumerate(marks):
        _draw_mark(chart, point, symbol, colour, (-34, 36, -58)[place])
    return chart


def _draw_mark(
    chart: go.Figure, point: FleetPoint, symbol: str, colour: str, height_px: int
) -> None:
    chart.add_trace(
        go.Scatter(
            x=[point.interruptions_a_month],
            y=[point.usd_per_hour],
            mode="markers",
            marker={
                "symbol": symbol,
                "size": 15,
                "color": colour,
                "line": {"width": 2, "color": colour},
            },
            text=[_hover(point)],
            hovertemplate="%{text}<extra></extra>",
        )
    )
    label(
        chart,
        f"<b>{plain(point.text)}</b>",
        point.interruptions_a_month,
        point.usd_per_hour,
        colour,
        showarrow=True,
        arrowhead=0,
        arrowcolor=colour,
        xshift=0,
        xanchor="right",
        ax=-24,
        ay=height_px,
    )


def _label_ends(
    chart: go.Figure, curve: Sequence[FleetPoint], marks: Sequence[FleetPoint], palette: Palette
) -> None:
    """Labels the curve's first and last value, unless a mark is there or both are one point."""
    taken = {_place(each) for each in marks}
    for end in dict.fromkeys((curve[0], curve[-1]) if curve else ()):
        if _place(end) not in taken:
            taken.add(_place(end))
            label(
                chart,
                plain(end.text),
                end.interruptions_a_month,
                end.usd_per_hour,
                palette.quiet,
            )


def _place(point: FleetPoint) -> tuple[float, float]:
    return round(point.interruptions_a_month, 3), round(point.usd_per_hour, 4)


def _hover(point: FleetPoint, setting: str = "") -> str:
    moves = "" if point.moves is None else f"<br>{point.moves} would move"
    name = f"{setting} {point.text}" if setting else point.text
    return (
        f"<b>{plain(name)}</b><br>{usd(point.usd_per_hour)} USD/h<br>"
        f"{point.interruptions_a_month:.2f} interruptions a month{moves}"
    )
