"""The table of decisions: filters, headline, rows and columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.decision import MOVES, Decision, Instance
from spotlab.domain.market import Pool
from spotlab.domain.ports import ExperimentFilter, ExperimentSummary
from spotlab.services import Services
from spotlab.ui.common import formatting, layout, session, widgets
from spotlab.ui.common.tables import Column, at
from spotlab.ui.common.theme import Palette
from spotlab.ui.common.widgets import pick_instance, pick_option
from spotlab.ui.instances.table import ALTERNATIVE_HELP, DECISION_PX, SAVING_HELP

PAGE_ROWS: Final = 50
POOL_PX: Final = 185
INSTANCE_PX: Final = 150
TIME_PX: Final = 110
SINCE: Final = {
    "last hour": timedelta(hours=1),
    "last day": timedelta(days=1),
    "last week": timedelta(days=7),
    "last month": timedelta(days=30),
}
FILTERS: Final = ("instance", "made", "model", "since", "degraded", "shadow")
YES_NO: Final = {"yes": True, "no": False}
COLUMN_NAMES: Final = (
    "id",
    "when",
    "instance",
    "decision",
    "saving",
    "alternative",
    "from",
    "to",
    "risk",
    "after",
    "state",
)
EXPORTED_AT_MOST: Final = 20_000


def show_filters(
    fleet: Sequence[Instance], models: Sequence[str], now: datetime
) -> ExperimentFilter:
    """One row of filters; the values are in the URL."""
    active = sum(key in st.query_params for key in FILTERS)
    with layout.filters(active):
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


def headline(
    total: int,
    newest: ExperimentSummary | None,
    latest: Sequence[ExperimentSummary],
    now: datetime,
) -> str:
    """How many decisions match, and how many instances the latest decision of each would move.

    Args:
        total: number of decisions that the filters leave.
        newest: the newest of them; None: there is none.
        latest: the newest decision of each instance that the filters are about.
        now: aware UTC.
    """
    if newest is None:
        return "0 decisions to show"
    moves = sum(row.decision in MOVES for row in latest)
    return (
        f"{formatting.count(total, 'decision')}, the newest "
        f"{formatting.ago(newest.created_at, now)}; by the latest of each, {moves} of "
        f"{formatting.count(len(latest), 'instance')} would move"
    )


def latest(
    decisions: Mapping[str, ExperimentSummary],
    fleet: Sequence[Instance],
    filters: ExperimentFilter,
) -> list[ExperimentSummary]:
    """The newest decision of each present instance, or of the one in the filter."""
    return [
        decisions[instance.instance_id]
        for instance in fleet
        if instance.instance_id in decisions and filters.instance_id in (None, instance.instance_id)
    ]


def new_decisions(count: int) -> str | None:
    """Label of the button that shows new decisions; None if there are none."""
    return f"{formatting.count(count, 'new decision')}: show" if count > 0 else None


def rows(decisions: Sequence[ExperimentSummary], fleet: Sequence[Instance]) -> pd.DataFrame:
    """One row per decision; an instance that no longer exists is shown by its id."""
    names = {i.instance_id: i.name or i.instance_id for i in fleet}
    return pd.DataFrame(
        [_row(each, names.get(each.instance_id, each.instance_id)) for each in decisions],
        columns=COLUMN_NAMES,
    )


def columns(now: datetime, palette: Palette) -> dict[str, Column]:
    """The columns of the table of decisions; a decision's page and the export have the rest."""
    marks = {mark: decision for decision, mark in formatting.DECISION_MARKS.items()}
    return {
        "when": Column("time", at(now, formatting.ago), width=TIME_PX),
        "instance": Column("instance", width=INSTANCE_PX),
        "decision": Column(
            "decision", colour=lambda mark: palette.of_decision(marks.get(mark)), width=DECISION_PX
        ),
        "saving": Column("saving USD/h", formatting.saving, SAVING_HELP, number=True),
        "alternative": Column("alternative", formatting.saving, ALTERNATIVE_HELP, number=True),
        "from": Column("from", width=POOL_PX),
        "to": Column("to", help="“—”: STAY or FALLBACK.", width=POOL_PX),
        "risk": Column(
            "risk before",
            formatting.percent,
            "Within the decision's horizon. “—”: on-demand (not interrupted), or unknown.",
            number=True,
        ),
        "after": Column("risk after", formatting.percent, "“—”: no other pool.", number=True),
        "state": Column(
            "inputs",
            help="Degraded: made with less data than usual; the reason says what was unavailable.",
            colour=lambda state: palette.of_state({"not decided": "down"}.get(state, state)),
        ),
        "id": Column("#", str, "Number of the decision.", number=True),
    }


def _row(decision: ExperimentSummary, instance: str) -> dict[str, object]:
    chosen = decision.chosen_pool
    return {
        "id": decision.experiment_id,
        "when": decision.created_at,
        "instance": instance,
        "decision": formatting.decision_mark(decision.decision),
        "saving": decision.saving_usd_per_hour,
        "alternative": decision.alternative_saving_usd_per_hour,
        "from": formatting.place(Pool.parse(decision.current_pool), decision.lifecycle),
        "to": Pool.parse(chosen).label if chosen else None,
        "risk": decision.risk,
        "after": decision.chosen_risk,
        "state": "not decided"
        if decision.error
        else "degraded"
        if decision.degraded
        else "healthy",
    }


def show_export(filters: ExperimentFilter) -> None:
    """Offers the decisions that the filters leave as a file, newest first, with every column."""
    services = session.deferred_services()
    widgets.export(lambda: all_rows(services(), filters), "decisions", "decisions-file")


def all_rows(services: Services, filters: ExperimentFilter) -> pd.DataFrame:
    """The newest decisions that the filters leave, with every recorded figure and the reason."""
    found = services.experiments.list(filters, limit=EXPORTED_AT_MOST)
    return pd.DataFrame(
        [asdict(each) | {"degraded": "; ".join(each.degraded)} for each in found],
        columns=[field.name for field in fields(ExperimentSummary)],
    )
