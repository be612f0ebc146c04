"""Paired differences between one policy and every other, on the same windows."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from spotlab.domain.ports.backtests import SweepRecord
from spotlab.gym.policies import ORACLE
from spotlab.sweeps.sweep_summary import Difference, SweepFigures
from spotlab.ui.backtests import labels
from spotlab.ui.common import formatting, tables, widgets
from spotlab.ui.common.tables import Column


def show(record: SweepRecord, figures: SweepFigures) -> None:
    """Select a policy, and show the paired difference of every other policy."""
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
        "Δ: difference of the sums over the windows, in percent of the selected policy's sum. The "
        "95 % intervals are bootstrapped over windows, the same for both policies."
    )


def rows(record: SweepRecord, figures: SweepFigures, base: str) -> pd.DataFrame:
    """One row per other policy."""
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
    """Columns of the table."""
    shown = {
        "policy": Column("policy"),
        "cost": Column("cost (Δ %)", labels.share, number=True),
        "cost_between": Column(
            "interval (%)", str, "95 % interval: paired bootstrap over windows.", number=True
        ),
        "verdict": Column("verdict", help="Based on the paired interval only."),
    }
    if figures.kind == "service":
        shown["downtime"] = Column(
            "downtime (Δ %)",
            labels.share,
            "“—”: the selected policy has no downtime to compare with.",
            number=True,
        )
        shown["downtime_between"] = Column("interval (%) ", str, number=True)
    return shown


def between(difference: Difference) -> str:
    """`−12 to −3.1`."""
    _, low, high = difference
    if low is None or high is None:
        return formatting.UNKNOWN
    return f"{labels.share(low)} to {labels.share(high)}"


def verdict(difference: Difference) -> str:
    """Cheaper, more expensive, or no significant difference."""
    value, low, high = difference
    if value is None or low is None or high is None:
        return formatting.UNKNOWN
    if high < 0.0:
        return "▼ cheaper"
    return "▲ more expensive" if low > 0.0 else "○ no significant difference"
