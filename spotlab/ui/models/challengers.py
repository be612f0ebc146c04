"""Challengers in shadow, compared with the models that decided."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.outcomes import Estimate, ShadowDecision
from spotlab.pipeline.shadow import Comparison
from spotlab.runtime.outcomes import OutcomesView
from spotlab.ui.common import export, formatting, tables, widgets
from spotlab.ui.common.tables import Column, at
from spotlab.ui.common.theme import Palette
from spotlab.ui.models import tabs

MAX_LISTED: Final = 200
SMALL_PRINT: Final = (
    "Challengers decide in shadow at every evaluation; their decisions are never executed."
)


def headline(view: OutcomesView | None) -> str:
    """How often the challengers agree with the champion, and how many outcomes are known."""
    known = sum(card.rows for card in view.cards) if view else 0
    outcomes = f"{formatting.count(known, 'outcome')} known"
    comparisons = view.comparisons if view else ()
    if not comparisons:
        return f"No challenger has run in shadow yet; {outcomes}"
    agreements = [
        f"{each.model} agrees in {formatting.percent(each.agreement.value)} of "
        f"{formatting.count(each.decided, 'decision')}"
        for each in comparisons[:2]
    ]
    return f"In shadow, {', '.join(agreements)}; {outcomes}"


def show(
    view: OutcomesView | None, names: Mapping[str, str], now: datetime, palette: Palette
) -> None:
    """Shows every challenger compared with the models that decided, and its disagreements.

    Args:
        view: None: there is no market.
        names: of instances, by id.
        now: aware UTC.
        palette: of the theme.
    """
    st.header("Challengers in shadow", anchor=False)
    comparisons = view.comparisons if view else ()
    if not comparisons:
        widgets.empty(
            "No challenger has run in shadow yet.",
            "graduate a model of the champion's task: it then decides in shadow at every "
            "evaluation, and its decisions are never executed.",
        )
        return
    selected = tables.show(
        shadow_rows(comparisons),
        shadow_columns(),
        name="Challengers in shadow",
        key="shadows",
        select=("single-row", "single-cell"),
    )
    comparison = comparisons[selected[0] if selected else 0]
    export.offer(lambda: shadow_table(comparisons, now), "challengers", "shadows-file")
    disagreements = comparison.disagreements
    if not disagreements:
        st.caption(f"{formatting.plain(comparison.model)} always decided as the champion did.")
        return
    st.markdown(
        f"**{formatting.plain(comparison.model)} would have decided differently in "
        f"{formatting.count(len(disagreements), 'decision')}.** Select a row to open the decision."
    )
    listed = disagreements[:MAX_LISTED]
    opened = tables.show(
        disagreement_rows(listed, names),
        disagreement_columns(now, palette),
        name="Disagreements",
        key="apart",
        select=("single-row", "single-cell"),
        max_rows=8,
    )
    if opened:
        tabs.open_decision(listed[opened[0]].experiment_id)


def shadow_rows(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """One row per challenger."""
    return pd.DataFrame(
        [
            {
                "model": each.model,
                "decided": each.decided,
                "agreement": shares(each.agreement),
                "apart": len(each.disagreements),
                "cost": money(each.cost_difference_usd_per_hour),
                "own": money(each.own_cost_difference_usd_per_hour),
                "failures": each.failures,
            }
            for each in comparisons
        ]
    )


def shadow_columns() -> dict[str, Column]:
    """The columns of the challengers' table."""
    difference = (
        "Mean difference per decision: expected cost after the challenger's decision minus after "
        "the champion's"
    )
    return {
        "model": Column("challenger"),
        "decided": Column("decisions", "{:,}".format, "Made by both models.", number=True),
        "agreement": Column(
            "agrees",
            help="Same decision and pool; 95 % interval over 5 or more days.",
            number=True,
        ),
        "apart": Column("differs", "{:,}".format, number=True),
        "cost": Column(
            "cost difference by champion's risk (USD/h)",
            help=f"{difference}, both computed with the champion's risks.",
            number=True,
        ),
        "own": Column(
            "cost difference by its own risk (USD/h)",
            help=f"{difference}, both computed with the challenger's risks.",
            number=True,
        ),
        "failures": Column(
            "failed",
            "{:,}".format,
            "Evaluations without a decision of the challenger.",
            number=True,
        ),
    }


def shadow_table(comparisons: Sequence[Comparison], now: datetime) -> export.Table:
    """The challengers as a file."""
    return export.Table(
        frame=pd.DataFrame(
            [
                {
                    "model": each.model,
                    "decided": each.decided,
                    "failures": each.failures,
                    "agreement": each.agreement.value,
                    "agreement_low": each.agreement.low,
                    "agreement_high": each.agreement.high,
                    "cost": each.cost_difference_usd_per_hour.value,
                    "own_cost": each.own_cost_difference_usd_per_hour.value,
                }
                for each in comparisons
            ]
        ),
        caption=f"Challengers in shadow until {now:%Y-%m-%d}",
        headers={
            "model": "Challenger",
            "decided": "Decisions",
            "failures": "Failed",
            "agreement": "Agreement",
            "agreement_low": "2.5 %",
            "agreement_high": "97.5 %",
            "cost": "Cost difference, USD/h, by the champion's risk",
            "own_cost": "by its own risk",
        },
        digits={"agreement": 3, "agreement_low": 3, "agreement_high": 3, "cost": 5, "own_cost": 5},
        notes=(
            "Intervals: bootstrap over whole days. Positive: the challenger's decisions cost more.",
        ),
    )


def shares(estimate: Estimate) -> str | None:
    """`96 % (92 % to 99 %)`."""
    if not math.isfinite(estimate.value):
        return None
    interval = ""
    if math.isfinite(estimate.low):
        interval = f" ({formatting.percent(estimate.low)} to {formatting.percent(estimate.high)})"
    return formatting.percent(estimate.value) + interval


def money(estimate: Estimate) -> str | None:
    """`−0.0012 (−0.0020 to −0.0004)`."""
    if not math.isfinite(estimate.value):
        return None
    interval = ""
    if math.isfinite(estimate.low):
        low, high = (formatting.usd(each, sign=True) for each in (estimate.low, estimate.high))
        interval = f" ({low} to {high})"
    return formatting.usd(estimate.value, sign=True) + interval


def disagreement_rows(
    disagreements: Sequence[ShadowDecision], names: Mapping[str, str]
) -> pd.DataFrame:
    """One row per disagreement, newest first."""
    frame = pd.DataFrame(
        [
            {
                "id": each.experiment_id,
                "at": each.created_at,
                "instance": names.get(each.instance_id, each.instance_id),
                "made": formatting.decision_mark(each.champion_decision),
                "would": formatting.decision_mark(each.decision),
                "pool": each.chosen_pool,
                "risk": each.current_risk,
                "chosen_risk": each.chosen_risk,
                "cost": each.cost_difference_usd_per_hour,
            }
            for each in disagreements
        ]
    )
    return frame.astype({"risk": "float64", "chosen_risk": "float64", "cost": "float64"})


def disagreement_columns(now: datetime, palette: Palette) -> dict[str, Column]:
    """The columns of the disagreements' table."""
    colours = {
        formatting.decision_mark(decision): palette.of_decision(decision)
        for decision in formatting.DECISION_MARKS
    }

    def colour(text: object) -> str:
        return colours.get(str(text), palette.quiet)

    return {
        "id": Column("decision", "#{}".format, number=True),
        "at": Column("made", at(now, formatting.ago)),
        "instance": Column("instance"),
        "made": Column("champion", colour=colour),
        "would": Column("challenger", colour=colour),
        "pool": Column("challenger's pool", width="medium", help="“—”: it would not switch."),
        "risk": Column(
            "risk, current pool",
            formatting.percent,
            "Risk of the current pool, by the challenger.",
            number=True,
        ),
        "chosen_risk": Column(
            "risk, chosen pool",
            formatting.percent,
            "Risk of the challenger's pool, by the challenger. “—”: it would not switch.",
            number=True,
        ),
        "cost": Column(
            "cost difference (USD/h)",
            lambda v: formatting.usd(v, sign=True),
            "Expected cost after the challenger's decision minus after the champion's, by the "
            "champion's risks.",
            number=True,
        ),
    }
