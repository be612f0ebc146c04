"""The filters of the fleet's table, and the place of the page's action next to them."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from spotlab.ui.common import formatting, layout, widgets
from spotlab.ui.instances import table

_KEYS = ("account", "region", "verdict", "q")


def show(fleet: pd.DataFrame) -> tuple[pd.DataFrame, DeltaGenerator]:
    """One row of filters; the values are in the URL.

    Args:
        fleet: rows of all instances that this user may see.
    Returns:
        The rows that the filters leave, and the place of the page's action.
    """
    row = st.columns([8.4, 1.9], vertical_alignment="bottom")
    with row[0], layout.filters(sum(key in st.query_params for key in _KEYS)):
        columns = st.columns(4, vertical_alignment="bottom")
        with columns[0]:
            accounts = widgets.pick_many("Account", fleet["account"].unique(), "account")
        with columns[1]:
            regions = widgets.pick_many("Region", fleet["region"].unique(), "region")
        with columns[2]:
            verdicts = widgets.pick_many(
                "Decision", [*formatting.DECISION_MARKS.values()], "verdict"
            )
        with columns[3]:
            text = widgets.search("Search", "q", "name, type, zone, id")
    return table.matching(fleet, accounts, regions, verdicts, text), row[1].container()
