"""Layouts that also work on narrow screens: foldable filters, and details beside a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

NARROW_PX: Final = 640
"""Streamlit stacks columns below this width."""
STYLE: Final = """
.st-key-unfold {{ display: none; }}
@media (max-width: {narrow}px) {{
  h1 {{ font-size: 1.35rem !important; }}
  .st-key-unfold {{ display: flex; }}
  .stMain:not(:has(.st-key-unfold input:checked)) .st-key-filters {{ display: none; }}
  .st-key-details {{ position: fixed; left: 0; right: 0; bottom: 0; z-index: 90; max-height: 66vh;
    overflow-y: auto; padding: 0.5rem 1rem 1.5rem; background: {background};
    border-top: 2px solid {line}; }}
  .stMain:has(.st-key-details) .stMainBlockContainer {{ padding-bottom: 66vh; }}
}}
"""
"""On a narrow screen, filters are folded away, and details are a sheet at the lower edge: below
the table they would be out of sight."""


def filters(active: int) -> DeltaGenerator:
    """A container for a page's filters, folded behind a switch on a narrow screen.

    Args:
        active: number of filters that exclude something; the switch says so.
    """
    label = f"Filters ({active} active)" if active else "Filters"
    with st.container(key="unfold"):
        st.toggle(label, key="unfold-filters")
    return st.container(key="filters")


class MasterDetail(NamedTuple):
    """Where a table and the details of its open row belong; None: no row is open."""

    table: DeltaGenerator
    details: DeltaGenerator | None


def master_detail(is_open: bool, widths: Sequence[float] = (7, 5)) -> MasterDetail:
    """A table over the whole width, or next to the details of a row."""
    table, *details = st.columns(widths if is_open else 1, gap="medium")
    # Always the first column, even of one: moved elsewhere, the table would lose the focus.
    return MasterDetail(
        table.container(), details[0].container(key="details", border=True) if details else None
    )
