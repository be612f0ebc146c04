"""The base of every chart: configuration, empty figure, labels."""

from __future__ import annotations

import html
import textwrap
from typing import Any, Final

import plotly.graph_objects as go

from spotlab.telemetry.invisible_characters import visible
from spotlab.ui.common import streamlit_internals
from spotlab.ui.common.theme import Palette

streamlit_internals.use_plotly_theme()

CONFIG: Final[dict[str, Any]] = {"displaylogo": False, "displayModeBar": False}
"""Without Plotly's buttons; zooming by dragging works without them."""

REMEMBERED: Final = 16
"""Figures that each chart remembers by what they show: to build one takes several times as long as
to send it, and most reruns of a page show what the last one did."""


def plain(text: str) -> str:
    """Text for Plotly, escaped: Plotly interprets some HTML, including links."""
    return html.escape(visible(text), quote=False)


def wrapped(text: str, letters: int = 26) -> str:
    """Text for Plotly in lines of at most so many letters, so that it fits on a phone.

    >>> wrapped("older CPU generation", 12)
    'older CPU<br>generation'
    """
    unbroken = visible(text).replace(" %", "\u00a0%")
    lines = textwrap.wrap(unbroken, letters, break_long_words=False, break_on_hyphens=False)
    return "<br>".join(html.escape(line, quote=False) for line in lines)


def figure(palette: Palette, *, x: str, y: str, height: int = 420, left: int = 10) -> go.Figure:
    """An empty figure with axis titles on a transparent background.

    Args:
        palette: of the theme; Streamlit's own axis text is below 4.5:1 in the light theme.
        x, y: axis titles, each with its unit.
        height: pixels.
        left: left margin, pixels; long tick labels make it wider.
    """
    text = {"color": palette.quiet}
    axis = {"automargin": True, "zeroline": False, "tickfont": text}
    # In one call: every later update costs as much as all of this.
    return go.Figure(
        layout={
            "height": height,
            "margin": {"l": left, "r": 16, "t": 24, "b": 10},
            "showlegend": False,
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "separators": ".,",
            "hoverlabel": {"align": "left"},
            "font": text,
            "xaxis": {**axis, "title": {"text": x, "font": text}},
            "yaxis": {**axis, "title": {"text": y, "font": text}},
        }
    )


def label(
    figure: go.Figure, text: str, x: float, y: float, colour: str, **placing: Any
) -> go.Figure:
    """A direct label next to a mark, in the mark's colour."""
    figure.add_annotation(
        text=text,
        x=x,
        y=y,
        font={"color": colour, "size": 13},
        **({"showarrow": False, "xanchor": "left", "xshift": 8} | placing),
    )
    return figure
