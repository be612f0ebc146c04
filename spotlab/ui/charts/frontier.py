"""Chart of risk against price, with the Pareto frontier."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from spotlab.ui.charts.base import figure, label, plain
from spotlab.ui.common.formatting import percent, usd
from spotlab.ui.common.theme import Palette

RISK, PRICE = "risk", "spot_price_usd_per_hour"
LOG_SCALE_FROM: Final = 30.0
"""Prices that span more than this factor have a logarithmic axis."""
_HEIGHTS_PX: Final = (-34, 38, -62)


@dataclass(frozen=True, slots=True)
class Mark:
    """A pool with a label in the chart.

    Args:
        text: such as "now: m5.large".
        risk: 0..1.
        usd_per_hour: on the chart's price axis.
        symbol: Plotly's name of the shape.
        colour: #RRGGBB.
    """

    text: str
    risk: float
    usd_per_hour: float
    symbol: str
    colour: str


def pareto(risk: NDArray[np.float64], usd_per_hour: NDArray[np.float64]) -> NDArray[np.intp]:
    """Positions that no other beats on both risk and price, in order of risk.

    >>> pareto(np.array([0.1, 0.2, 0.3]), np.array([3.0, 1.0, 2.0])).tolist()
    [0, 1]
    """
    order = np.lexsort((usd_per_hour, risk))
    cheapest_before = np.minimum.accumulate(
        np.concatenate(([np.inf], usd_per_hour[order][:-1])) if len(order) else np.zeros(0)
    )
    return np.asarray(order[usd_per_hour[order] < cheapest_before], dtype=np.intp)


def frontier(
    table: pd.DataFrame,
    marks: Sequence[Mark],
    palette: Palette,
    *,
    horizon_h: float,
    price: str = PRICE,
    price_title: str = "spot price (USD/h)",
) -> go.Figure:
    """All pools by risk and price, the frontier, and the labelled pools.

    Args:
        table: instance_type, region, availability_zone, risk and `price`; one row per pool.
        marks: pools to label; they need not be in the table.
        palette: of the theme.
        horizon_h: of the risk, hours.
        price: column for the vertical axis.
        price_title: its title, with the unit.
    """
    chart = figure(
        palette, x=f"risk of interruption within {horizon_h:g} h (%)", y=price_title, height=440
    )
    risk = table[RISK].to_numpy(dtype=np.float64)
    usd_per_hour = table[price].to_numpy(dtype=np.float64)
    chart.add_trace(
        go.Scattergl(
            x=100 * risk,
            y=usd_per_hour,
            mode="markers",
            marker={"color": palette.dots, "size": 7, "opacity": 0.65},
            text=_names(table),
            customdata=np.column_stack([[percent(r) for r in risk], [usd(p) for p in usd_per_hour]])
            if len(table)
            else None,
            hovertemplate="<b>%{text}</b><br>risk %{customdata[0]}<br>%{customdata[1]} USD/h"
            "<extra></extra>",
        )
    )
    _draw_frontier(chart, risk, usd_per_hour, palette)
    log = len(usd_per_hour) > 1 and usd_per_hour.max() > LOG_SCALE_FROM * usd_per_hour.min() > 0
    middle = 50 * (risk.min() + risk.max()) if len(risk) else 0.0
    for mark, height in zip(marks, _HEIGHTS_PX, strict=False):
        _draw_mark(chart, mark, log=log, leftwards=100 * mark.risk > middle, height=height)
    chart.update_xaxes(ticksuffix=" %")
    if log:
        steps = _steps(float(usd_per_hour.min()), float(usd_per_hour.max()))
        chart.update_yaxes(
            type="log",
            title_text=f"{price_title}, log scale",
            tickvals=steps,
            ticktext=[*map(usd, steps)],
        )
    else:
        chart.update_yaxes(rangemode="tozero")
    return chart


def _steps(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, … between two prices."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    return [step for step in steps if low <= step <= high]


def _draw_frontier(
    chart: go.Figure, risk: NDArray[np.float64], usd_per_hour: NDArray[np.float64], palette: Palette
) -> None:
    best = pareto(risk, usd_per_hour)
    if len(best) < 2:
        return
    chart.add_trace(
        go.Scatter(
            x=100 * risk[best],
            y=usd_per_hour[best],
            mode="lines",
            line={"color": palette.quiet, "width": 1.5, "dash": "dot", "shape": "hv"},
            hoverinfo="skip",
        )
    )
    label(
        chart,
        "dotted: the frontier; no pool is both safer and cheaper than those on it",
        1,
        1,
        palette.quiet,
        xref="paper",
        yref="paper",
        xanchor="right",
        yanchor="bottom",
        xshift=0,
    )


def _draw_mark(chart: go.Figure, mark: Mark, *, log: bool, leftwards: bool, height: int) -> None:
    chart.add_trace(
        go.Scatter(
            x=[100 * mark.risk],
            y=[mark.usd_per_hour],
            mode="markers",
            marker={
                "symbol": mark.symbol,
                "size": 15,
                "color": mark.colour,
                "line": {"width": 1.5, "color": mark.colour},
            },
            hovertemplate=f"<b>{plain(mark.text)}</b><br>risk {percent(mark.risk)}<br>"
            f"{usd(mark.usd_per_hour)} USD/h<extra></extra>",
        )
    )
    label(
        chart,
        f"<b>{plain(mark.text)}</b>",
        100 * mark.risk,
        math.log10(mark.usd_per_hour) if log else mark.usd_per_hour,
        mark.colour,
        showarrow=True,
        arrowhead=0,
        arrowcolor=mark.colour,
        xshift=0,
        xanchor="right" if leftwards else "left",
        ax=-28 if leftwards else 28,
        ay=height,
    )


def _names(table: pd.DataFrame) -> list[str]:
    place = table["availability_zone"].where(table["availability_zone"].notna(), table["region"])
    return [plain(f"{t} in {p}") for t, p in zip(table["instance_type"], place, strict=True)]
