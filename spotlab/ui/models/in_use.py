"""Challengers in shadow, beside the models that decided."""

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

MOST_LISTED: Final = 200
SMALL_PRINT: Final = (
    "Challengers decide in shadow at every evaluation; nothing they decide is carried out."
)


def headline(seen: OutcomesView | None) -> str:
    """Whether another model would have decided otherwise, and how much is known of what came."""
    known = sum(card.rows for card in seen.cards) if seen else 0
    came = f"{formatting.count(known, 'outcome')} known"
    compared = seen.comparisons if seen else ()
    if not compared:
        return f"No challenger has run in shadow yet; {came}"
    told = [
        f"{each.model} agrees in {formatting.percent(each.agreement.value)} of "
        f"{formatting.count(each.decided, 'decision')}"
        for each in compared[:2]
    ]
    return f"In shadow {', '.join(told)}; {came}"


def show(
    seen: OutcomesView | None, names: Mapping[str, str], now: datetime, palette: Palette
) -> None:
    """Every challenger beside the models that decided, and where they parted.

    Args:
        seen: None: there is no market.
        names: of instances, by id.
        now: aware UTC.
        palette: of the theme.
    """
    st.header("Challengers in shadow", anchor=False)
    compared = seen.comparisons if seen else ()
    if not compared:
        widgets.empty(
            "No challenger has decided beside the champion.",
            "graduate a model of the champion's task: from then on it decides in shadow at every "
            "evaluation, and nothing it decides is carried out.",
        )
        return
    picked = tables.show(
        shadow_rows(compared),
        shadow_columns(),
        name="Challengers in shadow",
        key="shadows",
        select=("single-row", "single-cell"),
    )
    chosen = compared[picked[0] if picked else 0]
    export.offer(lambda: shadow_table(compared, now), "challengers", "shadows-file")
    apart = chosen.disagreements
    if not apart:
        st.caption(f"{formatting.plain(chosen.model)} decided as the champion every time.")
        return
    st.markdown(
        f"**Where {formatting.plain(chosen.model)} would have decided otherwise**: "
        f"{formatting.count(len(apart), 'decision')}. Select a row to open the decision."
    )
    listed = apart[:MOST_LISTED]
    opened = tables.show(
        apart_rows(listed, names),
        apart_columns(now, palette),
        name="Disagreements",
        key="apart",
        select=("single-row", "single-cell"),
        max_rows=8,
    )
    if opened:
        tabs.open_decision(listed[opened[0]].experiment_id)


def shadow_rows(compared: Sequence[Comparison]) -> pd.DataFrame:
    """One row a challenger."""
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
            for each in compared
        ]
    )


def shadow_columns() -> dict[str, Column]:
    """How the challengers' columns are shown."""
    beside = "Mean expected cost after its decisions minus after those made, USD an hour a decision"
    return {
        "model": Column("challenger"),
        "decided": Column("decisions", "{:,}".format, "That both reached.", number=True),
        "agreement": Column(
            "agrees",
            help="Same decision and pool; 95 % interval by day, from 5 days on.",
            number=True,
        ),
        "apart": Column("differs", "{:,}".format, number=True),
        "cost": Column(
            "dearer by the champion's risk, USD/h",
            help=f"{beside}, by the champion's risks.",
            number=True,
        ),
        "own": Column(
            "dearer by its own risk, USD/h", help=f"{beside}, by its own risks.", number=True
        ),
        "failures": Column("failed", "{:,}".format, "It could not decide.", number=True),
    }


def shadow_table(compared: Sequence[Comparison], now: datetime) -> export.Table:
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
                for each in compared
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
        notes=("Intervals draw whole days. Positive: the challenger's decisions cost more.",),
    )


def shares(estimate: Estimate) -> str | None:
    """`96 % (92 % to 99 %)`."""
    if not math.isfinite(estimate.value):
        return None
    between = ""
    if math.isfinite(estimate.low):
        between = f" ({formatting.percent(estimate.low)} to {formatting.percent(estimate.high)})"
    return formatting.percent(estimate.value) + between


def money(estimate: Estimate) -> str | None:
    """`−0.0012 (−0.0020 to −0.0004)`."""
    if not math.isfinite(estimate.value):
        return None
    between = ""
    if math.isfinite(estimate.low):
        low, high = (formatting.usd(each, sign=True) for each in (estimate.low, estimate.high))
        between = f" ({low} to {high})"
    return formatting.usd(estimate.value, sign=True) + between


def apart_rows(apart: Sequence[ShadowDecision], names: Mapping[str, str]) -> pd.DataFrame:
    """One row a disagreement, newest first."""
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
            for each in apart
        ]
    )
    return frame.astype({"risk": "float64", "chosen_risk": "float64", "cost": "float64"})


def apart_columns(now: datetime, palette: Palette) -> dict[str, Column]:
    """How the disagreements' columns are shown."""
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
        "pool": Column("to", width="medium", help="“—”: it would not switch."),
        "risk": Column(
            "its risk there", formatting.percent, "Where it runs, by the challenger.", number=True
        ),
        "chosen_risk": Column(
            "its risk after", formatting.percent, "“—”: it would not switch.", number=True
        ),
        "cost": Column(
            "dearer USD/h",
            lambda v: formatting.usd(v, sign=True),
            "Expected cost after its decision minus after the one made, by the champion's risks.",
            number=True,
        ),
    }
