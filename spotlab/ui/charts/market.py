"""Charts of the market: price history, advisor buckets, filtered pools by reason."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final

import pandas as pd
import plotly.graph_objects as go

from spotlab.domain.decision import drop_label
from spotlab.domain.risk import BUCKET_LABELS
from spotlab.inference.explanation_text import bucket_label
from spotlab.ui.charts.base import REMEMBERED, figure, label, plain, wrapped
from spotlab.ui.common.formatting import usd
from spotlab.ui.common.theme import Palette

COLOUR_BAR_PX: Final = 200


def price_history(
    history: pd.DataFrame,
    palette: Palette,
    *,
    until: datetime,
    on_demand_usd_per_hour: float | None = None,
) -> go.Figure:
    """A pool's spot price as steps, with the on-demand price as a line.

    Args:
        history: event_time and spot_price_usd_per_hour of each change, oldest first.
        palette: of the theme.
        until: end of the last step.
        on_demand_usd_per_hour: None if unknown.
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
    """Mean advisor bucket by region and family, labelled as the advisor labels it.

    Args:
        advisor: region, family and bucket; one row per type.
        palette: of the theme.
        regions, families: limits of rows and columns; those with the most types are shown.
    """
    mean, types = (
        advisor.pivot_table(index="region", columns="family", values="bucket", aggfunc=each)
        for each in ("mean", "size")
    )
    largest = advisor["region"].value_counts().index[:regions]
    mean = mean.loc[sorted(largest)].dropna(axis="columns", how="all")
    in_regions = advisor.loc[advisor["region"].isin(largest), "family"]
    largest_families = in_regions.value_counts().index[:families]
    family_count = mean.shape[1]
    mean = mean[[family for family in mean.columns if family in largest_families]]
    types = types.reindex(index=mean.index, columns=mean.columns)
    words = [
        [_heat_text(bucket, number) for bucket, number in zip(buckets, numbers, strict=True)]
        for buckets, numbers in zip(mean.to_numpy(), types.to_numpy(), strict=True)
    ]
    chart = figure(
        palette,
        x=f"instance family{_limit(mean.shape[1], family_count)}",
        y=f"region{_limit(len(mean), advisor['region'].nunique())}",
        height=180 + 30 * len(mean),
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
                "title": {"text": "interrupted last month", "side": "top"},
                "tickvals": list(range(5)),
                "ticktext": list(BUCKET_LABELS),
                "outlinewidth": 0,
                "thickness": 12,
                "orientation": "h",
                "x": 0.0,
                "xanchor": "left",
                "y": 1.0,
                "yanchor": "bottom",
                "lenmode": "pixels",
                "len": COLOUR_BAR_PX,
            },
            customdata=words,
            hovertemplate="%{y}, %{x}<br>%{customdata}<extra></extra>",
        )
    )
    chart.update_yaxes(autorange="reversed")
    chart.update_xaxes(side="bottom", tickangle=-60, title_standoff=8)
    return chart


def _heat_text(bucket: float, types: float) -> str:
    """`about 10-15 %, the mean of 4 types`."""
    if not math.isfinite(bucket):
        return "no type listed"
    mean = f", the mean of {types:.0f} types" if types > 1 else ""
    return plain(f"interrupted {bucket_label(bucket)}{mean}")


def _limit(shown: int, of: int) -> str:
    return "" if shown == of else f" ({shown} of {of}, those with the most types)"


def drops(counts: Mapping[str, int], palette: Palette) -> go.Figure:
    """Number of filtered pools by reason.

    Args:
        counts: by the stored text of the reason.
        palette: of the theme.
    """
    return _drops(tuple(counts.items()), palette)


@lru_cache(maxsize=REMEMBERED)
def _drops(counted: tuple[tuple[str, int], ...], palette: Palette) -> go.Figure:
    counts = dict(counted)
    chart = figure(palette, x="filtered pools", y="", height=80 + 38 * max(1, len(counts)))
    chart.add_trace(
        go.Bar(
            orientation="h",
            y=[wrapped(drop_label(reason)) for reason in counts],
            x=list(counts.values()),
            text=[f"{count:,}" for count in counts.values()],
            textposition="outside",
            cliponaxis=False,
            marker={"color": palette.dots},
            hovertemplate="%{y}: %{text}<extra></extra>",
        )
    )
    chart.update_xaxes(range=[0, 1.25 * max(counts.values(), default=1)], showticklabels=False)
    chart.update_yaxes(autorange="reversed")
    return chart


def _label_line(chart: go.Figure, text: str, x: datetime, y: float, colour: str) -> None:
    label(chart, text, x, y, colour, yanchor="bottom", xshift=0)  # type: ignore[arg-type]
