"""Components' states as a sentence and as rows. Screens floor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import streamlit as st

from spotlab.domain.ports import ComponentState
from spotlab.ui import words

COLOURS: Final = {"healthy": "green", "degraded": "orange", "down": "red"}
MEANINGS: Final = {
    "advisor scraper": "Reads interruption buckets. Without it risks are computed from old ones.",
    "price scraper": "Reads spot and on-demand prices. Without it decisions use old prices.",
    "database": "Keeps every decision and snapshot. Without it nothing can be recorded.",
    "Redis cache": "The online store. Without it the market is read from SQL, slower.",
    "linear optimizer": "Decides. Without it instances stay where they are.",
    "ML inference": "Computes risks. Without it no new decision can be made.",
    "instance manager": "Lists the fleet. Without it new instances stay unknown.",
    "app server": "Shows these pages.",
}


def headline(states: Sequence[ComponentState]) -> str:
    """Does every part work?"""
    wrong = [s for s in states if s.state in ("down", "degraded")]
    unknown = [s for s in states if s.state == "unknown"]
    total = words.count(len(states), "part")
    if not wrong and not unknown:
        return f"All {total} work"
    found = [f"{s.name} is {s.state}" for s in sorted(wrong, key=lambda s: s.state != "down")]
    if unknown:
        found.append(f"{words.listed([s.name for s in unknown])} not used yet")
    healthy = len(states) - len(wrong) - len(unknown)
    return f"{healthy} of {total} work: {words.listed(found)}"


def show(states: Sequence[ComponentState], now: datetime) -> None:
    """A row a component: state, reason, last success, latency."""
    widths = [1.3, 1.6, 5, 1.6, 1.2]
    head = st.columns(widths)
    for column, text in zip(
        head, ("state", "part", "reason", "last success", "latency"), strict=True
    ):
        column.caption(text, text_alignment="right" if text == "latency" else "left")
    for state in states:
        row = st.columns(widths, vertical_alignment="center")
        with row[0]:
            st.badge(words.state_mark(state.state), color=COLOURS.get(state.state, "gray"))  # type: ignore[arg-type]
        row[1].markdown(f"**{state.name}**")
        meaning = "" if state.state == "healthy" else MEANINGS.get(state.name, "")
        row[2].markdown(f"{state.reason} {meaning}".strip())
        row[3].markdown(
            words.ago(state.last_success_at, now), help=words.moment(state.last_success_at)
        )
        row[4].markdown(
            words.milliseconds(state.latency_ms),
            help=None if words.known(state.latency_ms) else "Not measured, or it did not answer.",
            text_alignment="right",
        )
