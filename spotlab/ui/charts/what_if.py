"""Chart of a fleet's price against its expected interruptions, over the values of a setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from spotlab.ui.charts.base import figure, label, plain
from spotlab.ui.common.formatting import usd
from spotlab.ui.common.theme import Palette

_WIDE_PX, _HIGH_PX = 640.0, 290.0
_LETTER_PX, _LINE_PX = 7.6, 20.0
_OFFSETS_PX: Final = tuple(
    (across, down) for down in (-30, 32, -56, 58, -84, 86) for across in (-22, 22, -70, 70)
)
"""Where a label may begin, from its mark; earlier ones are nearer."""
_MARGIN: Final = 0.07


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


@dataclass(frozen=True, slots=True)
class _Mark:
    point: FleetPoint
    symbol: str
    colour: str


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
        curve: in the order of the setting's values; at least one.
        running: where the fleet runs now.
        today: after the decisions with today's settings.
        chosen: after those with the changes; None: nothing is changed.
        palette: of the theme.
        setting: the setting's label.
    """
    chart = figure(palette, x="expected interruptions a month", y="price (USD/h)", height=380)
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
    marks = [
        _Mark(running, "square-open", palette.bad),
        _Mark(today, "circle-open", palette.text),
    ]
    if chosen is not None:
        marks.append(_Mark(chosen, "star", palette.move))
    for mark in marks:
        _draw_mark(chart, mark)
    _label_all(chart, curve, marks, palette)
    return chart


def _draw_mark(chart: go.Figure, mark: _Mark) -> None:
    chart.add_trace(
        go.Scatter(
            x=[mark.point.interruptions_a_month],
            y=[mark.point.usd_per_hour],
            mode="markers",
            marker={
                "symbol": mark.symbol,
                "size": 15,
                "color": mark.colour,
                "line": {"width": 2, "color": mark.colour},
            },
            text=[_hover(mark.point)],
            hovertemplate="%{text}<extra></extra>",
        )
    )


def _label_all(
    chart: go.Figure, curve: Sequence[FleetPoint], marks: Sequence[_Mark], palette: Palette
) -> None:
    """Labels the marks, and the curve's ends where no mark is."""
    points = [*curve, *(mark.point for mark in marks)]
    x_range = _range([each.interruptions_a_month for each in points])
    y_range = _range([each.usd_per_hour for each in points])
    chart.update_layout(xaxis_range=x_range, yaxis_range=y_range)
    labels = [(mark.point, f"<b>{plain(mark.point.text)}</b>", mark.colour) for mark in marks]
    taken = {_place(mark.point) for mark in marks}
    for end in (curve[0], curve[-1]):
        if _place(end) not in taken:
            taken.add(_place(end))
            labels.append((end, plain(end.text), palette.quiet))
    places = np.array([_place(each) for each in points])
    pixels = (places - (x_range[0], y_range[0])) / (np.ptp(x_range), np.ptp(y_range))
    pixels = pixels * (_WIDE_PX, -_HIGH_PX) + (0.0, _HIGH_PX)
    line = pixels[: len(curve)]
    obstacles = np.concatenate([line[:-1] + share * np.diff(line, axis=0) for share in _SHARES])
    obstacles = np.concatenate([obstacles, pixels])
    for point, text, colour in labels:
        mark = pixels[points.index(point)]
        left, top, across, down = _free_box(mark, len(point.text), obstacles)
        inside = [left + share * _LETTER_PX * len(point.text) for share in _SHARES]
        obstacles = np.concatenate([obstacles, [(x, top + _LINE_PX / 2) for x in inside]])
        label(
            chart,
            text,
            point.interruptions_a_month,
            point.usd_per_hour,
            colour,
            showarrow=True,
            arrowhead=0,
            arrowcolor=colour,
            xshift=0,
            xanchor="right" if across < 0 else "left",
            ax=across,
            ay=down,
        )


_SHARES: Final = tuple(np.linspace(0.0, 1.0, 9).tolist())


def _free_box(
    mark: NDArray[np.float64], letters: int, obstacles: NDArray[np.float64]
) -> tuple[float, float, int, int]:
    """Left, top and offset of the box with the fewest obstacles inside; the nearest of several."""

    def crowding(offset: tuple[int, int]) -> float:
        left, top, right, bottom = _box(mark, letters, offset)
        inside = (obstacles[:, 0] > left - 4) & (obstacles[:, 0] < right + 4)
        inside &= (obstacles[:, 1] > top - 4) & (obstacles[:, 1] < bottom + 4)
        outside = left < 0 or right > _WIDE_PX or top < 0 or bottom > _HIGH_PX
        return float(inside.sum()) + 100.0 * outside

    best = min(_OFFSETS_PX, key=crowding)  # the first of equal ones
    left, top, _, _ = _box(mark, letters, best)
    return left, top, *best


def _box(
    mark: NDArray[np.float64], letters: int, offset: tuple[int, int]
) -> tuple[float, float, float, float]:
    width = _LETTER_PX * letters
    start = float(mark[0]) + offset[0]
    left = start - width if offset[0] < 0 else start
    middle = float(mark[1]) + offset[1]
    return left, middle - _LINE_PX / 2, left + width, middle + _LINE_PX / 2


def _range(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    margin = _MARGIN * (high - low) or max(_MARGIN * abs(high), 1e-3)
    return [low - margin, high + margin]


def _place(point: FleetPoint) -> tuple[float, float]:
    return point.interruptions_a_month, point.usd_per_hour


def _hover(point: FleetPoint, setting: str = "") -> str:
    moves = "" if point.moves is None else f"<br>{point.moves} would move"
    name = f"{setting} {point.text}" if setting else point.text
    return (
        f"<b>{plain(name)}</b><br>{usd(point.usd_per_hour)} USD/h<br>"
        f"{point.interruptions_a_month:.2f} interruptions a month{moves}"
    )
