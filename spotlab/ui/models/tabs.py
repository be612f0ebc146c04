"""The views of the Models page, each with its own URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

import streamlit as st

from spotlab.runtime.model_selection import RISK_TASK
from spotlab.services.models import ModelEntry
from spotlab.ui.common import links, widgets
from spotlab.ui.models import leaderboard

VIEWS: Final[Mapping[str, str]] = {
    "leaderboard": "Leaderboard",
    "card": "Card",
    "versus": "Head to head",
    "use": "In use",
}


def pick() -> str:
    """The view in the URL; without one, the first."""
    return widgets.pick_view(VIEWS, "models-view")


def open_card(reference: str) -> NoReturn:
    """Open a version's card."""
    st.switch_page(links.page("models"), query_params={"view": "card", "model": reference})


def open_decision(experiment_id: int) -> NoReturn:
    """Open a decision on the Experiments page."""
    st.switch_page(links.page("experiments"), query_params={"id": str(experiment_id)})


def pick_model(entries: Sequence[ModelEntry]) -> str:
    """Select the model whose card is shown, champions first; gives "name@version"."""
    order = [*leaderboard.STATE_MARKS]
    ordered = sorted(entries, key=lambda entry: order.index(entry.record.state))
    names = {entry.record.reference: entry.record.reference for entry in ordered}
    with st.columns(2)[0]:
        return widgets.pick_one("Model", names, "model") or ""


def pick_working(entries: Sequence[ModelEntry]) -> str:
    """Select the model whose drift is shown, the champion first, then the challengers."""
    records = [
        entry.record
        for entry in entries
        if entry.record.state in ("champion", "graduated") and entry.record.task == RISK_TASK
    ]
    ordered = sorted(records, key=lambda record: record.state != "champion")
    names = {record.reference: record.reference for record in ordered}
    if len(names) < 2:
        return next(iter(names), "")
    with st.columns(2)[0]:
        return widgets.pick_one("Model", names, "drift") or ""
