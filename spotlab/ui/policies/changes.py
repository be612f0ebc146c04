"""Decisions that another policy would have made differently, in shadow and in a preview."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.decision import Decision
from spotlab.domain.outcomes import Estimate, ShadowDecision
from spotlab.pipeline.policy_preview import MAX_CHANGED, ChangedDecision
from spotlab.ui.common import formatting, links, tables
from spotlab.ui.common.tables import Column, at
from spotlab.ui.common.theme import Palette

MAX_LISTED: Final = MAX_CHANGED


def of_shadow(decision: ShadowDecision) -> ChangedDecision | None:
    """A decision in shadow that differs from the recorded one; None if either is missing."""
    if decision.decision is None or decision.champion_decision is None:
        return None
    return ChangedDecision(
        decision.experiment_id,
        decision.created_at,
        decision.instance_id,
        decision.champion_decision,
        None,
        decision.decision,
        decision.chosen_pool,
        "",
        decision.cost_difference_usd_per_hour,
    )


def show(
    changes: Sequence[ChangedDecision],
    names: Mapping[str, str],
    now: datetime,
    palette: Palette,
    key: str,
) -> None:
    """Shows the changed decisions, newest first; a selected one is opened.

    Args:
        changes: newest first.
        names: of instances, by id.
        now: aware UTC.
        palette: of the theme.
        key: of the table.
    """
    listed = changes[:MAX_LISTED]
    opened = tables.show(
        rows(listed, names),
        columns(now, palette),
        name="Changed decisions",
        key=key,
        select=("single-row", "single-cell"),
        max_rows=8,
    )
    if opened:
        number = listed[opened[0]].experiment_id
        st.switch_page(links.page("experiments"), query_params={"id": str(number)})


def rows(changes: Sequence[ChangedDecision], names: Mapping[str, str]) -> pd.DataFrame:
    """One row per changed decision."""
    frame = pd.DataFrame(
        [
            {
                "id": each.experiment_id,
                "at": each.created_at,
                "instance": names.get(each.instance_id, each.instance_id),
                "before": formatting.decision_mark(each.before),
                "after": formatting.decision_mark(each.after),
                "pool": each.after_pool,
                "cost": each.cost_difference_usd_per_hour,
            }
            for each in changes
        ],
        columns=["id", "at", "instance", "before", "after", "pool", "cost"],
    )
    return frame.astype({"cost": "float64"})


def columns(now: datetime, palette: Palette) -> dict[str, Column]:
    """The columns of the table."""
    colours = {
        formatting.decision_mark(decision): palette.of_decision(decision) for decision in Decision
    }

    def colour(text: object) -> str:
        return colours.get(str(text), palette.quiet)

    return {
        "id": Column("decision", "#{}".format, number=True),
        "at": Column("made", at(now, formatting.ago)),
        "instance": Column("instance"),
        "before": Column("as made", colour=colour),
        "after": Column("with this policy", colour=colour),
        "pool": Column("its pool", width="medium", help="“—”: it would not switch."),
        "cost": Column(
            "cost difference (USD/h)",
            lambda value: formatting.usd(value, sign=True),
            "Expected cost after this policy's decision minus after the one that was made. "
            "“—”: a price is unknown.",
            number=True,
        ),
    }


def cost_a_day(estimate: Estimate, instances: int) -> str:
    """A cost difference per day, as the end of a sentence."""
    if not formatting.known(estimate.value):
        return "its effect on the cost is unknown"
    interval = ""
    if formatting.known(estimate.low):
        interval = f" (95 % interval {_usd(estimate.low)} to {_usd(estimate.high)})"
    return (
        f"expected cost {_usd(estimate.value)} USD per day{interval} for "
        f"{formatting.count(instances, 'instance')}"
    )


def _usd(value: float) -> str:
    return f"{value:+,.2f}".replace("-", "−")
