"""What each policy costs beside hindsight: the first line, the table, its file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import pandas as pd
import streamlit as st

from spotlab.domain.ports.backtests import SweepRecord
from spotlab.gym.policies import ORACLE, SPOTLAB
from spotlab.sweeps.figures import SweepFigures
from spotlab.ui import charts
from spotlab.ui.backtests import labels
from spotlab.ui.charts import Outcome
from spotlab.ui.common import export, formatting, tables, widgets
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette

OBJECTIVE: Final = {
    "deadline": "Regret: cost / the oracle's cost − 1, summed over the windows.",
    "service": "Regret: (cost + downtime at its worth) / the oracle's − 1, summed over windows.",
}
DIGITS: Final = {
    "cost_usd": 2,
    "relative_to_on_demand": 3,
    "saving": 3,
    "moves": 1,
    "downtime_h": 2,
    "regret": 3,
    "low": 3,
    "high": 3,
}


def headline(record: SweepRecord, figures: SweepFigures | None) -> str:
    """What SpotLab's policy, or the best one, takes for the workload, beside on-demand."""
    config = record.config
    if figures is None:
        return (
            f"{record.done:,} of {formatting.count(record.total, 'cell')} done: "
            f"{labels.workload(config)}, {labels.zones(config)}"
        )
    name = figures.main_policy
    found = figures.of(name)
    many = len(figures.windows)
    where = f"{formatting.count(many, 'window')} of {labels.zones(config)}"
    if figures.partial:
        windows = formatting.count(figures.planned, "window")
        where = f"{many} of {windows} so far, {labels.zones(config)},"
    return (
        f"On {where} {labels.policy(name, config['models'])} {_does(config, found)} for "
        f"{labels.usd(found['cost_usd'])} USD: {_against(found)}{_last(figures, found)}"
    )


def small_print(record: SweepRecord, figures: SweepFigures | None, now: datetime) -> str:
    """Which sweep it is, and what the figures are."""
    told = which(record, now)
    if figures is None:
        return told
    if not figures.main_policy.startswith(SPOTLAB):
        told += " No model of SpotLab was replayed: the policy with the least regret is named."
    return f"{told} Figures are means of a window."


def which(record: SweepRecord, now: datetime) -> str:
    """Which sweep it is."""
    return (
        f"Sweep {record.sweep_id}, asked for {formatting.ago(record.created_at, now)}: "
        f"{labels.workload(record.config)}."
    )


def _does(config: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    asked = config["workloads"]
    if asked["kind"] == "Jobs":
        return f"finishes the {asked['work_h']:g} h job"
    up = 1.0 - found["downtime_h"] / asked["hours"]
    return f"keeps the service up {100 * up:.1f} % of {asked['hours']:g} h"


def _against(found: Mapping[str, Any]) -> str:
    told = []
    relative = found["relative_to_on_demand"]
    if relative is not None:
        way = "less" if relative <= 1.0 else "more"
        told.append(f"{labels.share(abs(1.0 - relative))} % {way} than on-demand")
    if found["regret"] is not None:
        told.append(f"{labels.share(found['regret'])} % over hindsight")
    return ", ".join(told)


def _last(figures: SweepFigures, found: Mapping[str, Any]) -> str:
    if figures.kind != "deadline":
        return ", downtime counted"
    missed = found["misses"]
    return f", {formatting.count(missed, 'deadline') if missed else 'no deadline'} missed"


def show(record: SweepRecord, figures: SweepFigures, now: datetime, palette: Palette) -> None:
    """The chart and the table, with a file to take away."""
    title, print_, chart = _chart(record, figures, palette)
    st.header(title, anchor=False)
    st.plotly_chart(chart, config=charts.CONFIG, key="backtest-tradeoff", alt=title)
    st.caption(print_)
    st.header("What does each policy leave on the table?", anchor=False)
    tables.show(
        rows(record, figures),
        columns(figures),
        name="Policies",
        key="backtest-policies",
    )
    st.caption(
        f"{OBJECTIVE[figures.kind]} Between: its 95 % interval when windows are drawn anew, "
        "those that begin on the same day together, every policy with its window."
    )
    export.offer(lambda: exported(record, figures, now), "backtest", "backtest-file")


def _chart(record: SweepRecord, figures: SweepFigures, palette: Palette) -> tuple[str, str, Any]:
    across = {"deadline": ("moves", "instances started after the first, mean of a window")}.get(
        figures.kind, ("downtime_h", "downtime, mean of a window (h)")
    )
    kind = across[0]
    outcomes = [_outcome(record, figures, name, kind) for name in figures.policies]
    chart = charts.tradeoff(
        outcomes, x=across[1], y="cost, mean of a window (USD)", palette=palette
    )
    told = (
        "Bars: 95 % intervals; of the cost, of its paired ratio to the oracle's. The line joins "
        "what no other policy beats on both axes; the cost axis does not begin at 0."
    )
    if figures.kind == "deadline":
        return "Cheaper at the price of more moves?", told, chart
    return "Cheaper at the price of more downtime?", told, chart


def _outcome(record: SweepRecord, figures: SweepFigures, name: str, kind: str) -> Outcome:
    found = figures.of(name)
    cost = found["cost_usd"]
    low, high = _cost_ends(figures, name)
    missed = found["misses"]
    ours = sum(policy.startswith(SPOTLAB) for policy in figures.policies)
    word = labels.short(name) if ours == 1 else labels.policy(name, record.config["models"])
    return Outcome(
        name=f"{word}, {missed} missed" if missed else word,
        x=figures.means[name][kind],
        y=(cost, cost if low is None else low, cost if high is None else high),
        role="oracle" if name == ORACLE else "ours" if name.startswith(SPOTLAB) else "other",
    )


def _cost_ends(figures: SweepFigures, name: str) -> tuple[float | None, float | None]:
    hindsight = figures.summary["oracle"]["cost"]
    for pair in figures.pairs:
        if pair["low"] is None or hindsight is None:
            continue
        if (pair["first"], pair["second"]) == (name, ORACLE):
            return hindsight * pair["low"], hindsight * pair["high"]
        if (pair["first"], pair["second"]) == (ORACLE, name) and pair["low"] > 0:
            return hindsight / pair["high"], hindsight / pair["low"]
    return None, None


def rows(record: SweepRecord, figures: SweepFigures) -> pd.DataFrame:
    """A row a policy, least regret first."""
    return pd.DataFrame([_row(record, figures, name) for name in figures.policies])


def _row(record: SweepRecord, figures: SweepFigures, name: str) -> dict[str, Any]:
    found = figures.of(name)
    relative = found["relative_to_on_demand"]
    mark = "★ " if name == ORACLE else "◆ " if name.startswith(SPOTLAB) else ""
    return {
        "policy": mark + labels.policy(name, record.config["models"]),
        "cost_usd": found["cost_usd"],
        "relative_to_on_demand": relative,
        "saving": None if relative is None else 1.0 - relative,
        "misses": found["misses"],
        "moves": found["moves"],
        "downtime_h": found["downtime_h"],
        "regret": found["regret"],
        "low": found["low"],
        "high": found["high"],
        "between": _between(found),
    }


def _between(found: Mapping[str, Any]) -> str:
    if found["low"] is None:
        return formatting.UNKNOWN
    return f"{labels.share(found['low'])} to {labels.share(found['high'])}"


def columns(figures: SweepFigures) -> dict[str, Column]:
    """How the table is shown; what a workload cannot have is left out."""
    regret = OBJECTIVE[figures.kind]
    every = {
        "policy": Column("policy", help="◆ SpotLab, ★ the best schedule in hindsight."),
        "cost_usd": Column("cost (USD)", labels.usd, "Mean of a window.", number=True),
        "relative_to_on_demand": Column(
            "of on-demand (%)", labels.share, "Cost / that of one on-demand instance.", number=True
        ),
        "saving": Column("saving (%)", labels.share, "Against on-demand alone.", number=True),
        "misses": Column("missed", str, "Windows whose job was late.", number=True),
        "moves": Column(
            "moves", labels.number, "Instances started after the first, mean.", number=True
        ),
        "downtime_h": Column("downtime (h)", labels.number, "Mean of a window.", number=True),
        "regret": Column("regret (%)", labels.share, regret, number=True),
        "between": Column(
            "between (%)", str, "95 % interval of the regret: bootstrap over windows.", number=True
        ),
    }
    every.pop("downtime_h" if figures.kind == "deadline" else "misses")
    return every


def exported(record: SweepRecord, figures: SweepFigures, now: datetime) -> export.Table:
    """The table as a file, with what it rests on."""
    config = record.config
    headers = {
        "policy": "Policy",
        "cost_usd": "Cost (USD)",
        "relative_to_on_demand": "Of on-demand",
        "saving": "Saving",
        "misses": "Missed (windows)",
        "moves": "Moves",
        "downtime_h": "Downtime (h)",
        "regret": "Regret",
        "low": "Regret 2.5 %",
        "high": "Regret 97.5 %",
    }
    headers.pop("downtime_h" if figures.kind == "deadline" else "misses")
    partial = f" of {figures.planned} asked for" if figures.partial else ""
    return export.Table(
        frame=rows(record, figures).assign(
            policy=[labels.policy(name, config["models"]) for name in figures.policies]
        ),
        caption=(
            f"Policies on {len(figures.windows)}{partial} windows of {labels.zones(config)}: "
            f"{labels.workload(config)}, {now:%Y-%m-%d}"
        ),
        headers=headers,
        digits={name: count for name, count in DIGITS.items() if name in headers},
        notes=(
            "Means of a window; shares of 1. " + OBJECTIVE[figures.kind],
            *config["assumptions"],
            f"Sweep {record.sweep_id}, seed {config['seed']}.",
        ),
    )


VIEWS: Final[Mapping[str, str]] = {
    "results": "Results",
    "replay": "One window replayed",
}


def pick() -> str:
    """The view that the URL names; the first where it names none."""
    return widgets.pick_view(VIEWS, "backtest-view")
