"""Chart of risk against price, with the Pareto frontier."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from spotlab.pipeline.price_of_safety import pareto
from spotlab.ui.charts.base import REMEMBERED, figure, label, plain
from spotlab.ui.charts.label_layout import place_labels
from spotlab.ui.common.formatting import count, percent, usd
from spotlab.ui.common.theme import Palette

RISK, PRICE = "risk", "spot_price_usd_per_hour"
LOG_FROM: Final = 3.0
"""Prices that span more than this factor have a logarithmic axis."""
AT_LEAST: Final = 2.0
"""The price axis reaches at least this many times the lowest price, if there are such prices."""
MARGIN: Final = 0.06
"""Space between the outermost point and the edge, as a share of the axis."""
NARROW_PX: Final = 270.0
"""Width of the plot on a phone."""
FEW_STEPS: Final = (1.0, 2.0, 5.0)
MORE_STEPS: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)


@dataclass(frozen=True, slots=True)
class Mark:
    """A pool with a label in the chart.

    Args:
        text: what it is, such as "now" or "cheapest"; short, to be readable on a phone.
        pool: its name, on hover.
        risk: 0..1.
        usd_per_hour: on the chart's price axis.
        symbol: Plotly's name of the shape.
        colour: #RRGGBB.
    """

    text: str
    pool: str
    risk: float
    usd_per_hour: float
    symbol: str
    colour: str


@dataclass(frozen=True, slots=True)
class Extent:
    """The part of the price axis that matters: up to the safest pool, the marks and on-demand.

    Args:
        low, high: USD per hour.
        above: number of pools that cost more than `high`.
        at_on_demand: whether `high` is the on-demand price.
    """

    low: float
    high: float
    above: int
    at_on_demand: bool = False

    @property
    def log(self) -> bool:
        """Whether the axis is logarithmic."""
        return self.high > LOG_FROM * self.low > 0


def extent(
    table: pd.DataFrame,
    marks: Sequence[Mark] = (),
    *,
    price: str = PRICE,
    on_demand_usd_per_hour: float | None = None,
) -> Extent:
    """What the chart shows of the prices.

    Args:
        table, marks, price: as in `frontier`.
        on_demand_usd_per_hour: that a spot pool has to beat: the frontier beyond it is cut off.
    """
    usd_per_hour = table[price].to_numpy(dtype=np.float64)
    marked = [mark.usd_per_hour for mark in marks]
    if not len(usd_per_hour):
        return Extent(min(marked, default=0.0), max(marked, default=1.0), 0)
    top = float(usd_per_hour[pareto(table[RISK].to_numpy(np.float64), usd_per_hour)].max())
    if on_demand_usd_per_hour is not None and usd_per_hour.min() < on_demand_usd_per_hour:
        top = min(top, on_demand_usd_per_hour)
    lowest = float(usd_per_hour.min())
    near = min(AT_LEAST * lowest, on_demand_usd_per_hour or math.inf, float(usd_per_hour.max()))
    high = max(top, near, lowest, *marked)
    low = min(float(usd_per_hour.min()), *marked, high)
    above = int((usd_per_hour > high).sum())
    return Extent(low, high, above, high == on_demand_usd_per_hour)


def caption(shown: Extent) -> str:
    """How to read the chart, and how many pools it leaves out."""
    text = "Dotted: the frontier; no pool is both safer and cheaper than those on it."
    if shown.log:
        text += " Prices on a log scale."
    if shown.above:
        why = "on-demand" if shown.at_on_demand else "others are both safer and cheaper"
        text += f" Not shown: {count(shown.above, 'pool')} above {usd(shown.high)} USD/h ({why})."
    return text


def frontier(
    table: pd.DataFrame,
    marks: Sequence[Mark],
    palette: Palette,
    *,
    horizon_h: float,
    price: str = PRICE,
    shown: Extent | None = None,
) -> go.Figure:
    """Pools by risk and price, the frontier, and the labelled pools.

    Args:
        table: instance_type, region, availability_zone, risk and `price`; one row per pool.
        marks: pools to label; they need not be in the table.
        palette: of the theme.
        horizon_h: of the risk, hours.
        price: column for the vertical axis.
        shown: part of the price axis; None: from the table and the marks.
    """
    return _frontier(
        tuple(_names(table)),
        tuple(table[RISK].to_numpy(dtype=np.float64).tolist()),
        tuple(table[price].to_numpy(dtype=np.float64).tolist()),
        tuple(marks),
        palette,
        horizon_h,
        shown or extent(table, marks, price=price),
    )


@lru_cache(maxsize=REMEMBERED)
def _frontier(
    names: tuple[str, ...],
    risks: tuple[float, ...],
    prices: tuple[float, ...],
    marks: tuple[Mark, ...],
    palette: Palette,
    horizon_h: float,
    shown: Extent,
) -> go.Figure:
    chart = figure(
        palette,
        x=f"risk of interruption within {horizon_h:g} h (%)",
        y=f"spot price (USD/h{', log scale' if shown.log else ''})",
        height=440,
    )
    risk, usd_per_hour = np.array(risks), np.array(prices)
    chart.add_trace(
        go.Scattergl(
            x=100 * risk,
            y=usd_per_hour,
            mode="markers",
            marker={"color": palette.dots, "size": 7, "opacity": 0.65},
            text=names,
            customdata=np.column_stack([[percent(r) for r in risk], [usd(p) for p in usd_per_hour]])
            if names
            else None,
            hovertemplate="<b>%{text}</b><br>risk %{customdata[0]}<br>%{customdata[1]} USD/h"
            "<extra></extra>",
        )
    )
    _draw_frontier(chart, risk, usd_per_hour, palette)
    visible = risk[usd_per_hour <= shown.high]
    _set_axes(chart, [*visible, *(mark.risk for mark in marks)], shown)
    _draw_marks(chart, marks, shown, palette)
    return chart


def _set_axes(chart: go.Figure, risk: Sequence[float], shown: Extent) -> None:
    chart.update_xaxes(ticksuffix=" %", nticks=6)
    if risk:
        low, high = 100 * min(risk), 100 * max(risk)
        space = MARGIN * (high - low) or 0.1 * high or 1.0
        chart.update_xaxes(range=[max(0.0, low - space), high + space])
    low, high = shown.low, shown.high
    if not shown.log:
        space = MARGIN * (high - low) or 0.1 * high
        # Prices of other orders of magnitude than 0 would be squeezed by a zero baseline.
        chart.update_yaxes(range=[max(0.0, low - 2 * space), high + 2 * space], nticks=7)
        return
    space = MARGIN * math.log10(high / low)
    steps = _steps(low, high)
    chart.update_yaxes(
        type="log",
        range=[math.log10(low) - 2 * space, math.log10(high) + 2 * space],
        tickvals=steps,
        ticktext=[*map(usd, steps)],
    )


def _steps(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, … between two prices; more of them where these are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in (FEW_STEPS, MORE_STEPS):
        steps = [factor * 10.0**power for power in powers for factor in factors]
        steps = [step for step in steps if 0.85 * low <= step <= 1.15 * high]
        if len(steps) >= 4:
            break
    return steps


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


def _draw_marks(chart: go.Figure, marks: Sequence[Mark], shown: Extent, palette: Palette) -> None:
    for mark in marks:
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
                hovertemplate=f"<b>{plain(mark.text)}: {plain(mark.pool)}</b><br>"
                f"risk {percent(mark.risk)}<br>{usd(mark.usd_per_hour)} USD/h<extra></extra>",
            )
        )
    left, right = chart.layout.xaxis.range or (0.0, 1.0)
    bottom, top = chart.layout.yaxis.range
    heights = [math.log10(m.usd_per_hour) if shown.log else m.usd_per_hour for m in marks]
    places = [
        ((100 * mark.risk - left) / (right - left), (height - bottom) / (top - bottom))
        for mark, height in zip(marks, heights, strict=True)
    ]
    boxes = place_labels(places, [mark.text for mark in marks], width_px=NARROW_PX)
    for mark, height, box in zip(marks, heights, boxes, strict=True):
        label(
            chart,
            f"<b>{plain(mark.text)}</b>",
            100 * mark.risk,
            height,
            mark.colour,
            showarrow=True,
            arrowhead=0,
            arrowcolor=mark.colour,
            bgcolor=palette.background,
            borderpad=1,
            xshift=0,
            xanchor="left" if box.right_px > 0 else "right",
            ax=box.right_px,
            ay=box.down_px,
        )


def _names(table: pd.DataFrame) -> list[str]:
    place = table["availability_zone"].where(table["availability_zone"].notna(), table["region"])
    return [plain(f"{t} in {p}") for t, p in zip(table["instance_type"], place, strict=True)]
