"""Charts of a model's quality: reliability, precision and recall, metrics, Brier score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from spotlab.domain.outcomes import wilson
from spotlab.training.scores import FloatArray, ReliabilityBin
from spotlab.ui.charts.base import figure, label, plain
from spotlab.ui.common.theme import Palette

SYMBOLS: Final = ("circle", "diamond", "square", "triangle-up")
MAX_POINTS: Final = 400


@dataclass(frozen=True, slots=True)
class Reliability:
    """The reliability table of one model."""

    name: str
    bins: Sequence[ReliabilityBin]


@dataclass(frozen=True, slots=True)
class PrecisionRecall:
    """One model's precision at each recall, in order of recall."""

    name: str
    recall: FloatArray
    precision: FloatArray


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval; low and high are NaN if it has none."""

    name: str
    value: float
    low: float = float("nan")
    high: float = float("nan")
    baseline: bool = False


def reliability(curves: Sequence[Reliability], palette: Palette) -> go.Figure:
    """Observed share against predicted probability; on the diagonal, the two agree.

    A bar is the 95 % interval of the observed share (Wilson 1927); a larger mark means more rows.

    Args:
        curves: of the same rows; at most four.
        palette: of the theme.
    """
    chart = figure(palette, x="predicted probability (%)", y="observed share (%)", height=360)
    top = _upper_limit(curves)
    chart.add_trace(
        go.Scatter(
            x=[0, top],
            y=[0, top],
            mode="lines",
            line={"color": palette.quiet, "dash": "dot", "width": 1},
            hoverinfo="skip",
        )
    )
    for number, curve in enumerate(curves):
        _add_curve(chart, curve, _colour(number, palette), SYMBOLS[number % len(SYMBOLS)])
    label(chart, "as predicted", top, top, palette.quiet, xanchor="right", yshift=-14, xshift=-34)
    chart.update_xaxes(range=[-1, top * 1.02])
    chart.update_yaxes(range=[-1, top * 1.02])
    return _with_legend(chart, len(curves))


def precision_recall(
    curves: Sequence[PrecisionRecall], base_rate: float, palette: Palette
) -> go.Figure:
    """Precision against recall.

    Args:
        curves: of the same rows.
        base_rate: share of positive rows: the precision of guessing.
        palette: of the theme.
    """
    chart = figure(
        palette, x="recall: share of positive rows predicted (%)", y="precision (%)", height=360
    )
    for number, curve in enumerate(curves):
        points = np.unique(np.linspace(0, len(curve.recall) - 1, MAX_POINTS).astype(np.intp))
        chart.add_trace(
            go.Scatter(
                x=100 * curve.recall[points],
                y=100 * curve.precision[points],
                name=plain(curve.name),
                mode="lines",
                line={
                    "color": _colour(number, palette),
                    "width": 2,
                    "dash": ("solid", "dash", "dot", "dashdot")[number % 4],
                },
                hovertemplate=f"{plain(curve.name)}<br>recall %{{x:.0f}} %"
                "<br>precision %{y:.0f} %<extra></extra>",
            )
        )
    chart.add_hline(100 * base_rate, line={"color": palette.quiet, "dash": "dot", "width": 1})
    label(
        chart,
        f"guessing: {100 * base_rate:.0f} %",
        100,
        100 * base_rate,
        palette.quiet,
        xanchor="right",
        xshift=0,
        yshift=10,
    )
    chart.update_xaxes(range=[0, 101])
    chart.update_yaxes(range=[0, 101])
    return _with_legend(chart, len(curves))


def forest(estimates: Sequence[Estimate], metric: str, palette: Palette) -> go.Figure:
    """Forest plot of values with their intervals; baselines have open marks.

    Args:
        estimates: from top to bottom; without unknown ones.
        metric: axis title, with the direction that is better.
        palette: of the theme.
    """
    chart = figure(palette, x=metric, y="", height=70 + 30 * max(2, len(estimates)))
    for estimate in estimates:
        colour = palette.quiet if estimate.baseline else palette.move
        has_interval = np.isfinite(estimate.low) and np.isfinite(estimate.high)
        interval = f" ({estimate.low:.3f} to {estimate.high:.3f})" if has_interval else ""
        chart.add_trace(
            go.Scatter(
                x=[estimate.value],
                y=[plain(estimate.name)],
                mode="markers+text",
                text=[f"{estimate.value:.3f}"],
                textposition="top center",
                textfont={"color": colour},
                cliponaxis=False,
                marker={
                    "color": colour,
                    "size": 10,
                    "symbol": "circle-open" if estimate.baseline else "circle",
                },
                error_x={
                    "type": "data",
                    "visible": bool(has_interval),
                    "symmetric": False,
                    "array": [estimate.high - estimate.value if has_interval else 0.0],
                    "arrayminus": [estimate.value - estimate.low if has_interval else 0.0],
                    "color": colour,
                    "thickness": 1.5,
                },
                hovertemplate=f"%{{y}}<br>{estimate.value:.3f}{interval}<extra></extra>",
            )
        )
    chart.update_yaxes(autorange="reversed")
    return chart


def brier_over_time(weeks: pd.DataFrame, palette: Palette) -> go.Figure:
    """Weekly Brier score, compared with always predicting the base rate; lower is better.

    Args:
        weeks: at (UTC), rows, brier, low, high and reference; one row per week, oldest first.
        palette: of the theme.
    """
    chart = figure(palette, x="week (UTC)", y="Brier score", height=300)
    chart.add_trace(
        go.Scatter(
            x=[*weeks["at"], *weeks["at"][::-1]],
            y=[*weeks["high"], *weeks["low"][::-1]],
            fill="toself",
            mode="none",
            fillcolor=palette.line,
            hoverinfo="skip",
        )
    )
    lines = (("reference", "base rate", palette.quiet, "dot"), ("brier", "model", palette.move, ""))
    for column, name, colour, dash in lines:
        chart.add_trace(
            go.Scatter(
                x=weeks["at"],
                y=weeks[column],
                mode="lines+markers",
                line={"color": colour, "dash": dash or "solid", "width": 2},
                customdata=weeks["rows"],
                hovertemplate=f"{name}<br>%{{x|%Y-%m-%d}}<br>Brier %{{y:.4f}}"
                "<br>%{customdata:,} rows<extra></extra>",
            )
        )
        label(chart, name, weeks["at"].iloc[-1], float(weeks[column].iloc[-1]), colour)
    chart.update_yaxes(rangemode="tozero")
    return chart


def _add_curve(chart: go.Figure, curve: Reliability, colour: str, symbol: str) -> None:
    intervals = [wilson(row.observed_share, row.rows) for row in curve.bins]
    largest = max((row.rows for row in curve.bins), default=1)
    chart.add_trace(
        go.Scatter(
            x=[100 * row.mean_forecast for row in curve.bins],
            y=[100 * interval.value for interval in intervals],
            name=plain(curve.name),
            mode="lines+markers",
            line={"color": colour, "width": 1.5},
            marker={
                "color": colour,
                "symbol": symbol,
                "size": [7 + 9 * (row.rows / largest) ** 0.5 for row in curve.bins],
            },
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [100 * (i.high - i.value) for i in intervals],
                "arrayminus": [100 * (i.value - i.low) for i in intervals],
                "color": colour,
                "thickness": 1,
            },
            customdata=[row.rows for row in curve.bins],
            hovertemplate=f"{plain(curve.name)}<br>predicted %{{x:.1f}} %<br>observed %{{y:.1f}} %"
            "<br>%{customdata:,} rows<extra></extra>",
        )
    )


def _upper_limit(curves: Sequence[Reliability]) -> float:
    ends = [
        max(row.mean_forecast, wilson(row.observed_share, row.rows).high)
        for curve in curves
        for row in curve.bins
    ]
    return 100 * min(1.0, max(ends, default=1.0) + 0.02)


def _colour(number: int, palette: Palette) -> str:
    return (palette.move, palette.bad, palette.good, palette.warn)[number % 4]


def _with_legend(chart: go.Figure, curves: int) -> go.Figure:
    if curves > 1:
        chart.update_layout(
            showlegend=True, legend={"orientation": "h", "yanchor": "bottom", "y": 1.0}
        )
        chart.for_each_trace(lambda trace: trace.update(showlegend=trace.name is not None))
    return chart
