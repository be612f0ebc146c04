"""The fleet as a headline, rows and columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from spotlab.domain.decision import MOVES, Instance, Lifecycle
from spotlab.domain.market import MarketData, Pool
from spotlab.domain.ports import ExperimentSummary
from spotlab.domain.risk import risk_at
from spotlab.domain.spot_events import Signal
from spotlab.domain.workload import DEFAULT_WORKLOAD
from spotlab.ui.common import formatting
from spotlab.ui.common.tables import Column, at
from spotlab.ui.common.theme import Palette

DECISION_PX = 118
NAME_PX = 160
SAVING_HELP = (
    "What the decision saves: expected cost before minus after, including interruptions. A STAY "
    "saves 0; negative: a move that costs more, for less risk. “—”: a price or a risk is unknown."
)
ALTERNATIVE_HELP = (
    "USD/h that the best alternative to a STAY would save, after the cost of switching; the "
    "reason says why that is not enough. “—”: no STAY, no alternative, or unknown."
)
NEWS = "New decisions, instances or prices: show"


def headline(fleet: Sequence[Instance], decisions: Mapping[str, ExperimentSummary]) -> str:
    """How many instances should move, what that saves, and its effect on interruptions."""
    total = formatting.count(len(fleet), "instance")
    latest = [decisions[i.instance_id] for i in fleet if i.instance_id in decisions]
    decided = [d for d in latest if d.decision is not None]
    if not decided:
        return f"{total}, no decisions yet"
    moving = [d for d in decided if d.decision in MOVES]
    if not moving:
        return f"None of the {total} should move"
    before, after = _interruptions(moving)
    return (
        f"{len(moving)} of {total} should move: {_effect(moving)}, expected interruptions "
        f"{before:.1f} → {after:.1f} a month"
    )


def _effect(moving: Sequence[ExperimentSummary]) -> str:
    """What the moves save; moves that cost more for less risk are named separately."""
    savings = [d.saving_usd_per_hour for d in moving if d.saving_usd_per_hour is not None]
    saving, costing = [s for s in savings if s >= 0], [-s for s in savings if s < 0]
    if not costing:
        return f"this saves {formatting.usd_per_hour(sum(saving))}"
    safer = f"{len(costing)} to reduce risk at {formatting.usd_per_hour(sum(costing))} more"
    if not saving:
        return safer
    return f"{len(saving)} to save {formatting.usd_per_hour(sum(saving))}, {safer}"


def small_print(
    fleet: Sequence[Instance], decisions: Mapping[str, ExperimentSummary], now: datetime
) -> str:
    """Age of the oldest decision, and how many are missing."""
    latest = [decisions[i.instance_id] for i in fleet if i.instance_id in decisions]
    if not latest:
        return "Evaluate the fleet to see which instances should move."
    parts = [f"Oldest decision {formatting.ago(min(d.created_at for d in latest), now)}"]
    failed = sum(d.decision is None for d in latest)
    if failed:
        parts.append(f"{formatting.count(failed, 'evaluation')} failed")
    missing = len(fleet) - len(latest)
    if missing:
        parts.append(f"{missing} never evaluated")
    unknown = sum(d.decision in MOVES and d.saving_usd_per_hour is None for d in latest)
    if unknown:
        parts.append(f"saving unknown for {unknown}, not counted")
    return "; ".join(parts) + "."


def _interruptions(moving: Sequence[ExperimentSummary]) -> tuple[float, float]:
    """Expected interruptions a month before and after; on-demand has none."""
    before = sum(
        formatting.interruptions_a_month(d.risk, d.horizon_h) for d in moving if d.risk is not None
    )
    after = sum(
        formatting.interruptions_a_month(d.chosen_risk, d.horizon_h)
        for d in moving
        if d.chosen_risk is not None
    )
    return before, after


def rows(
    fleet: Sequence[Instance],
    decisions: Mapping[str, ExperimentSummary],
    market: MarketData | None,
) -> pd.DataFrame:
    """One row per instance: those that should move first, by what that saves."""
    prices = _prices(fleet, market)
    ordered = sorted(fleet, key=lambda instance: _urgency(decisions.get(instance.instance_id)))
    return pd.DataFrame(
        [_row(i, decisions.get(i.instance_id), prices.get(i.instance_id)) for i in ordered],
        columns=[*COLUMN_NAMES, "instance_id", "region", "experiment_id"],
    )


def _urgency(last: ExperimentSummary | None) -> tuple[int, float]:
    """Sorts moves by saving, then instances without a decision, then STAY by what was missed."""
    if last is None or last.decision is None:
        return (1, 0.0)
    if last.decision in MOVES:
        return (0, -(last.saving_usd_per_hour or 0.0))
    return (2, -(last.alternative_saving_usd_per_hour or 0.0))


def _row(
    instance: Instance, last: ExperimentSummary | None, price: float | None
) -> dict[str, object]:
    return {
        "name": instance.name or instance.instance_id,
        "account": instance.account,
        "type": instance.pool.instance_type,
        "zone": instance.pool.availability_zone or instance.pool.region,
        "lifecycle": instance.lifecycle.value,
        "price": price,
        "risk": _risk(last) if last else None,
        "decision": formatting.decision_mark(last.decision if last else None),
        "saving": last.saving_usd_per_hour if last else None,
        "alternative": last.alternative_saving_usd_per_hour if last else None,
        "evaluated": last.created_at if last else None,
        "model": instance.model or "champion",
        "shadow": "shadow" if instance.shadow else "live",
        "mode": instance.mode.value,
        "signal": _signal(instance.signal),
        "instance_id": instance.instance_id,
        "region": instance.pool.region,
        "experiment_id": last.experiment_id if last else None,
    }


COLUMN_NAMES = (
    "name",
    "decision",
    "signal",
    "saving",
    "alternative",
    "type",
    "zone",
    "lifecycle",
    "price",
    "risk",
    "account",
    "evaluated",
    "model",
    "shadow",
    "mode",
)


def _signal(signal: Signal | None) -> str | None:
    """What EC2 last said about the instance, and when."""
    if signal is None:
        return None
    if signal.notice_ends_at is not None:
        return f"⚠ interrupted {signal.notice_ends_at:%Y-%m-%d %H:%M} UTC"
    return f"rebalance {signal.at:%Y-%m-%d %H:%M} UTC"


def _risk(decision: ExperimentSummary) -> float | None:
    """Its risk over the default horizon: workloads have horizons of their own."""
    if decision.risk is None:
        return None
    return risk_at(decision.risk, decision.horizon_h, DEFAULT_WORKLOAD.horizon_h)


def columns(
    horizon_h: float, now: datetime, palette: Palette, *, signals: bool = True
) -> dict[str, Column]:
    """The columns of the fleet's table; `signals`: whether any instance has signalled."""
    found = _columns(horizon_h, now, palette)
    return {name: column for name, column in found.items() if signals or name != "signal"}


def _columns(horizon_h: float, now: datetime, palette: Palette) -> dict[str, Column]:
    marks = {mark: decision for decision, mark in formatting.DECISION_MARKS.items()}
    return {
        "name": Column("name", help="Name tag, or the instance id.", width=NAME_PX),
        "decision": Column(
            "decision",
            help="The last decision. Select a row to see the reason.",
            colour=lambda mark: palette.of_decision(marks.get(mark)),
            width=DECISION_PX,
        ),
        "signal": Column(
            "signal",
            help="The last interruption notice or rebalance recommendation from EC2. “—”: none.",
        ),
        "saving": Column("saving USD/h", formatting.saving, SAVING_HELP, number=True),
        "alternative": Column("alternative", formatting.saving, ALTERNATIVE_HELP, number=True),
        "type": Column("type"),
        "zone": Column("zone"),
        "lifecycle": Column("lifecycle"),
        "price": Column(
            "price USD/h",
            formatting.usd,
            "The present spot price of its pool, or the on-demand price. “—”: not in the market "
            "data.",
            number=True,
        ),
        "risk": Column(
            f"risk {horizon_h:g} h",
            formatting.percent,
            f"P(interrupted within {horizon_h:g} h) at the last evaluation. Green: below 5 % a "
            "month; orange: below 20 %; red: above. “—”: on-demand (not interrupted), or unknown.",
            colour=lambda risk: palette.of_risk(formatting.risk_level(risk, horizon_h)),
            number=True,
        ),
        "account": Column("account"),
        "evaluated": Column("evaluated", at(now, formatting.ago), "Time of the last evaluation."),
        "model": Column("model", help="The assigned model; by default the champion."),
        "shadow": Column("shadow", help="Shadow: decisions are recorded, but not executed."),
        "mode": Column("pipeline", help="Which pipeline evaluates the instance: linear or off."),
    }


def matching(
    frame: pd.DataFrame,
    accounts: Sequence[str],
    regions: Sequence[str],
    decisions: Sequence[str],
    text: str,
) -> pd.DataFrame:
    """The rows that the filters leave; an empty filter leaves all."""
    keep = pd.Series(True, index=frame.index)
    for column, allowed in (("account", accounts), ("region", regions), ("decision", decisions)):
        if allowed:
            keep &= frame[column].isin(allowed)
    if text.strip():
        searched = frame[["name", "type", "zone", "instance_id"]].agg(" ".join, axis=1)
        keep &= searched.str.contains(text.strip(), case=False, regex=False)
    return frame[keep].reset_index(drop=True)


def _prices(fleet: Sequence[Instance], market: MarketData | None) -> dict[str, float]:
    """The present price of each instance, USD per hour; absent if unknown."""
    if market is None or not len(market.prices):
        return {}
    types = tuple(sorted({i.pool.instance_type for i in fleet}))
    _, spot, on_demand = _prices_of(market, types)
    prices = {}
    for instance in fleet:
        pool = instance.pool
        if instance.lifecycle is Lifecycle.ON_DEMAND:
            usd = on_demand.get((pool.region, pool.instance_type))
        else:
            usd = spot.get(_key(pool), spot.get((*_key(pool)[:1], "", *_key(pool)[2:])))
        if usd is not None:
            prices[instance.instance_id] = usd
    return prices


@st.cache_resource(show_spinner=False, max_entries=2, hash_funcs={MarketData: id})
def _prices_of(
    market: MarketData, types: tuple[str, ...]
) -> tuple[MarketData, dict[tuple[str, str, str, str], float], dict[tuple[str, str], float]]:
    """Spot and on-demand prices of these types, USD per hour.

    The market is part of the result, so that no other one takes its id while this is remembered.
    """
    pools = market.prices[market.prices["instance_type"].isin(types)]
    spot = dict(zip(_keys(pools), pools["spot_price_usd_per_hour"].astype("float64"), strict=True))
    offers = market.on_demand[market.on_demand["instance_type"].isin(types)]
    on_demand = {
        (region, name): float(usd)
        for region, name, usd in offers[
            ["region", "instance_type", "on_demand_price_usd_per_hour"]
        ].itertuples(index=False, name=None)
    }
    return market, spot, on_demand


def _key(pool: Pool) -> tuple[str, str, str, str]:
    return (pool.region, pool.availability_zone or "", pool.instance_type, pool.operating_system)


def _keys(prices: pd.DataFrame) -> list[tuple[str, str, str, str]]:
    zones = prices["availability_zone"].fillna("")
    return list(
        zip(
            prices["region"],
            zones,
            prices["instance_type"],
            prices["operating_system"],
            strict=True,
        )
    )
