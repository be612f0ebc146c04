"""The pools of a decision side by side: the current one, and the chosen or the best alternative."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from spotlab.domain.decision import Candidate, Decision, Experiment, Lifecycle
from spotlab.domain.risk import HOURS_PER_MONTH
from spotlab.ui.common import formatting, tables
from spotlab.ui.common.tables import Column


def sides(experiment: Experiment) -> dict[str, Candidate]:
    """The current pool, and the chosen one or, for a STAY, the best alternative; known ones."""
    verdict = experiment.verdict
    if verdict is None:
        return {}
    found = {"current": verdict.current, "chosen": verdict.chosen}
    if verdict.decision is Decision.STAY:
        others = [c for c in experiment.candidates if c.rank and c.pool != experiment.instance.pool]
        found["best alternative"] = min(others, key=lambda c: c.rank, default=None)
    return {title: side for title, side in found.items() if side is not None}


def show(experiment: Experiment) -> None:
    """The pools of the decision side by side, with their reasons."""
    known = sides(experiment)
    if not known:
        st.caption("Price or risk of the current pool was unknown, and no other pool was chosen.")
        return
    figures = {title: facts(side, _is_on_demand(experiment, side)) for title, side in known.items()}
    if is_fallback(experiment) and "current" in known:
        figures["chosen"] = facts(known["current"], on_demand=True)
    frame = pd.DataFrame(figures)
    columns = {"what": Column("")} | {title: Column(title, number=True) for title in figures}
    left, right = st.columns([3, 2], gap="large")
    with left:
        tables.show(
            frame.rename_axis("what").reset_index(),
            columns,
            name="The pools of the decision",
            key="sides",
        )
    with right:
        for title, side in known.items():
            why = " ".join(side.reasons)
            if _is_on_demand(experiment, side):
                why = f"On-demand is not interrupted. The same type on spot: {why}"
            st.caption(
                f"**{title.capitalize()}: {formatting.plain(_place(experiment, side))}.** "
                f"{formatting.plain(why)}"
            )


def is_fallback(experiment: Experiment) -> bool:
    """Whether the decision is to fall back to on-demand."""
    verdict = experiment.verdict
    return verdict is not None and verdict.decision is Decision.FALLBACK_ONDEMAND


def _is_on_demand(experiment: Experiment, side: Candidate) -> bool:
    """Whether this side is the on-demand instance itself: its spot pool is not in use."""
    instance, verdict = experiment.instance, experiment.verdict
    is_current = verdict is not None and side is verdict.current
    return is_current and instance.lifecycle is Lifecycle.ON_DEMAND


def _place(experiment: Experiment, side: Candidate) -> str:
    on_demand = _is_on_demand(experiment, side)
    return formatting.place(side.pool, Lifecycle.ON_DEMAND if on_demand else Lifecycle.SPOT)


def in_words(experiment: Experiment, side: Candidate) -> str:
    """A pool with its price and risk, with units."""
    if _is_on_demand(experiment, side):
        return on_demand_in_words(side)
    return (
        f"{side.pool.label}, {formatting.usd_per_hour(side.spot_price_usd_per_hour)}, risk "
        f"{formatting.percent(side.risk)} within {side.horizon_h:g} h"
    )


def on_demand_in_words(side: Candidate) -> str:
    """On-demand of a pool's type with its price."""
    place = formatting.place(side.pool, Lifecycle.ON_DEMAND)
    return f"{place}, {formatting.usd_per_hour(side.on_demand_price_usd_per_hour)}, not interrupted"


def facts(side: Candidate, on_demand: bool = False) -> dict[str, str]:
    """A pool's numbers with their units, by label.

    Args:
        side: the pool.
        on_demand: it is the pool of an on-demand instance, which does not use it.
    """
    known = {
        "type": side.pool.instance_type,
        "zone": side.pool.availability_zone or side.pool.region,
        "spot price": formatting.usd_per_hour(side.spot_price_usd_per_hour),
        f"risk within {side.horizon_h:g} h": formatting.percent(side.risk),
        "interruptions a month": f"{HOURS_PER_MONTH * side.hazard_within_a_month:.2f}",
        "expected cost": f"{formatting.usd_finer(side.expected_cost_usd_per_hour)} USD/h",
        "on-demand price": formatting.usd_per_hour(side.on_demand_price_usd_per_hour),
        "rank": f"{side.rank:,}" if side.rank else "not ranked",
    }
    if on_demand:
        known |= {
            "spot price": "not on spot",
            f"risk within {side.horizon_h:g} h": "not interrupted",
            "interruptions a month": "0",
            "expected cost": known["on-demand price"],
            "rank": "not ranked",
        }
    return known
