"""Expected cost of each pool, and the order of the candidates."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.domain.decision import Candidate, DropReason
from spotlab.domain.like_for_like import Shortfall
from spotlab.domain.market import MarketName, Pool
from spotlab.domain.performance import EQUAL, PerformanceIndex
from spotlab.domain.policy import PolicyParams
from spotlab.domain.requirements import Requirements
from spotlab.domain.risk import FloatArray, expected_cost
from spotlab.domain.workload import DEFAULT_WORKLOAD, Workload
from spotlab.pipeline.candidates import candidate_of
from spotlab.pipeline.filter import CODE_OF, REASONS, Codes, drop_codes
from spotlab.pipeline.pool_columns import Mask, Rows
from spotlab.pipeline.score import ScoredMarket, price_read_at

_REASON_OF: Final = np.array([None, *REASONS], dtype=object)


@dataclass(frozen=True)
class Ranking:
    """The pools of a market that meet some requirements, best first, and those filtered out.

    A position counts the candidates by rank, and then the pools filtered out in the order of the
    market. Rankings of a run are small: what they share stays in the market.

    Args:
        scored: the market they were ranked in.
        requirements: what a pool must offer.
        policy: parameters used.
        workload: its horizon and the cost of an interruption.
        shortfalls: types that are not like for like, by name.
        own_type: the instance's type, that performance is relative to; None: no instance.
        performance: of types relative to it.
        on_demand_usd_per_hour: that an hour of work is worth; None: each pool's own.
        ranked: rows of the candidates in the market, lowest expected cost first.
        codes: (n,) for each row, why it is filtered out, as in `filter.CODE_OF`.
        unavailable: pools that are left to other instances, by key, and why.
    """

    scored: ScoredMarket
    requirements: Requirements
    policy: PolicyParams
    workload: Workload
    shortfalls: Mapping[str, Shortfall]
    own_type: str | None
    performance: PerformanceIndex
    on_demand_usd_per_hour: float | None
    ranked: NDArray[np.int32]
    codes: Codes
    unavailable: Mapping[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of candidates."""
        return len(self.ranked)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Every pool by position: ScoredMarket.table's columns (the hazard is the mean within the
        workload's horizon) and performance, interruption_usd, risk, expected_cost_usd_per_hour,
        rank (0: filtered out), dropped (DropReason or None) and row (position in scored.table)."""
        rows = self.rows
        table = self.scored.table.iloc[rows].reset_index(drop=True)
        table["row"] = rows
        for name, values in self.numbers(rows).items():
            table[name] = values
        table["dropped"] = pd.Series(self.reasons(rows), index=table.index, dtype=object)
        table["rank"] = self.ranks(np.arange(len(rows)))
        return table

    @property
    def candidates(self) -> pd.DataFrame:
        """The rows of the candidates, lowest expected cost first."""
        return self.table.iloc[: self.count]

    @property
    def rows(self) -> Rows:
        """(n,) the row in the market of each position."""
        return np.concatenate([self.ranked, np.flatnonzero(self.codes)])

    def rows_at(self, positions: Rows) -> Rows:
        """The row in the market of each of these positions."""
        if len(positions) and positions.max() < self.count:
            return np.asarray(self.ranked[positions])
        return self.rows[positions]

    def ranks(self, positions: NDArray[np.intp]) -> NDArray[np.int64]:
        """Rank at each of these positions; 0: filtered out."""
        return np.where(positions < self.count, positions + 1, 0)

    def reasons(self, rows: Rows) -> NDArray[np.object_]:
        """Why each of these rows of the market is filtered out, or None."""
        return np.asarray(_REASON_OF[self.codes[rows]])

    def numbers(self, rows: Rows) -> dict[str, FloatArray]:
        """What the ranking adds to each of these rows of the market, by column."""
        pools = self.scored.pools
        interruption_usd = _interruption_usd(
            self.scored, self.workload, self.on_demand_usd_per_hour, rows
        )
        performance = _performance(self.scored, self.performance, self.own_type, rows)
        return {
            "hazard_per_hour": pools.hazard_within(self.workload.horizon_h)[rows],
            "risk": pools.risk(self.workload.horizon_h)[rows],
            "interruption_usd": np.broadcast_to(interruption_usd, len(rows)),
            "performance": performance,
            "expected_cost_usd_per_hour": _cost(
                self.scored, self.workload.horizon_h, interruption_usd, performance, rows
            ),
        }

    @property
    def dropped(self) -> dict[str, int]:
        """Number of pools filtered out by each reason, largest first."""
        counts = np.bincount(self.codes, minlength=len(REASONS) + 1)
        counts[0] = 0
        found = sorted(
            np.flatnonzero(counts).tolist(),
            key=lambda code: (-counts[code], int((self.codes == code).argmax())),
        )
        return {str(REASONS[code - 1]): int(counts[code]) for code in found}

    @property
    def left_to_others(self) -> NDArray[np.intp]:
        """The positions of suitable pools that are left to other instances."""
        if not self.unavailable:
            return np.empty(0, dtype=np.intp)
        return np.flatnonzero(self.codes[self.rows] == CODE_OF[DropReason.SPREAD])

    def known(self, keys: Collection[str]) -> set[str]:
        """Of these keys of pools, those that have a row."""
        return {key for key in keys if self.scored.pools.rows_of_key(key)}

    def candidate(self, position: int) -> Candidate:
        """The candidate in this row of `table`, with reasons, sources and features."""
        return self.take([position])[0]

    def take(self, positions: Sequence[int]) -> list[Candidate]:
        """The candidates in these rows of `table`, in that order."""
        places = np.array(positions, dtype=np.intp)
        rows = self.rows_at(places)
        columns = {
            "row": rows,
            "rank": self.ranks(places),
            "dropped": self.reasons(rows),
            **self.numbers(rows),
        }
        values = zip(*(column.tolist() for column in columns.values()), strict=True)
        pools, scored = self.scored.pools, self.scored
        found = []
        for each in values:
            row = int(each[0])
            pool = pools.row(row)
            found.append(
                candidate_of(
                    pool | dict(zip(columns, each, strict=True)),
                    scored.frame.names,
                    scored.frame.values[row],
                    scored.data.origins,
                    self.workload.horizon_h,
                    scored.evidence.get(row),
                    self.shortfalls.get(pool["instance_type"]),
                    self.unavailable,
                    self._performance_sentence(pool["instance_type"]),
                )
            )
        return found

    def _performance_sentence(self, instance_type: str) -> str:
        if self.own_type is None:
            return ""
        return self.performance.relative(self.own_type, instance_type).sentence

    def position_of(self, pool: Pool) -> int | None:
        """The position of a pool's row in `table`, or None."""
        return min(map(self._position, self.scored.pools.rows_of(pool)), default=None)

    def _position(self, row: int) -> int:
        if self.codes[row]:
            return self.count + int(np.count_nonzero(self.codes[:row]))
        return int(np.flatnonzero(self.ranked == row)[0])


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
    scored = scored.under(policy)
    codes = drop_codes(scored.pools, requirements, shortfalls)
    suitable = codes == 0
    for reason, filtered in _checks(scored, policy, unavailable):
        np.putmask(codes, suitable & filtered, CODE_OF[reason])
    rows = np.flatnonzero(codes == 0)
    cost = _cost(
        scored,
        workload.horizon_h,
        _interruption_usd(scored, workload, on_demand_usd_per_hour, rows),
        _performance(scored, performance, own_type, rows),
        rows,
    )
    risk = scored.pools.risk(workload.horizon_h)[rows]
    order = np.lexsort((scored.pools.tie_order[rows], risk, cost))
    return Ranking(
        scored,
        requirements,
        policy,
        workload,
        shortfalls,
        own_type,
        performance,
        on_demand_usd_per_hour,
        rows[order].astype(np.int32),
        codes,
        unavailable,
    )


def _checks(
    scored: ScoredMarket, policy: PolicyParams, unavailable: Collection[str]
) -> Iterator[tuple[DropReason, Mask]]:
    """What the policy filters out; the last reason is the one that counts."""
    pools = scored.pools
    if is_stale(price_age_s(scored), policy):
        yield DropReason.STALE_PRICE, np.ones(len(pools), dtype=bool)
        return
    if unavailable:
        taken = np.zeros(len(pools), dtype=bool)
        taken[[row for key in unavailable for row in pools.rows_of_key(key)]] = True
        yield DropReason.SPREAD, taken
    yield DropReason.SIGNALLED, pools.signal_age_min < policy.signal_exclusion_min
    yield DropReason.RISK_CEILING, pools.ceiling_risk > policy.risk_ceiling


def _interruption_usd(
    scored: ScoredMarket, workload: Workload, on_demand_usd_per_hour: float | None, rows: Rows
) -> FloatArray | float:
    """Cost of an interruption: the same for all, or (rows,)."""
    if on_demand_usd_per_hour is None:
        return workload.interruption_usd(scored.pools.value_usd_per_hour[rows])
    return workload.interruption_usd(on_demand_usd_per_hour)


def _performance(
    scored: ScoredMarket, index: PerformanceIndex, own_type: str | None, rows: Rows
) -> FloatArray:
    """(rows,) performance relative to the instance's own type."""
    types = scored.pools.instance_type
    if own_type is None:
        return np.ones(len(rows))
    return np.asarray(index.ratios(own_type, types.names)[types.codes[rows]])


def _cost(
    scored: ScoredMarket,
    horizon_h: float,
    interruption_usd: FloatArray | float,
    performance: FloatArray,
    rows: Rows,
) -> FloatArray:
    """(rows,) expected cost of an hour's work, USD."""
    pools = scored.pools
    cost = expected_cost(
        pools.spot_price_usd_per_hour[rows], pools.hazard_within(horizon_h)[rows], interruption_usd
    )
    return np.asarray(cost / performance)


def price_age_s(scored: ScoredMarket) -> float:
    """How long ago the prices were read, seconds; 0 for a recorded market, which never ages."""
    if scored.data.market is MarketName.RECORDED:
        return 0.0
    return (scored.data.as_of - price_read_at(scored.data)).total_seconds()


def is_stale(price_age_s: float, policy: PolicyParams) -> bool:
    """Whether prices of this age are too old for the policy."""
    return price_age_s > policy.max_price_age_h * 3600
