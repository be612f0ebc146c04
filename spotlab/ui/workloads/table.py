"""The workloads as a headline and a table, with who uses each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import streamlit as st

from spotlab.domain.decision import Instance
from spotlab.domain.market import MarketData
from spotlab.domain.workload import (
    AppliedWorkload,
    AssignmentScope,
    WorkloadVersion,
    describe_cost,
    to_parameters,
)
from spotlab.ui.common import formatting
from spotlab.ui.common.tables import Column, at

SELECTED = "selected workload"
SMALL_PRINT = (
    "A workload says what an interruption costs and which hardware counts as equal; each decision "
    "records the version that it used."
)


@dataclass(frozen=True, slots=True)
class Sample:
    """The instance type for which the table shows a cost in USD.

    Args:
        instance_type, region: the most frequent ones of the fleet.
        on_demand_usd_per_hour: its price.
    """

    instance_type: str
    region: str
    on_demand_usd_per_hour: float


def sample(fleet: Sequence[Instance], market: MarketData | None) -> Sample | None:
    """The most frequent type of the fleet whose on-demand price is known; None without one."""
    if market is None:
        return None
    offers = market.on_demand
    types = Counter((each.pool.instance_type, each.pool.region) for each in fleet)
    for (name, region), _ in types.most_common():
        here = offers[(offers["instance_type"] == name) & (offers["region"] == region)]
        prices = here["on_demand_price_usd_per_hour"].dropna()
        if len(prices):
            return Sample(name, region, float(prices.iloc[0]))
    return None


def headline(applied: Mapping[str, AppliedWorkload], workloads: int) -> str:
    """For how many instances a workload is only assumed."""
    total, assumed = len(applied), _assumed(applied)
    if not total:
        return f"{formatting.count(workloads, 'workload')}, no instances yet"
    fleet = formatting.count(total, "instance")
    if assumed == total:
        return f"The default workload is assumed for {'all ' * (total > 1)}{fleet}"
    names = {each.workload.name for each in applied.values()}
    covered = f"{formatting.count(len(names), 'workload')} in use for {fleet}"
    if not assumed:
        return f"{covered}, each assigned by a rule"
    return f"{covered}; the default is assumed for {assumed}"


def _assumed(applied: Mapping[str, AppliedWorkload]) -> int:
    return sum(each.scope is AssignmentScope.DEFAULT for each in applied.values())


def rows(
    newest: Sequence[WorkloadVersion],
    applied: Mapping[str, AppliedWorkload],
    price: Sample | None,
) -> pd.DataFrame:
    """One row per workload."""
    return pd.DataFrame(
        [
            {
                "workload": each.workload.reference,
                "cost": cost(each),
                "usd": None
                if price is None
                else float(each.workload.interruption_usd(price.on_demand_usd_per_hour)),
                "horizon": each.workload.horizon_h,
                "share": each.workload.max_pool_share,
                "instances": sum(
                    one.workload.name == each.workload.name for one in applied.values()
                ),
                "rules": rules(each.workload.name, applied) or None,
                "saved": each.created_at,
                "by": each.created_by or "built in",
            }
            for each in newest
        ],
    )


def cost(version: WorkloadVersion) -> str:
    """What an interruption costs, without the beginning of the sentence."""
    words = describe_cost(version.workload)
    return words.removeprefix("An interruption costs ").removesuffix(".")


def rules(name: str, applied: Mapping[str, AppliedWorkload]) -> str:
    """The rules that give instances a workload, with the number of instances of each."""
    counts = Counter(
        (each.scope, each.key) for each in applied.values() if each.workload.name == name
    )
    return formatting.listed([_rule(*rule, count) for rule, count in counts.most_common()])


def _rule(scope: AssignmentScope, key: str, count: int) -> str:
    if scope is AssignmentScope.DEFAULT:
        return f"assumed ({count})"
    if scope is AssignmentScope.INSTANCE:
        return f"instance {key}"
    return f"{scope.value} {key} ({count})"


def columns(price: Sample | None, now: datetime) -> dict[str, Column]:
    """The columns of the table."""
    where = f"{price.instance_type} USD" if price is not None else "USD"
    return {
        "workload": Column("workload", help="Name and newest version. Select one to open it."),
        "cost": Column("an interruption costs", width=290),
        "usd": Column(
            where,
            "{:,.2f}".format,
            "Cost of one interruption of an instance of "
            + (
                f"{price.instance_type} in {price.region}, the most frequent type of the fleet, at "
                f"its on-demand price of {formatting.usd_per_hour(price.on_demand_usd_per_hour)}."
                if price is not None
                else "the fleet's most frequent type. “—”: its on-demand price is unknown."
            ),
            number=True,
        ),
        "horizon": Column("horizon h", "{:g}".format, "Horizon of its risks.", number=True),
        "instances": Column("instances", "{:,}".format, "Instances that use it.", number=True),
        "rules": Column(
            "by rule",
            help="The rules that chose it, with the number of instances. “assumed”: no rule is "
            "about them. “—”: no instance uses it.",
            width=200,
        ),
        "share": Column(
            "largest share",
            formatting.percent,
            "Largest share of its group on one pool.",
            number=True,
        ),
        "saved": Column("saved", at(now, formatting.ago), "“—”: built in.", width=95),
        "by": Column("by", width=130),
    }


def versions(every: Sequence[WorkloadVersion]) -> pd.DataFrame:
    """One row per version of a workload, newest first."""
    return pd.DataFrame(
        [
            {
                "version": each.workload.reference,
                "saved": each.created_at,
                "by": each.created_by or "built in",
                "reason": each.reason or None,
                "changes": differences(each, older),
            }
            for each, older in zip(every, [*every[1:], None], strict=True)
        ]
    )


def version_columns(now: datetime) -> dict[str, Column]:
    """The columns of the table of versions."""
    return {
        "version": Column("version"),
        "saved": Column("saved", at(now, formatting.ago), "“—”: built in."),
        "by": Column("by"),
        "reason": Column("reason", width=240, help="“—”: no reason was given."),
        "changes": Column("changes", width="large", help="Compared with the version before."),
    }


def differences(newer: WorkloadVersion, older: WorkloadVersion | None) -> str | None:
    """The fields in which a version differs from the one before; None for the first."""
    if older is None:
        return None
    after, before = _flat(newer), _flat(older)
    changed = [
        f"{name}: {_text(before[name])} → {_text(after[name])}"
        for name in after
        if after[name] != before[name]
    ]
    return formatting.listed(changed, most=8) or "none"


def _flat(version: WorkloadVersion) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, value in to_parameters(version.workload).items():
        if name == "hardware":
            values |= value
        elif name not in ("name", "version"):
            values[name] = value
    return values


def _text(value: object) -> str:
    if isinstance(value, list):
        return formatting.listed([str(each) for each in value]) or "none"
    if isinstance(value, dict):
        kept = [f"{name} {each}" for name, each in value.items() if each not in (None, [])]
        return f"({formatting.listed(kept, most=6)})"
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value in (None, "") else str(value)


def select(rows: Sequence[int], names: Sequence[str]) -> None:
    """Opens a workload that was just selected in the table: its name goes into the URL."""
    selected = names[rows[0]] if rows else None
    if selected != st.session_state.get(SELECTED) and selected is not None:
        st.query_params["workload"] = selected
    st.session_state[SELECTED] = selected
