"""The page table, and links from a number to its why. Screens floor."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st

PAGES: Final = Path(__file__).resolve().parents[2] / "pages"
PAGE_TABLE: Final = (
    ("instances", "Instances", ":material/dns:"),
    ("candidates", "Candidates", ":material/leaderboard:"),
    ("explanations", "Explanations", ":material/waterfall_chart:"),
    ("experiments", "Experiments", ":material/history:"),
    ("market", "Market", ":material/show_chart:"),
    ("models", "Models", ":material/verified:"),
    ("backtests", "Backtests", ":material/replay:"),
    ("health", "Health", ":material/monitor_heart:"),
)


def page(name: str) -> Path:
    """The script of a page."""
    return PAGES / f"{name}.py"


def to(name: str, label: str, icon: str, **about: str | int) -> None:
    """A link to a page about something."""
    st.page_link(
        page(name),
        label=label,
        icon=icon,
        query_params={key: str(value) for key, value in about.items()},
    )


def of_instance(instance_id: str, experiment_id: int | None) -> None:
    """Where to go from an instance."""
    with st.container(horizontal=True):
        if experiment_id is not None:
            to("experiments", "Open the decision", ":material/history:", id=experiment_id)
        to("candidates", "Its candidates", ":material/leaderboard:", instance=instance_id)
        to("explanations", "Why this risk", ":material/waterfall_chart:", instance=instance_id)


def of_experiment(experiment_id: int, instance_id: str) -> None:
    """Where to go from a decision."""
    with st.container(horizontal=True):
        to("explanations", "Why these risks", ":material/waterfall_chart:", decision=experiment_id)
        to("candidates", "Its candidates now", ":material/leaderboard:", instance=instance_id)
