"""Every policy against one, on the same windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from spotlab.domain.ports.backtests import SweepRecord
from spotlab.gym.policies import ORACLE
from spotlab.ui.backtests import labels
from spotlab.ui.backtests.figures import Figures
from spotlab.ui.common import formatting, tables, widgets
from spotlab.ui.common.tables import Column

Gap = tuple[float | None, float | None, float | None]


def show(record: SweepRecord, figures: Figures) -> None:
    """Choose one policy; each other one's difference to it, with its paired interval."""
    st.header("Is the difference more than luck?", anchor=False)
    models = record.config["models"]
    names = {name: labels.policy(name, models) for name in figures.policies if name != ORACLE}
    ordered = dict(sorted(names.items(), key=lambda item: item[0] != figures.named))
    with st.columns([2, 3])[0]:
        base = widgets.pick_one("Compare every policy with", ordered, "against")
    if base is None:
        return
    tables.show(rows(record, figures, base), columns(figures), name="Pairs", key="backtest-pairs")
    st.caption(
        "Δ: difference of the sum over the windows in percent of the chosen policy's; the 95 % "
        "intervals draw the same windows for both."
    )


def rows(record: SweepRecord, figures: Figures, base: str) -> pd.DataFrame:
    """A row for each other policy."""
    models = record.config["models"]
    found = []
    for name in figures.policies:
        if name == base:
            continue
        cost = gap(figures, name, base, ("cost_ratio", "low", "high"))
        down = gap(figures, name, base, ("downtime_ratio", "downtime_low", "downtime_high"))
        found.append(
            {
                "policy": labels.policy(name, models),
                "cost": cost[0],
                "cost_between": between(cost),
                "verdict": verdict(cost),
                "downtime": down[0],
                "downtime_between": between(down),
            }
        )
    return pd.DataFrame(found)


def columns(figures: Figures) -> dict[str, Column]:
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


def gap(figures: Figures, one: str, base: str, keys: tuple[str, str, str]) -> Gap:
    """One policy's total / another's − 1, with its ends; None where it is not known."""
    for pair in figures.pairs:
        if {pair["first"], pair["second"]} == {one, base}:
            return _less_one(pair, keys, turned=pair["first"] == base)
    return None, None, None


def _less_one(pair: Mapping[str, Any], keys: tuple[str, str, str], *, turned: bool) -> Gap:
    value, low, high = (pair[key] for key in keys)
    if turned:
        value, low, high = _inverse(value), _inverse(high), _inverse(low)
    return _minus_one(value), _minus_one(low), _minus_one(high)


def _inverse(value: float | None) -> float | None:
    return 1.0 / value if value else None


def _minus_one(value: float | None) -> float | None:
    return None if value is None else value - 1.0


def between(found: Gap) -> str:
    """`−12 to −3.1`."""
    _, low, high = found
    if low is None or high is None:
        return formatting.UNKNOWN
    return f"{labels.share(low)} to {labels.share(high)}"


def verdict(found: Gap) -> str:
    """Cheaper, dearer, or not told apart."""
    value, low, high = found
    if value is None or low is None or high is None:
        return formatting.UNKNOWN
    if high < 0.0:
        return "▼ cheaper"
    return "▲ dearer" if low > 0.0 else "○ do not differ significantly"
