"""A decision of the history at a glance, next to the table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import streamlit as st

from spotlab.domain.ports import ExperimentSummary
from spotlab.ui.common import formatting, links, open_row, session, widgets
from spotlab.ui.experiments import pools

TABLE: Final = "history"
PARAMETER: Final = "decision"


def opened(rows: Sequence[ExperimentSummary]) -> int | None:
    """Position of the decision that is open, which the URL names; None: none of the rows."""
    ids = [str(row.experiment_id) for row in rows]
    open_row.follow_rows(TABLE, ids)
    found = open_row.open_id(TABLE, ids, PARAMETER)
    return ids.index(found) if found in ids else None


def show(decision: ExperimentSummary, instance: str, now: datetime) -> None:
    """The decision's reason and figures, and links to all its inputs.

    Args:
        decision: of the open row.
        instance: its name.
        now: aware UTC.
    """
    open_row.show_header(instance, TABLE, PARAMETER)
    st.caption(
        f"#{decision.experiment_id} · {formatting.ago(decision.created_at, now)} · "
        f"{formatting.plain(decision.model)} · {formatting.MARKET_WORDS[decision.market]} · "
        f"{'shadow mode: recorded only' if decision.shadow else 'live'}",
        help=formatting.moment(decision.created_at),
    )
    st.write(
        f"**{formatting.decision_mark(decision.decision)}** "
        f"{formatting.plain(decision.reason or decision.error)}"
    )
    show_figures(decision)
    for reason in decision.degraded:
        st.caption(formatting.plain(f"Degraded: {reason}"))
    st.button(
        "Open the decision",
        icon=":material/history:",
        type="primary",
        on_click=_open,
        args=(decision.experiment_id,),
        key="open-decision",
    )
    links.of_experiment(decision.experiment_id, decision.instance_id)


def _open(experiment_id: int) -> None:
    """Add the decision to the URL, which keeps the filters; a link to the same page would not."""
    st.query_params["id"] = str(experiment_id)


def show_figures(decision: ExperimentSummary) -> None:
    """Price and risk of the decision's pools, and the sources and ages of the data."""
    experiment = session.experiment(decision.experiment_id)
    sides = pools.sides(experiment)
    texts = [
        f"{title.capitalize()}: {pools.in_words(experiment, side)}."
        for title, side in sides.items()
    ]
    if pools.is_fallback(experiment) and "current" in sides:
        texts.append(f"Chosen: {pools.on_demand_in_words(sides['current'])}.")
    texts.append(f"{formatting.count(len(experiment.candidates), 'scored pool')}.")
    st.caption(formatting.plain(" ".join(texts)))
    widgets.sources((o for side in sides.values() for o in side.sources), experiment.created_at)
