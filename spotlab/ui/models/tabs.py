"""The views of the Models page, each with an address of its own."""

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
    """The view that the URL names; the first where it names none."""
    return widgets.pick_view(VIEWS, "models-view")


def open_card(reference: str) -> NoReturn:
    """Go to a version's card."""
    st.switch_page(links.page("models"), query_params={"view": "card", "model": reference})


def open_decision(experiment_id: int) -> NoReturn:
    """Go to a decision on the Experiments page."""
    st.switch_page(links.page("experiments"), query_params={"id": str(experiment_id)})


def pick_model(entries: Sequence[ModelEntry]) -> str:
    """Which card: "name@version", champions first."""
    order = [*leaderboard.STATE_MARKS]
    ordered = sorted(entries, key=lambda entry: order.index(entry.record.state))
    names = {entry.record.reference: entry.record.reference for entry in ordered}
    with st.columns(2)[0]:
        return widgets.pick_one("Model", names, "model") or ""


def pick_working(entries: Sequence[ModelEntry]) -> str:
    """Which model's drift: champions first, then those that run in shadow."""
    working = [e.record for e in entries if e.record.state in ("champion", "graduated")]
    risk = [record for record in working if record.task == RISK_TASK]
    ordered = sorted(risk, key=lambda record: record.state != "champion")
    names = {record.reference: record.reference for record in ordered}
    if len(names) < 2:
        return next(iter(names), "")
    with st.columns(2)[0]:
        return widgets.pick_one("Model", names, "drift") or ""
