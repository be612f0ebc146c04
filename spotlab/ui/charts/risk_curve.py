"""The risk of a pool over time, with its interval."""

from __future__ import annotations

import plotly.graph_objects as go

from spotlab.domain.risk_curve import RiskCurve
from spotlab.ui.charts.base import figure, label
from spotlab.ui.common.formatting import percent
from spotlab.ui.common.theme import Palette

_NAMES = {1.0: "1 h", 6.0: "6 h", 24.0: "24 h", 168.0: "7 d", 720.0: "30 d"}


def risk_over_time(curve: RiskCurve, palette: Palette, *, horizon_h: float) -> go.Figure:
    """Risk against horizon, both on a logarithmic axis, with the 95 % interval as a band.

    Args:
        curve: of a pool.
        palette: of the theme.
        horizon_h: of the decision, which is marked.
    """
    chart = figure(palette, x="horizon", y="risk of an interruption", height=280)
    chart.update_xaxes(type="log", tickvals=[*_NAMES], ticktext=[*_NAMES.values()])
    chart.update_yaxes(type="log", tickformat=".1~%", exponentformat="none", dtick=1)
    x = [each.horizon_h for each in curve.points]
    for end in ("low", "high"):
        chart.add_trace(
            go.Scatter(
                x=x,
                y=[getattr(each, end) for each in curve.points],
                mode="lines",
                line={"width": 0, "color": palette.move},
                fill="tonexty" if end == "high" else None,
                hoverinfo="skip",
                opacity=0.3,
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
    chart.add_vline(horizon_h, line={"color": palette.quiet, "dash": "dot", "width": 1})
    label(chart, "decided by", horizon_h, 1.0, palette.quiet, xref="x", yref="paper")
    annotation = chart.layout.annotations[-1]
    annotation.x = _log10(horizon_h)
    return chart


def _log10(value: float) -> float:
    """Annotations on a logarithmic axis are placed by the exponent."""
    from math import log10

    return log10(value)
