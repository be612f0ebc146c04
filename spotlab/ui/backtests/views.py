"""The views of one backtest, each with an address of its own. Screens floor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import streamlit as st

VIEWS: Final[Mapping[str, str]] = {
    "results": "Results",
    "replay": "One window replayed",
}
_WIDGET: Final = "backtest-view"


def pick() -> str:
    """The view that the URL names; the first where it names none."""
    asked = st.query_params.get("view", "")
    chosen = asked if asked in VIEWS else next(iter(VIEWS))
    if st.session_state.get(_WIDGET) != chosen:
        st.session_state[_WIDGET] = chosen
    st.segmented_control(
        "View",
        [*VIEWS],
        format_func=lambda view: VIEWS[view],
        key=_WIDGET,
        on_change=_write,
        label_visibility="collapsed",
        required=True,
    )
    return chosen


def _write() -> None:
    st.query_params["view"] = st.session_state[_WIDGET]
