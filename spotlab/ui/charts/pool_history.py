"""A pool's price and risk over time, with an instance's decisions and switches marked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import pandas as pd
import plotly.graph_objects as go

from spotlab.domain.decision import Decision
from spotlab.domain.ports import ExperimentSummary
from spotlab.domain.risk import risk_at
from spotlab.ui.charts.base import figure, label, plain
from spotlab.ui.common.formatting import decision_mark, percent, usd
from spotlab.ui.common.theme import Palette

_SYMBOLS: Final = {
    Decision.STAY: "circle",
    Decision.SWITCH: "triangle-up",
    Decision.FALLBACK_ONDEMAND: "square",
}
_PRICE_PART, _RISK_PART = [0.46, 1.0], [0.0, 0.32]


def pool_history(
    prices: pd.DataFrame,
    decisions: Sequence[ExperimentSummary],
    palette: Palette,
    *,
    until: datetime,
    horizon_h: float,
    switched_at: Sequence[datetime] = (),
) -> go.Figure:
    """Price as steps above, the risk that decisions recorded below, and a mark per decision.

    Args:
        prices: event_time and spot_price_usd_per_hour of each change, oldest first.
        decisions: of the instance on this pool, in any order.
        palette: of the theme.
        until: end of the last step, aware UTC.
        horizon_h: of the risk, hours.
        switched_at: when switches of the instance finished.
    """
    chart = figure(palette, x="time (UTC)", y="price (USD/h)", height=360)
    text = {"color": palette.quiet}
    chart.update_layout(
        yaxis={"domain": _PRICE_PART, "rangemode": "tozero"},
        xaxis={"anchor": "y2"},
        yaxis2={
            "domain": _RISK_PART,
            "rangemode": "tozero",
            "tickformat": ".2~%",
            "automargin": True,
            "zeroline": False,
            "tickfont": text,
            "title": {"text": f"risk, {horizon_h:g} h", "font": text},
        },
    )
    times = [*prices["event_time"], until]
    values = [*prices["spot_price_usd_per_hour"], *prices["spot_price_usd_per_hour"].iloc[-1:]]
    chart.add_trace(
        go.Scatter(
            x=times,
            y=values,
            mode="lines",
            line={"shape": "hv", "color": palette.move, "width": 2},
            customdata=[usd(each) for each in values],
            hovertemplate="%{x|%Y-%m-%d %H:%M} UTC<br>%{customdata} USD/h<extra></extra>",
        )
    )
    ordered = sorted(decisions, key=lambda each: each.created_at)
    for decision in Decision:
        _add_marks(chart, [each for each in ordered if each.decision is decision], palette)
    _add_risk(chart, [each for each in ordered if each.risk is not None], palette, horizon_h)
    for at in switched_at:
        chart.add_vline(at, line={"color": palette.good, "dash": "dot", "width": 1})
        label(chart, "switched", at, 1.0, palette.good, yref="paper", yanchor="top")  # type: ignore[arg-type]
    return chart


def _add_marks(chart: go.Figure, made: Sequence[ExperimentSummary], palette: Palette) -> None:
    """A mark per decision at the price of that time."""
    priced = [each for each in made if each.spot_price_usd_per_hour is not None]
    if not priced:
        return
    decision = priced[0].decision
    assert decision is not None
    chart.add_trace(
        go.Scatter(
            x=[each.created_at for each in priced],
            y=[each.spot_price_usd_per_hour for each in priced],
            mode="markers",
            marker={
                "symbol": _SYMBOLS[decision],
                "size": 10,
                "color": palette.of_decision(decision),
                "line": {"color": palette.background, "width": 1},
            },
            customdata=[
                plain(f"{decision_mark(decision)}, decision {each.experiment_id}")
                for each in priced
            ],
            hovertemplate="%{x|%Y-%m-%d %H:%M} UTC<br>%{customdata}<extra></extra>",
        )
    )
    last = priced[-1]
    label(
        chart,
        decision_mark(decision),
        last.created_at,  # type: ignore[arg-type]
        last.spot_price_usd_per_hour or 0.0,
        palette.of_decision(decision),
        xanchor="right",
        yanchor="bottom",
        xshift=0,
        yshift=8,
    )


def _add_risk(
    chart: go.Figure, known: Sequence[ExperimentSummary], palette: Palette, horizon_h: float
) -> None:
    values = [risk_at(each.risk or 0.0, each.horizon_h, horizon_h) for each in known]
    chart.add_trace(
        go.Scatter(
            x=[each.created_at for each in known],
            y=values,
            yaxis="y2",
            mode="lines+markers",
            line={"shape": "hv", "color": palette.warn, "width": 1},
            marker={"size": 6},
            customdata=[percent(each) for each in values],
            hovertemplate="%{x|%Y-%m-%d %H:%M} UTC<br>risk %{customdata}<extra></extra>",
        )
    )
