"""Prices over time, buckets by region and family, and what was dropped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pandas as pd
import plotly.graph_objects as go

from spotlab.domain.risk import BUCKET_LABELS
from spotlab.ui.charts.base import figure, label, plain
from spotlab.ui.common.formatting import usd
from spotlab.ui.common.theme import Palette


def price_history(
    history: pd.DataFrame,
    palette: Palette,
    *,
    until: datetime,
    on_demand_usd_per_hour: float | None = None,
) -> go.Figure:
    """One pool's spot price as steps, with the on-demand price above it.

    Args:
        history: event_time and spot_price_usd_per_hour, change points, oldest first.
        palette: of the theme.
        until: the last price holds until then.
        on_demand_usd_per_hour: None where unknown.
    """
    chart = figure(palette, x="time (UTC)", y="spot price (USD/h)", height=300)
    times = [*history["event_time"], until]
    prices = [*history["spot_price_usd_per_hour"], history["spot_price_usd_per_hour"].iloc[-1]]
    chart.add_trace(
        go.Scatter(
            x=times,
            y=prices,
            mode="lines",
            line={"shape": "hv", "color": palette.move, "width": 2},
            customdata=[usd(price) for price in prices],
            hovertemplate="%{x|%Y-%m-%d %H:%M} UTC<br>%{customdata} USD/h<extra></extra>",
        )
    )
    if on_demand_usd_per_hour is not None:
        chart.add_hline(on_demand_usd_per_hour, line={"color": palette.quiet, "dash": "dot"})
        text = f"on-demand {usd(on_demand_usd_per_hour)}"
        _label_line(chart, text, times[0], on_demand_usd_per_hour, palette.quiet)
    chart.update_yaxes(rangemode="tozero")
    return chart


def heat_map(
    advisor: pd.DataFrame, palette: Palette, regions: int = 12, families: int = 48
) -> go.Figure:
    """Mean interruption bucket by region and family series, 0 to 4.

    Args:
        advisor: region, family and bucket, a row a type.
        palette: of the theme.
        regions, families: at most so many rows and columns, those with most types.
    """
    mean = advisor.pivot_table(index="region", columns="family", values="bucket", aggfunc="mean")
    most = advisor["region"].value_counts().index[:regions]
    mean = mean.loc[sorted(most)].dropna(axis="columns", how="all")
    widest = advisor.loc[advisor["region"].isin(most), "family"].value_counts().index[:families]
    found = mean.shape[1]
    mean = mean[[family for family in mean.columns if family in widest]]
    chart = figure(
        palette,
        x=f"instance family{_part(mean.shape[1], found)}",
        y=f"region{_part(len(mean), advisor['region'].nunique())}",
        height=max(300, 110 + 26 * len(mean)),
    )
    steps = len(palette.scale) - 1
    chart.add_trace(
        go.Heatmap(
            z=mean.to_numpy(),
            x=[*map(plain, mean.columns)],
            y=[*map(plain, mean.index)],
            zmin=0,
            zmax=4,
            xgap=1,
            ygap=1,
            colorscale=[[i / steps, colour] for i, colour in enumerate(palette.scale)],
            colorbar={
                "title": {"text": "bucket, last month<br> "},
                "tickvals": list(range(5)),
                "ticktext": list(BUCKET_LABELS),
                "outlinewidth": 0,
                "thickness": 12,
            },
            hovertemplate="%{y}, %{x}<br>mean bucket %{z:.1f} of 4<extra></extra>",
        )
    )
    chart.update_yaxes(autorange="reversed")
    chart.update_xaxes(side="bottom", tickangle=-60, dtick=1)
    return chart


def _part(shown: int, of: int) -> str:
    return "" if shown == of else f" ({shown} of {of}, those with most types)"


def drops(counts: Mapping[str, int], palette: Palette) -> go.Figure:
    """How many pools each reason dropped."""
    chart = figure(palette, x="pools dropped", y="", height=80 + 30 * max(1, len(counts)))
    chart.add_trace(
        go.Bar(
            orientation="h",
            y=[*map(plain, counts)],
            x=list(counts.values()),
            text=[f"{count:,}" for count in counts.values()],
            textposition="outside",
            cliponaxis=False,
            marker={"color": palette.dots},
            hovertemplate="%{y}: %{text}<extra></extra>",
        )
    )
    chart.update_xaxes(range=[0, 1.15 * max(counts.values(), default=1)], showticklabels=False)
    chart.update_yaxes(autorange="reversed")
    return chart


def _label_line(chart: go.Figure, text: str, x: datetime, y: float, colour: str) -> None:
    label(chart, text, x, y, colour, yanchor="bottom", xshift=0)  # type: ignore[arg-type]
