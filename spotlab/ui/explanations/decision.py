"""Why a decision was made: its margin, its runner-up, and what would change it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from spotlab.domain.decision import Decision, Verdict
from spotlab.domain.decision_explanation import DecisionExplanation, Flip
from spotlab.domain.risk import HOURS_PER_MONTH
from spotlab.pipeline.decision_words import flip_value
from spotlab.ui import charts
from spotlab.ui.common import session, tables, widgets
from spotlab.ui.common.formatting import ago, decision_mark, plain
from spotlab.ui.common.theme import palette

COLUMNS = {
    "change": tables.Column("What changes", width="large"),
    "before": tables.Column("Now", number=True),
    "after": tables.Column(
        "Would have to be", number=True, help="The nearest value with another decision."
    ),
    "decision": tables.Column("Then"),
    "pool": tables.Column("On", help="Where it would run; — is where it runs now."),
}


def headline(explanation: DecisionExplanation) -> str:
    """The decision in a short sentence."""
    experiment = explanation.experiment
    verdict = experiment.verdict
    name = experiment.instance.name or experiment.instance.instance_id
    assert verdict is not None, "an explained decision has a verdict"
    if verdict.decision is Decision.STAY:
        return f"{name} stays on {experiment.instance.pool.label}"
    to = verdict.chosen.pool.label if verdict.chosen else "on-demand"
    margin = verdict.margin
    if margin is None:
        return f"{name} moves to {to}"
    month = abs(margin.saving) * HOURS_PER_MONTH
    worth = "saves" if margin.saving >= 0 else "costs"
    more = "" if margin.saving >= 0 else " more"
    return f"{name} moves to {to}: {worth} {month:,.2f} USD a month{more}"


def show(explanation: DecisionExplanation) -> None:
    """The margin in words and as a chart, and the flips."""
    verdict = explanation.experiment.verdict
    assert verdict is not None, "an explained decision has a verdict"
    flips = [flip for flip in explanation.flips if flip.after is not None]
    st.header("Why this decision", anchor=False)
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in explanation.reasons))
    if verdict.margin is not None:
        st.plotly_chart(
            charts.margin(verdict.margin, palette(), made=verdict.decision is not Decision.STAY),
            config=charts.CONFIG,
            key="margin",
            alt="Parts of the margin between staying and moving, USD per hour",
        )
    _show_sources(verdict)
    st.header("What would change it", anchor=False)
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in explanation.changes))
    if flips:
        frame = rows(flips)
        tables.show(frame, COLUMNS, name="Smallest changes", key="flips", max_rows=8)
        widgets.export(lambda: frame, f"flips-{explanation.experiment.experiment_id}", "flips")
    unmoved = [flip for flip in explanation.flips if flip.after is None]
    if unmoved:
        with st.expander(f"{len(unmoved)} values that do not change it"):
            frame_unmoved = rows(unmoved)
            columns = {name: COLUMNS[name] for name in ("change", "before")}
            searched = tables.Column("Searched", help="Range in which no value changes it.")
            columns |= {"searched": searched}
            tables.show(frame_unmoved, columns, name="Values without effect", key="unmoved")


def rows(flips: Sequence[Flip]) -> pd.DataFrame:
    """One row a flip, with values as text and their unit."""
    return pd.DataFrame(
        {
            "parameter": [flip.parameter for flip in flips],
            "change": [flip.label for flip in flips],
            "before": [flip_value(flip, flip.before) for flip in flips],
            "after": [flip_value(flip, flip.after) for flip in flips],
            "decision": [decision_mark(flip.decision) if flip.decision else None for flip in flips],
            "pool": [flip.pool.label if flip.pool else None for flip in flips],
            "searched": [
                "yes and no"
                if flip.low is None or flip.high is None
                else f"{flip_value(flip, flip.low)} to {flip_value(flip, flip.high)}"
                for flip in flips
            ],
        }
    )


def _show_sources(verdict: Verdict) -> None:
    candidates = [each for each in (verdict.current, verdict.chosen) if each is not None]
    sources = dict.fromkeys(source for each in candidates for source in each.sources)
    if sources:
        now = session.now()
        told = [f"{source.source} ({ago(source.event_time, now)})" for source in sources]
        st.caption(plain(f"Sources: {'; '.join(told)}."))
