"""The table of decisions: filters, headline, rows and columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.decision import Decision, Instance
from spotlab.domain.market import Pool
from spotlab.domain.ports import ExperimentFilter, ExperimentSummary
from spotlab.ui.common import formatting
from spotlab.ui.common.tables import Column, at
from spotlab.ui.common.theme import Palette
from spotlab.ui.common.widgets import pick_instance, pick_option
from spotlab.ui.instances.table import DECISION_PX

PAGE_ROWS: Final = 50
POOL_PX: Final = 185
SINCE: Final = {
    "last hour": timedelta(hours=1),
    "last day": timedelta(days=1),
    "last week": timedelta(days=7),
    "last month": timedelta(days=30),
}
YES_NO: Final = {"yes": True, "no": False}


def show_filters(
    fleet: Sequence[Instance], models: Sequence[str], now: datetime
) -> ExperimentFilter:
    """One row of filters; the values are in the URL."""
    row = st.columns([3, 2, 2, 2, 1.5, 1.5], vertical_alignment="bottom")
    with row[0]:
        instance = pick_instance(fleet, blank="all")
    with row[1]:
        decision = pick_option("Decision", [d.value for d in Decision], "made")
    with row[2]:
        model = pick_option("Model", models, "model")
    with row[3]:
        since = pick_option("Time", list(SINCE), "since")
    with row[4]:
        degraded = pick_option("Degraded", list(YES_NO), "degraded")
    with row[5]:
        shadow = pick_option("Shadow", list(YES_NO), "shadow")
    return ExperimentFilter(
        instance_id=instance,
        decision=Decision(decision) if decision else None,
        model=model,
        since=now - SINCE[since] if since else None,
        degraded=YES_NO.get(degraded) if degraded else None,
        shadow=YES_NO.get(shadow) if shadow else None,
    )


def headline(total: int, newest: Sequence[ExperimentSummary], now: datetime) -> str:
    """How many decisions match, and how many of those shown would move an instance."""
    if not total:
        return "0 decisions to show"
    moves = sum(row.decision in (Decision.SWITCH, Decision.FALLBACK_ONDEMAND) for row in newest)
    return (
        f"{formatting.count(total, 'decision')}, the newest "
        f"{formatting.ago(newest[0].created_at, now)}; "
        f"{moves} of the {len(newest)} shown would move an instance"
    )


def new_decisions(count: int) -> str | None:
    """Label of the button that shows new decisions; None if there are none."""
    return f"{formatting.count(count, 'new decision')}: show" if count > 0 else None


def rows(decisions: Sequence[ExperimentSummary], fleet: Sequence[Instance]) -> pd.DataFrame:
    """One row per decision; an instance that no longer exists is shown by its id."""
    names = {i.instance_id: i.name or i.instance_id for i in fleet}
    return pd.DataFrame(
        [
            {
                "id": e.experiment_id,
                "when": e.created_at,
                "instance": names.get(e.instance_id, e.instance_id),
                "decision": formatting.decision_mark(e.decision),
                "from": Pool.parse(e.current_pool).label,
                "to": Pool.parse(e.chosen_pool).label if e.chosen_pool else None,
                "risk": e.risk,
                "after": e.chosen_risk,
                "saving": e.saving_usd_per_hour,
                "model": e.model,
                "market": e.market.value,
                "shadow": "shadow" if e.shadow else "live",
                "state": "not decided" if e.error else "degraded" if e.degraded else "healthy",
            }
            for e in decisions
        ],
        columns=[
            "id",
            "when",
            "instance",
            "decision",
            "from",
            "to",
            "risk",
            "after",
            "saving",
            "model",
            "market",
            "shadow",
            "state",
        ],
    )


def columns(now: datetime, palette: Palette) -> dict[str, Column]:
    """The columns of the table of decisions."""
    marks = {mark: decision for decision, mark in formatting.DECISION_MARKS.items()}
    return {
        "id": Column("#", str, "Select a row to open the decision.", number=True),
        "when": Column("time", at(now, formatting.ago)),
        "instance": Column("instance"),
        "decision": Column(
            "decision", colour=lambda mark: palette.of_decision(marks.get(mark)), width=DECISION_PX
        ),
        "from": Column("from", width=POOL_PX),
        "to": Column("to", help="“—”: STAY or FALLBACK.", width=POOL_PX),
        "risk": Column(
            "risk before", formatting.percent, "Within the decision's horizon.", number=True
        ),
        "after": Column("risk after", formatting.percent, "“—”: no other pool.", number=True),
        "saving": Column(
            "saving USD/h",
            lambda value: formatting.usd(value, sign=True),
            "Expected cost before minus after. “—”: a price or a risk is unknown.",
            number=True,
        ),
        "model": Column("model"),
        "state": Column(
            "inputs",
            help="Degraded: made with less data than usual; the reason says what was unavailable.",
            colour=lambda state: palette.of_state({"not decided": "down"}.get(state, state)),
        ),
        "market": Column("market"),
        "shadow": Column("shadow"),
    }
