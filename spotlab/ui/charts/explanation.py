"""Charts of explanations: margin of a decision, contributions to a risk, differences of pools."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Final

import plotly.graph_objects as go

from spotlab.domain.margin import Margin
from spotlab.inference.explain import Change, Explanation
from spotlab.inference.explanation_text import (
    feature_label,
    format_log_odds,
    format_value,
    labelled_value,
)
from spotlab.ui.charts.base import REMEMBERED, figure, wrapped
from spotlab.ui.common.formatting import percent
from spotlab.ui.common.theme import Palette

UNIT: Final = "log-odds"
ROW_PX: Final = 48
"""Space for a label of three lines."""
MARGIN: Final = 0.25
"""Space for the number at the end of a bar, as a share of the bars."""


@lru_cache(maxsize=REMEMBERED)
def waterfall(
    explanation: Explanation, palette: Palette, base_monthly_rate: float, top: int = 10
) -> go.Figure:
    """Contributions from the base value to a pool's score; bars to the right raise the risk.

    Args:
        explanation: of one pool.
        palette: of the theme.
        base_monthly_rate: monthly rate of the base value, 0..1.
        top: how many features have a bar of their own; the others share one.
    """
    steps = explanation.top(top)
    risk = explanation.risk
    names = [
        f"base: {percent(base_monthly_rate)} a month",
        *(wrapped(labelled_value(step.feature, step.value, step.unit)) for step in steps),
        f"<b>this pool: {percent(explanation.monthly_rate)} a month,<br>"
        f"{percent(risk.value)} within {risk.horizon_h:g} h</b>",
    ]
    values = [explanation.base, *(step.log_odds for step in steps), explanation.raw_score]
    chart = figure(palette, x=UNIT, y="", height=90 + ROW_PX * len(names))
    chart.add_trace(
        go.Waterfall(
            orientation="h",
            measure=["absolute", *("relative" for _ in steps), "total"],
            y=names,
            x=values,
            text=[
                _total(values[0]),
                *map(format_log_odds, values[1:-1]),
                f"<b>{_total(values[-1])}</b>",
            ],
            textposition="outside",
            cliponaxis=False,
            increasing={"marker": {"color": palette.bad}},
            decreasing={"marker": {"color": palette.good}},
            totals={"marker": {"color": palette.quiet}},
            connector={"line": {"color": palette.line, "width": 1}},
            hovertemplate="%{y}<br>%{x:.3f} log-odds<extra></extra>",
        )
    )
    _set_range(chart, [explanation.base, *(step.log_odds for step in steps)])
    return chart


@lru_cache(maxsize=REMEMBERED)
def margin(parts: Margin, palette: Palette, *, made: bool) -> go.Figure:
    """What a move is worth compared with staying; bars to the right speak for the move.

    Args:
        parts: of the margin.
        palette: of the theme.
        made: whether the move is made.
    """
    steps = {
        "price": parts.price,
        "performance": parts.performance,
        "interruptions": parts.interruption,
        "the move": parts.moving,
        "minimum saving": parts.guards,
    }
    steps = {name: value for name, value in steps.items() if value or name == "price"}
    total = "<b>margin: moves</b>" if made else "<b>margin: stays</b>"
    chart = figure(
        palette,
        x="USD per hour; to the right: speaks for the move",
        y="",
        height=90 + ROW_PX * (len(steps) + 1),
    )
    values = [*steps.values(), parts.total]
    chart.add_trace(
        go.Waterfall(
            orientation="h",
            measure=[*("relative" for _ in steps), "total"],
            y=[*steps, total],
            x=values,
            text=[
                f"{'+' if value > 0 else '−' if value < 0 else ''}{abs(value):.5f}"
                for value in values
            ],
            textposition="outside",
            cliponaxis=False,
            increasing={"marker": {"color": palette.good}},
            decreasing={"marker": {"color": palette.bad}},
            totals={"marker": {"color": palette.move if made else palette.quiet}},
            connector={"line": {"color": palette.line, "width": 1}},
            hovertemplate="%{y}<br>%{x:.6f} USD/h<extra></extra>",
        )
    )
    chart.update_yaxes(autorange="reversed")
    sums = [0.0, *accumulate(steps.values()), parts.total]
    room = 0.25 * (max(sums) - min(sums) or 1.0)
    chart.update_xaxes(range=[min(sums) - room, max(sums) + room], zeroline=True)
    return chart


@lru_cache(maxsize=REMEMBERED)
def changes(items: tuple[Change, ...], palette: Palette, top: int = 8) -> go.Figure:
    """Differences of two pools; bars to the right make the second pool riskier.

    Args:
        items: largest effect first.
        palette: of the theme.
        top: how many are shown.
    """
    shown = items[:top]
    chart = figure(palette, x=UNIT, y="", height=90 + ROW_PX * max(1, len(shown)))
    chart.add_trace(
        go.Bar(
            orientation="h",
            y=[wrapped(_change_name(change)) for change in shown],
            x=[change.log_odds for change in shown],
            marker={"color": [palette.bad if c.log_odds > 0 else palette.good for c in shown]},
            text=[format_log_odds(change.log_odds) for change in shown],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}<br>%{text} log-odds<extra></extra>",
        )
    )
    largest = max((abs(change.log_odds) for change in shown), default=1.0)
    end = (1 + 2 * MARGIN) * largest
    chart.update_xaxes(range=[-end, end], zeroline=True, nticks=5)
    chart.update_yaxes(autorange="reversed")
    return chart


def _change_name(change: Change) -> str:
    before = format_value(change.feature, change.before, change.unit)
    after = format_value(change.feature, change.after, change.unit)
    return f"{feature_label(change.feature)}: {before} → {after}"


def _total(log_odds: float) -> str:
    return format_log_odds(log_odds).removeprefix("+")


def _set_range(chart: go.Figure, steps: Sequence[float]) -> None:
    sums = [0.0, *accumulate(steps)]
    margin = MARGIN * (max(sums) - min(sums) or 1.0)
    chart.update_xaxes(range=[min(sums) - margin, max(sums) + margin], zeroline=True, nticks=5)
    chart.update_yaxes(autorange="reversed")
