"""The risk of a pool over time, with its interval."""

from __future__ import annotations

from math import log10
from typing import Final

import plotly.graph_objects as go

from spotlab.domain.risk_curve import RiskCurve
from spotlab.ui.charts.base import figure, label
from spotlab.ui.common.formatting import percent
from spotlab.ui.common.theme import Palette

LEAST_SHOWN: Final = 1e-5
_RISKS: Final = {
    1e-5: "0.001 %",
    1e-4: "0.01 %",
    1e-3: "0.1 %",
    1e-2: "1 %",
    1e-1: "10 %",
    1.0: "100 %",
}
_NAMES: Final = {1.0: "1 h", 6.0: "6 h", 24.0: "24 h", 168.0: "7 d", 720.0: "30 d"}


def risk_over_time(curve: RiskCurve, palette: Palette, *, horizon_h: float) -> go.Figure:
    """Risk against horizon, both on a logarithmic axis, with the 95 % interval as a band.

    Args:
        curve: of a pool.
        palette: of the theme.
        horizon_h: of the decision, which is marked.
    """
    chart = figure(palette, x="horizon", y="risk of an interruption", height=280)
    chart.update_xaxes(type="log", tickvals=[*_NAMES], ticktext=[*_NAMES.values()])
    highest = max(each.high for each in curve.points)
    chart.update_yaxes(
        type="log",
        tickvals=[*_RISKS],
        ticktext=[*_RISKS.values()],
        range=[log10(LEAST_SHOWN), max(-2.0, log10(min(1.0, 1.5 * highest)))],
    )
    x = [each.horizon_h for each in curve.points]
    for end in ("low", "high"):
        chart.add_trace(
            go.Scatter(
                x=x,
                y=[max(getattr(each, end), LEAST_SHOWN) for each in curve.points],
                mode="lines",
                line={"width": 0, "color": palette.move},
                fill="tonexty" if end == "high" else None,
                fillcolor=palette.line,
                hoverinfo="skip",
            )
        )
    chart.add_trace(
        go.Scatter(
            x=x,
            y=[each.risk for each in curve.points],
            mode="lines",
            line={"color": palette.move, "width": 2},
            customdata=[
                f"{percent(each.risk)} ({percent(each.low)} to {percent(each.high)}) within "
                f"{each.horizon_h:.3g} h"
                for each in curve.points
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    # Annotations on a logarithmic axis are placed by the exponent.
    chart.add_vline(horizon_h, line={"color": palette.quiet, "dash": "dot", "width": 1})
    label(chart, "decided by", log10(horizon_h), 1.0, palette.quiet, xref="x", yref="paper")
    return chart
