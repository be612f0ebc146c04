"""Results of a sweep: headline, chart and table of the policies, and their export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import pandas as pd
import streamlit as st

from spotlab.domain.ports.backtests import SweepRecord
from spotlab.gym.policies import ORACLE, SPOTLAB
from spotlab.sweeps.sweep_summary import SweepFigures
from spotlab.ui import charts
from spotlab.ui.backtests import labels
from spotlab.ui.charts import Outcome
from spotlab.ui.common import export, formatting, tables, widgets
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette

OBJECTIVE: Final = {
    "deadline": "Regret: cost / the oracle's cost − 1, summed over the windows.",
    "service": "Regret: (cost + cost of downtime) / the oracle's − 1, summed over the windows.",
}
FEW_BLOCKS: Final = 10
"""Days with a window, below which a bootstrap over days is unreliable."""
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
    """The cost of SpotLab's policy, or of the best one, compared with on-demand and the oracle."""
    config = record.config
    if figures is None:
        return (
            f"{record.done:,} of {formatting.count(record.total, 'cell')} done: "
            f"{labels.workload(config)}, {labels.zones(config)}"
        )
    name = figures.main_policy
    policy = figures.of(name)
    windows = len(figures.windows)
    rows = f"{formatting.count(windows, 'window')} of {labels.zones(config)}"
    if figures.partial:
        rows = (
            f"{windows} of {formatting.count(figures.total_windows, 'window')} so far, "
            f"{labels.zones(config)}"
        )
    return (
        f"On {rows}, {labels.policy(name, config['models'])} {_achievement(config, policy)} for "
        f"{labels.usd(policy['cost_usd'])} USD: {_comparison(policy)}{_misses(figures, policy)}"
    )


def small_print(record: SweepRecord, figures: SweepFigures | None, now: datetime) -> str:
    """The sweep, and how its figures are aggregated."""
    text = describe_sweep(record, now)
    if figures is None:
        return text
    if not figures.main_policy.startswith(SPOTLAB):
        text += " No SpotLab model was replayed, so the policy with the least regret is shown."
    text += " Figures are means per window, with 95 % intervals."
    if figures.blocks < FEW_BLOCKS:
        text += f" {_too_few(figures)}"
    return text


def _too_few(figures: SweepFigures) -> str:
    windows = formatting.count(len(figures.windows), "window")
    days = formatting.count(figures.blocks, "day")
    return f"Only {windows} on {days}: too few for a reliable interval."


def describe_sweep(record: SweepRecord, now: datetime) -> str:
    """A sentence that identifies the sweep."""
    return (
        f"Sweep {record.sweep_id}, requested {formatting.ago(record.created_at, now)}: "
        f"{labels.workload(record.config)}."
    )


def _achievement(config: Mapping[str, Any], policy: Mapping[str, Any]) -> str:
    workloads = config["workloads"]
    if workloads["kind"] == "Jobs":
        return f"finishes the {workloads['work_h']:g} h job"
    up = 1.0 - policy["downtime_h"] / workloads["hours"]
    return f"keeps the service up {100 * up:.1f} % of {workloads['hours']:g} h"


def _comparison(policy: Mapping[str, Any]) -> str:
    comparisons = []
    relative = policy["relative_to_on_demand"]
    if relative is not None:
        direction = "less" if relative <= 1.0 else "more"
        comparisons.append(f"{labels.share(abs(1.0 - relative))} % {direction} than on-demand")
    if policy["regret"] is not None:
        interval = f" ({_interval(policy)})" if policy["low"] is not None else ""
        comparisons.append(f"{labels.share(policy['regret'])} %{interval} more than the oracle")
    return ", ".join(comparisons)


def _misses(figures: SweepFigures, policy: Mapping[str, Any]) -> str:
    if figures.kind != "deadline":
        return ", downtime included"
    misses = policy["misses"]
    return f", {formatting.count(misses, 'deadline') if misses else 'no deadline'} missed"


def show(record: SweepRecord, figures: SweepFigures, now: datetime, palette: Palette) -> None:
    """Shows the chart and the table, and offers the table as a file."""
    title, caption, chart = _chart(record, figures, palette)
    st.header(title, anchor=False)
    st.plotly_chart(chart, config=charts.CONFIG, key="backtest-tradeoff", alt=title)
    st.caption(caption)
    st.header("Cost of each policy compared with the oracle", anchor=False)
    tables.show(
        rows(record, figures),
        columns(figures),
        name="Policies",
        key="backtest-policies",
    )
    st.caption(
        f"{OBJECTIVE[figures.kind]} Interval: 95 %, from a paired bootstrap over windows in blocks "
        "of one day."
    )
    export.offer(lambda: exported(record, figures, now), "backtest", "backtest-file")


def _chart(record: SweepRecord, figures: SweepFigures, palette: Palette) -> tuple[str, str, Any]:
    if figures.kind == "deadline":
        title, figure = "Cost against moves", "moves"
        x_label = "moves, mean per window"
    else:
        title, figure = "Cost against downtime", "downtime_h"
        x_label = "downtime, mean per window (h)"
    outcomes = [_outcome(record, figures, name, figure) for name in figures.policies]
    chart = charts.tradeoff(outcomes, x=x_label, y="cost, mean per window (USD)", palette=palette)
    return title, _caption(outcomes), chart


def _caption(outcomes: Sequence[Outcome]) -> str:
    """What the chart shows; only what is there is described."""
    sentences = [
        f"Equal results in one mark: {' = '.join(names)}."
        for names in charts.equal_outcomes(outcomes)
    ]
    sentences.append(
        "Bars: 95 % intervals; those of the cost come from the paired ratio to the oracle's cost."
    )
    if len(charts.line_through(outcomes)) > 1:
        sentences.append(
            "The dotted line connects the policies that no other beats on both axes, without the "
            "oracle, which has hindsight."
        )
    return " ".join([*sentences, "The cost axis does not begin at 0."])


def _outcome(record: SweepRecord, figures: SweepFigures, name: str, figure: str) -> Outcome:
    policy = figures.of(name)
    cost = policy["cost_usd"]
    low, high = _cost_interval(figures, name)
    misses = policy["misses"]
    ours = sum(policy.startswith(SPOTLAB) for policy in figures.policies)
    label = labels.short(name) if ours == 1 else labels.policy(name, record.config["models"])
    return Outcome(
        name=f"{label}, {misses} missed" if misses else label,
        x=figures.means[name][figure],
        y=(cost, cost if low is None else low, cost if high is None else high),
        role="oracle" if name == ORACLE else "ours" if name.startswith(SPOTLAB) else "other",
    )


def _cost_interval(figures: SweepFigures, name: str) -> tuple[float | None, float | None]:
    oracle_cost = figures.summary["oracle"]["cost"]
    for pair in figures.pairs:
        if pair["low"] is None or oracle_cost is None:
            continue
        if (pair["first"], pair["second"]) == (name, ORACLE):
            return oracle_cost * pair["low"], oracle_cost * pair["high"]
        if (pair["first"], pair["second"]) == (ORACLE, name) and pair["low"] > 0:
            return oracle_cost / pair["high"], oracle_cost / pair["low"]
    return None, None


def rows(record: SweepRecord, figures: SweepFigures) -> pd.DataFrame:
    """One row per policy, the least regret first."""
    return pd.DataFrame([_row(record, figures, name) for name in figures.policies])


def _row(record: SweepRecord, figures: SweepFigures, name: str) -> dict[str, Any]:
    policy = figures.of(name)
    relative = policy["relative_to_on_demand"]
    mark = "★ " if name == ORACLE else "◆ " if name.startswith(SPOTLAB) else ""
    return {
        "policy": mark + labels.policy(name, record.config["models"]),
        "cost_usd": policy["cost_usd"],
        "relative_to_on_demand": relative,
        "saving": None if relative is None else 1.0 - relative,
        "misses": policy["misses"],
        "moves": policy["moves"],
        "downtime_h": policy["downtime_h"],
        "regret": policy["regret"],
        "low": policy["low"],
        "high": policy["high"],
        "interval": _interval(policy),
    }


def _interval(policy: Mapping[str, Any]) -> str:
    if policy["low"] is None:
        return formatting.UNKNOWN
    return f"{labels.share(policy['low'])} to {labels.share(policy['high'])}"


def columns(figures: SweepFigures) -> dict[str, Column]:
    """The columns of the table, without those that the workload cannot have."""
    columns = {
        "policy": Column("policy", help="◆ SpotLab, ★ the best schedule with hindsight."),
        "cost_usd": Column("cost (USD)", labels.usd, "Mean per window.", number=True),
        "relative_to_on_demand": Column(
            "of on-demand (%)",
            labels.share,
            "Cost / cost of one on-demand instance.",
            number=True,
        ),
        "saving": Column("saving (%)", labels.share, "Compared with on-demand.", number=True),
        "misses": Column("missed", str, "Windows whose job was late.", number=True),
        "moves": Column(
            "moves",
            labels.number,
            "Instances started after the first, mean per window.",
            number=True,
        ),
        "downtime_h": Column("downtime (h)", labels.number, "Mean per window.", number=True),
        "regret": Column("regret (%)", labels.share, OBJECTIVE[figures.kind], number=True),
        "interval": Column(
            "interval (%)", str, "95 % interval of the regret: bootstrap over windows.", number=True
        ),
    }
    columns.pop("downtime_h" if figures.kind == "deadline" else "misses")
    return columns


def exported(record: SweepRecord, figures: SweepFigures, now: datetime) -> export.Table:
    """The table as a file, with its assumptions."""
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
    partial = f" of {figures.total_windows}" if figures.partial else ""
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
            "Means per window; shares of 1. " + OBJECTIVE[figures.kind],
            *config["assumptions"],
            f"Sweep {record.sweep_id}, seed {config['seed']}.",
        ),
    )


VIEWS: Final[Mapping[str, str]] = {
    "results": "Results",
    "replay": "One window replayed",
}


def pick() -> str:
    """The view in the URL; without one, the first."""
    return widgets.pick_view(VIEWS, "backtest-view")
