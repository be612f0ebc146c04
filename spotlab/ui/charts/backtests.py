"""Chart of a backtest: cost of each policy against deadline misses or downtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final, Literal

import plotly.graph_objects as go

from spotlab.ui.charts.base import figure, label, plain
from spotlab.ui.charts.label_layout import Box, place_labels
from spotlab.ui.common.theme import Palette

Estimate3 = tuple[float, float, float]
_SYMBOLS: Final = {"oracle": "star", "ours": "diamond", "other": "circle"}
_X_MARGIN: Final = 1.12
_SHOWN_DIGITS: Final = 2
_NAMED_AT_MOST: Final = 2
"""Policies named in the label of a mark that they share."""
_OUTLIER: Final = 2.0
"""A policy whose y value is more than this multiple of the median is listed at the upper edge."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The mark of a policy.

    Args:
        name: its label.
        x, y: value, low and high on each axis.
        role: "oracle", "ours" (SpotLab's) or "other".
    """

    name: str
    x: Estimate3
    y: Estimate3
    role: Literal["oracle", "ours", "other"] = "other"


def tradeoff(outcomes: Sequence[Outcome], *, x: str, y: str, palette: Palette) -> go.Figure:
    """Two costs of each policy, with its name next to its mark.

    Policies with a far larger y value are listed at the upper edge, so that the others remain
    distinguishable.

    Args:
        outcomes: one per policy.
        x, y: axis titles with units; lower is better on both.
        palette: of the theme.
    """
    chart = figure(palette, x=x, y=y, height=440)
    ordered = sorted(outcomes, key=lambda one: one.role == "other")
    inside, outliers = _split_outliers(_merged(ordered))
    x_max = max((one.x[2] for one in inside), default=0.0) * _X_MARGIN or 1.0
    low, high = _y_range(inside)
    best = line_through(outcomes)
    if len(best) > 1:
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
        _add_mark(chart, one, _colour(one, palette), x, y, palette)
    points = [(one.x[0] / x_max, (one.y[0] - low) / (high - low)) for one in inside]
    bars = [
        (one.x[1] / x_max, one.x[2] / x_max, height)
        for one, (_, height) in zip(inside, points, strict=True)
    ]
    names = [one.name for one in inside]
    for one, box in zip(inside, place_labels(points, names, bars), strict=True):
        _add_name(chart, one, box, _colour(one, palette), palette)
    for number, one in enumerate(outliers):
        label(
            chart,
            f"▲ above: {plain(one.name)}, {one.y[0]:,.1f} at {one.x[0]:,.1f}",
            0.0,
            high,
            _colour(one, palette),
            xshift=8,
            yshift=-14 - 20 * number,
        )
    chart.update_xaxes(range=[-0.02 * x_max, x_max])
    chart.update_yaxes(range=[low, high])
    return chart


def _merged(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Outcomes with equal values as one, with one label."""
    return [replace(same[0], name=_joined(_names(same))) for same in _groups(outcomes)]


def line_through(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The marks that the chart's line connects; one or none: there is no line."""
    return pareto_front(_split_outliers(_merged(outcomes))[0])


def _groups(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    """Outcomes whose values are equal to the digits shown."""
    groups: dict[tuple[object, ...], list[Outcome]] = {}
    for one in outcomes:
        values = tuple(round(value, _SHOWN_DIGITS) for value in (*one.x, *one.y))
        groups.setdefault((one.role, *values), []).append(one)
    return [*groups.values()]


def _joined(names: Sequence[str]) -> str:
    """One label for policies with the same mark; the caption lists those of a long one."""
    if len(names) <= _NAMED_AT_MOST:
        return " = ".join(names)
    return f"{names[0]} = {len(names) - 1} others"


def equal_outcomes(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """The names of policies that share one mark, where there are too many for its label."""
    return [names for names in map(_names, _groups(outcomes)) if len(names) > _NAMED_AT_MOST]


def _names(outcomes: Sequence[Outcome]) -> list[str]:
    return [one.name for one in outcomes]


def _split_outliers(outcomes: Sequence[Outcome]) -> tuple[list[Outcome], list[Outcome]]:
    middle = median([one.y[0] for one in outcomes]) if outcomes else 0.0
    inside = [one for one in outcomes if one.y[0] <= _OUTLIER * middle]
    return inside, [one for one in outcomes if one not in inside]


def _y_range(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    low = min((one.y[1] for one in outcomes), default=0.0)
    high = max((one.y[2] for one in outcomes), default=1.0)
    margin = 0.12 * (high - low) or max(0.1 * high, 0.1)
    return max(0.0, low - margin), high + 2 * margin


def pareto_front(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The policies that no other beats on both axes, by x; the oracle is none: it has hindsight.

    >>> a, b, c = (Outcome(n, (x, x, x), (y, y, y)) for n, x, y in
    ...            [("a", 0, 9), ("b", 2, 4), ("c", 3, 5)])
    >>> [one.name for one in pareto_front([c, b, a])]
    ['a', 'b']
    """
    best: list[Outcome] = []
    policies = [one for one in outcomes if one.role != "oracle"]
    for one in sorted(policies, key=lambda outcome: (outcome.x[0], outcome.y[0])):
        if not best or one.y[0] < best[-1].y[0]:
            best.append(one)
    return best


def _colour(one: Outcome, palette: Palette) -> str:
    return {"oracle": palette.good, "ours": palette.move}.get(one.role, palette.text)


def _add_mark(
    chart: go.Figure, one: Outcome, colour: str, x: str, y: str, palette: Palette
) -> None:
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
            error_x=_error_bar(one.x, palette.dots),
            error_y=_error_bar(one.y, palette.dots),
            hovertemplate=f"<b>{plain(one.name)}</b><br>{x}: {_text(one.x)}<br>{y}: {_text(one.y)}"
            "<extra></extra>",
        )
    )


def _error_bar(value: Estimate3, colour: str) -> dict[str, object]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(0.0, value[2] - value[0])],
        "arrayminus": [max(0.0, value[0] - value[1])],
        "color": colour,
        "thickness": 1,
        "width": 3,
    }


def _text(value: Estimate3) -> str:
    return f"{value[0]:,.2f} ({value[1]:,.2f} to {value[2]:,.2f})"


def _add_name(chart: go.Figure, one: Outcome, box: Box, colour: str, palette: Palette) -> None:
    chart.add_annotation(
        text=f"<b>{plain(one.name)}</b>" if one.role != "other" else plain(one.name),
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
