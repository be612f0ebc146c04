"""A ranking in the plain way: one pandas table, filtered and sorted. `rank` must agree with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.domain.decision import DropReason
from spotlab.domain.like_for_like import Shortfall
from spotlab.domain.market import Pool
from spotlab.domain.performance import PerformanceIndex
from spotlab.domain.policy import PolicyParams
from spotlab.domain.policy_parameters import CEILING_HORIZON_H
from spotlab.domain.requirements import Requirements
from spotlab.domain.risk import expected_cost, risk_within
from spotlab.domain.workload import Workload
from spotlab.pipeline.filter import HARDWARE_REASONS
from spotlab.pipeline.rank import is_stale, price_age_s
from spotlab.pipeline.score import POOL_COLUMNS, ScoredMarket

Mask = NDArray[np.bool_]


def plain_rank(
    scored: ScoredMarket,
    requirements: Requirements,
    policy: PolicyParams,
    workload: Workload,
    on_demand_usd_per_hour: float | None,
    shortfalls: Mapping[str, Shortfall],
    own_type: str | None,
    performance: PerformanceIndex,
    unavailable: Mapping[str, str],
) -> pd.DataFrame:
    """`Ranking.table` of the same arguments."""
    table = scored.table.copy()
    table["row"] = np.arange(len(table))
    table["risk"] = risk_within(table["hazard_per_hour"].to_numpy(), workload.horizon_h)
    if on_demand_usd_per_hour is None:
        on_demand = table["on_demand_price_usd_per_hour"].fillna(table["spot_price_usd_per_hour"])
        table["interruption_usd"] = workload.interruption_usd(on_demand.to_numpy(np.float64))
    else:
        table["interruption_usd"] = workload.interruption_usd(on_demand_usd_per_hour)
    table["performance"] = [
        1.0 if own_type is None else performance.relative(own_type, each).ratio
        for each in table["instance_type"]
    ]
    table["expected_cost_usd_per_hour"] = (
        expected_cost(
            table["spot_price_usd_per_hour"].to_numpy(),
            table["hazard_per_hour"].to_numpy(),
            table["interruption_usd"].to_numpy(),
        )
        / table["performance"].to_numpy()
    )
    reasons = _reasons(table, requirements, shortfalls)
    suitable = np.asarray([reason is None for reason in reasons], dtype=bool)
    if is_stale(price_age_s(scored), policy):
        reasons[suitable] = DropReason.STALE_PRICE
    else:
        ceiling_risk = risk_within(table["hazard_per_hour"].to_numpy(), CEILING_HORIZON_H)
        over = suitable & (ceiling_risk > policy.risk_ceiling)
        reasons[over] = DropReason.RISK_CEILING
        age_min = table["signal_age_min"].to_numpy(np.float64)
        signalled = suitable & ~over & (age_min < policy.signal_exclusion_min)
        reasons[signalled] = DropReason.SIGNALLED
        taken = _is_any_of(table, unavailable)
        reasons[suitable & ~over & ~signalled & taken] = DropReason.SPREAD
    table["dropped"] = pd.Series(list(reasons), index=table.index, dtype=object)
    is_candidate = table["dropped"].isna()
    order = ["expected_cost_usd_per_hour", "risk", "region", "availability_zone", "instance_type"]
    candidates = table[is_candidate].sort_values(order, kind="stable")
    candidates["rank"] = np.arange(1, len(candidates) + 1)
    return pd.concat([candidates, table[~is_candidate].assign(rank=0)], ignore_index=True)


def plain_counts(table: pd.DataFrame) -> list[tuple[str, int]]:
    """`Ranking.dropped` in its order, from its table."""
    counts = Counter(reason for reason in table["dropped"] if reason is not None)
    return [(str(reason), count) for reason, count in counts.most_common()]


def _is_any_of(table: pd.DataFrame, keys: Collection[str]) -> Mask:
    pools = table[POOL_COLUMNS].itertuples(index=False, name=None)
    return np.array(
        [
            Pool(region, zone if isinstance(zone, str) else None, name, system).key in keys
            for region, zone, name, system in pools
        ],
        dtype=bool,
    )


def _reasons(
    table: pd.DataFrame, need: Requirements, shortfalls: Mapping[str, Shortfall]
) -> NDArray[np.object_]:
    reasons: NDArray[np.object_] = np.full(len(table), None, dtype=object)
    for reason, filtered in _checks(table, need):
        reasons[filtered & (reasons == None)] = reason  # noqa: E711  elementwise
    for row, name in enumerate(table["instance_type"]):
        if reasons[row] is None and name in shortfalls:
            reasons[row] = HARDWARE_REASONS[shortfalls[name].fact]
    return reasons


def _checks(table: pd.DataFrame, need: Requirements) -> Iterator[tuple[DropReason, Mask]]:
    yield DropReason.OPERATING_SYSTEM, _other(table["operating_system"], (need.operating_system,))
    yield DropReason.REGION, _other(table["region"], need.regions)
    yield DropReason.ZONE, _other(table["availability_zone"], need.zones)
    yield DropReason.FAMILY, _other(table["family"], need.families)
    sized = (need.vcpu_min, need.vcpu_max, need.memory_gb_min, need.memory_gb_max)
    if any(limit is not None for limit in sized):
        yield DropReason.NO_SPECS, table[["vcpu", "memory_gb"]].isna().any(axis=1).to_numpy()
    yield DropReason.VCPU, _outside(table["vcpu"], need.vcpu_min, need.vcpu_max)
    yield DropReason.MEMORY, _outside(table["memory_gb"], need.memory_gb_min, need.memory_gb_max)
    if need.architecture is not None:
        yield DropReason.ARCHITECTURE, _other(table["architecture"], (need.architecture,))
    if need.accelerator is not None:
        yield DropReason.ACCELERATOR, (table["accelerated"] != need.accelerator).to_numpy()
    if need.burstable is not None:
        yield DropReason.BURSTABLE, (table["burstable"] != need.burstable).to_numpy()
    price = table["spot_price_usd_per_hour"].to_numpy(dtype=np.float64)
    yield DropReason.NO_PRICE, ~(np.isfinite(price) & (price > 0))
    if need.max_advisor_bucket is not None:
        yield DropReason.UNSAFE_RATE, (table["advisor_bucket"] > need.max_advisor_bucket).to_numpy()
    yield DropReason.NO_RISK, ~np.isfinite(table["hazard_per_hour"].to_numpy(dtype=np.float64))


def _other(values: pd.Series, allowed: tuple[str, ...]) -> Mask:
    if not allowed:
        return np.zeros(len(values), dtype=bool)
    return np.asarray(~values.isin(allowed).to_numpy(), dtype=bool)


def _outside(values: pd.Series, low: float | None, high: float | None) -> Mask:
    numbers = values.to_numpy(dtype=np.float64)
    outside = np.zeros(len(numbers), dtype=bool)
    if low is not None:
        outside |= numbers < low
    if high is not None:
        outside |= numbers > high
    return outside
