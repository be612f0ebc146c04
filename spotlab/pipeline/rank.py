"""Expected cost of each pool, and the order of the candidates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.domain.decision import Candidate, DropReason
from spotlab.domain.like_for_like import Shortfall
from spotlab.domain.market import MarketName, Pool
from spotlab.domain.performance import EQUAL, PerformanceIndex
from spotlab.domain.policy import PolicyParams
from spotlab.domain.policy_parameters import CEILING_HORIZON_H
from spotlab.domain.requirements import Requirements
from spotlab.domain.risk import expected_cost, risk_within
from spotlab.domain.workload import DEFAULT_WORKLOAD, Workload
from spotlab.pipeline.candidates import candidate_of
from spotlab.pipeline.filter import drop_reasons
from spotlab.pipeline.score import POOL_COLUMNS, ScoredMarket, price_read_at


@dataclass(frozen=True, slots=True)
class Ranking:
    """The pools of a market that meet some requirements, best first, and those filtered out.

    Args:
        scored: the market they were ranked in.
        requirements: what a pool must offer.
        policy: parameters used.
        workload: its horizon and the cost of an interruption.
        shortfalls: types that are not like for like, by name.
        own_type: the instance's type, that performance is relative to; None: no instance.
        performance: of types relative to it.
        table: ScoredMarket.table's columns and performance, interruption_usd, risk,
            expected_cost_usd_per_hour, rank (0: filtered out), dropped (DropReason or None) and
            row (position in scored.table); candidates by rank, then those filtered out.
        unavailable: pools that are left to other instances, by key, and why.
    """

    scored: ScoredMarket
    requirements: Requirements
    policy: PolicyParams
    workload: Workload
    shortfalls: Mapping[str, Shortfall]
    own_type: str | None
    performance: PerformanceIndex
    table: pd.DataFrame
    unavailable: Mapping[str, str] = field(default_factory=dict)

    @property
    def candidates(self) -> pd.DataFrame:
        """The rows of the candidates, lowest expected cost first."""
        return self.table.iloc[: int((self.table["rank"] > 0).sum())]

    @property
    def dropped(self) -> dict[str, int]:
        """Number of pools filtered out by each reason, largest first."""
        counts = Counter(reason for reason in self.table["dropped"] if reason is not None)
        return {str(reason): count for reason, count in counts.most_common()}

    @property
    def left_to_others(self) -> NDArray[np.intp]:
        """The rows of suitable pools that are left to other instances."""
        return np.flatnonzero((self.table["dropped"] == DropReason.SPREAD).to_numpy())

    def known(self, keys: Collection[str]) -> set[str]:
        """Of these keys of pools, those that have a row."""
        return {key for key, _ in _rows_of(self.table, keys)}

    def candidate(self, position: int) -> Candidate:
        """The candidate in this row of `table`, with reasons, sources and features."""
        return self.take([position])[0]

    def take(self, positions: Sequence[int]) -> list[Candidate]:
        """The candidates in these rows of `table`, in that order."""
        rows = self.table.iloc[list(positions)]
        values = self.scored.frame.values
        names = self.scored.frame.names
        origins = self.scored.data.origins
        return [
            candidate_of(
                row,
                names,
                values[int(row["row"])],
                origins,
                self.workload.horizon_h,
                self.scored.evidence.get(int(row["row"])),
                self.shortfalls.get(str(row["instance_type"])),
                self.unavailable,
                self._performance_sentence(str(row["instance_type"])),
            )
            for row in rows.to_dict("records")
        ]

    def _performance_sentence(self, instance_type: str) -> str:
        if self.own_type is None:
            return ""
        return self.performance.relative(self.own_type, instance_type).sentence

    def position_of(self, pool: Pool) -> int | None:
        """The position of a pool's row in `table`, or None."""
        same_type = np.flatnonzero((self.table["instance_type"] == pool.instance_type).to_numpy())
        places = ["region", "availability_zone", "operating_system"]
        rows = self.table[places].iloc[same_type].itertuples(index=False, name=None)
        for position, (region, zone, system) in zip(same_type.tolist(), rows, strict=True):
            if (region, system) == (pool.region, pool.operating_system) and (
                zone == pool.availability_zone
                if isinstance(zone, str)
                else pool.availability_zone is None
            ):
                return int(position)
        return None


def rank(
    scored: ScoredMarket,
    requirements: Requirements,
    policy: PolicyParams,
    workload: Workload = DEFAULT_WORKLOAD,
    *,
    on_demand_usd_per_hour: float | None = None,
    shortfalls: Mapping[str, Shortfall] = MappingProxyType({}),
    own_type: str | None = None,
    performance: PerformanceIndex = EQUAL,
    unavailable: Mapping[str, str] = MappingProxyType({}),
) -> Ranking:
    """Rank the pools that meet the requirements by the expected cost of an hour's work.

    Args:
        scored: a scored market.
        requirements: what a pool must offer.
        policy: risk ceiling and the oldest price that is used.
        workload: horizon, and the cost of an interruption.
        on_demand_usd_per_hour: of the instance's own type, which values an hour of a workload that
            gives no value; None: each pool's own on-demand price, or its spot price if that is
            unknown (the candidate's reasons say so).
        shortfalls: types that may not replace the instance's own, by name.
        own_type: the instance's type, that performance is relative to; None: all count as equal.
        performance: of types relative to it.
        unavailable: pools that are left to other instances, by key, and why.
    """
    table = scored.table.copy()
    table["row"] = np.arange(len(table))
    table["risk"] = risk_within(table["hazard_per_hour"].to_numpy(), workload.horizon_h)
    if on_demand_usd_per_hour is None:
        on_demand = table["on_demand_price_usd_per_hour"].fillna(table["spot_price_usd_per_hour"])
        table["interruption_usd"] = workload.interruption_usd(on_demand.to_numpy(np.float64))
    else:
        table["interruption_usd"] = workload.interruption_usd(on_demand_usd_per_hour)
    codes, types = pd.factorize(table["instance_type"])  # 40 times as fast as a tuple of all rows
    table["performance"] = (
        1.0 if own_type is None else performance.ratios(own_type, types.tolist())[codes]
    )
    table["expected_cost_usd_per_hour"] = (
        expected_cost(
            table["spot_price_usd_per_hour"].to_numpy(),
            table["hazard_per_hour"].to_numpy(),
            table["interruption_usd"].to_numpy(),
        )
        / table["performance"].to_numpy()
    )
    reasons = drop_reasons(table, requirements, shortfalls)
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
        if unavailable:
            taken = np.zeros(len(table), dtype=bool)
            taken[[row for _, row in _rows_of(table, unavailable)]] = True
            reasons[suitable & ~over & ~signalled & taken] = DropReason.SPREAD
    table["dropped"] = pd.Series(list(reasons), index=table.index, dtype=object)
    is_candidate = table["dropped"].isna()
    order = ["expected_cost_usd_per_hour", "risk", "region", "availability_zone", "instance_type"]
    candidates = table[is_candidate].sort_values(order, kind="stable")
    candidates["rank"] = np.arange(1, len(candidates) + 1)
    rest = table[~is_candidate].assign(rank=0)
    return Ranking(
        scored,
        requirements,
        policy,
        workload,
        shortfalls,
        own_type,
        performance,
        pd.concat([candidates, rest], ignore_index=True) if len(table) else table.assign(rank=0),
        unavailable,
    )


def _rows_of(table: pd.DataFrame, keys: Collection[str]) -> Iterator[tuple[str, int]]:
    """Each of these keys of pools that has a row, and the row's position."""
    types = {Pool.parse(key).instance_type for key in keys}
    positions = np.flatnonzero(table["instance_type"].isin(types).to_numpy())
    pools = table[list(POOL_COLUMNS)].iloc[positions].itertuples(index=False, name=None)
    for position, (region, zone, instance_type, system) in zip(positions, pools, strict=True):
        key = Pool(region, zone if isinstance(zone, str) else None, instance_type, system).key
        if key in keys:
            yield key, int(position)


def price_age_s(scored: ScoredMarket) -> float:
    """How long ago the prices were read, seconds; 0 for a recorded market, which never ages."""
    if scored.data.market is MarketName.RECORDED:
        return 0.0
    return (scored.data.as_of - price_read_at(scored.data)).total_seconds()


def is_stale(price_age_s: float, policy: PolicyParams) -> bool:
    """Whether prices of this age are too old for the policy."""
    return price_age_s > policy.max_price_age_h * 3600
