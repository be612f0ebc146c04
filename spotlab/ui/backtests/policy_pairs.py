"""Paired differences: every policy against one, on the same windows."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from spotlab.domain.ports.backtests import SweepRecord
from spotlab.gym.policies import ORACLE
from spotlab.sweeps.figures import Difference, SweepFigures
from spotlab.ui.backtests import labels
from spotlab.ui.common import formatting, tables, widgets
from spotlab.ui.common.tables import Column


def show(record: SweepRecord, figures: SweepFigures) -> None:
    """Choose a policy; show how each of the others differs from it, with paired intervals."""
    st.header("Are the differences significant?", anchor=False)
    models = record.config["models"]
    names = {name: labels.policy(name, models) for name in figures.policies if name != ORACLE}
    ordered = dict(sorted(names.items(), key=lambda item: item[0] != figures.main_policy))
    with st.columns([2, 3])[0]:
        base = widgets.pick_one("Compare every policy with", ordered, "against")
    if base is None:
        return
    tables.show(rows(record, figures, base), columns(figures), name="Pairs", key="backtest-pairs")
    st.caption(
        "Δ: difference of the sums over the windows, in percent of the chosen policy's; the 95 % "
        "intervals draw the same windows for both."
    )


def rows(record: SweepRecord, figures: SweepFigures, base: str) -> pd.DataFrame:
    """A row for each other policy."""
    models = record.config["models"]
    table = []
    for name in figures.policies:
        if name == base:
            continue
        cost = figures.cost_difference(name, base)
        downtime = figures.downtime_difference(name, base)
        table.append(
            {
                "policy": labels.policy(name, models),
                "cost": cost[0],
                "cost_between": between(cost),
                "verdict": verdict(cost),
                "downtime": downtime[0],
                "downtime_between": between(downtime),
            }
        )
    return pd.DataFrame(table)


def columns(figures: SweepFigures) -> dict[str, Column]:
    """How the rows are shown."""
    shown = {
        "policy": Column("policy"),
        "cost": Column("cost (Δ %)", labels.share, number=True),
        "cost_between": Column(
            "between (%)", str, "95 % interval: paired bootstrap over windows.", number=True
        ),
        "verdict": Column("verdict", help="By the paired interval alone."),
    }
    if figures.kind == "service":
        shown["downtime"] = Column(
            "downtime (Δ %)",
            labels.share,
            "— where the chosen policy has no downtime to compare with.",
            number=True,
        )
        shown["downtime_between"] = Column("between (%) ", str, number=True)
    return shown


def between(difference: Difference) -> str:
    """`−12 to −3.1`."""
    _, low, high = difference
    if low is None or high is None:
        return formatting.UNKNOWN
    return f"{labels.share(low)} to {labels.share(high)}"


def verdict(difference: Difference) -> str:
    """Cheaper, dearer, or no significant difference."""
    value, low, high = difference
    if value is None or low is None or high is None:
        return formatting.UNKNOWN
    if high < 0.0:
        return "▼ cheaper"
    return "▲ dearer" if low > 0.0 else "○ do not differ significantly"
