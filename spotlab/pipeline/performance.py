"""The performance of a market's pools, for the instances of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.performance import PerformanceIndex, index_for
from spotlab.domain.risk import FloatArray, expected_cost
from spotlab.domain.throughputs import ThroughputSet
from spotlab.domain.workload import Workload
from spotlab.pipeline.score import ScoredMarket

SPOT: Final = "spot_price_usd_per_hour"
ON_DEMAND: Final = "on_demand_price_usd_per_hour"


@dataclass(frozen=True)
class MarketPerformance:
    """Performance of the pools of a scored market, relative to an instance's own type.

    Args:
        scored: the market.
        sets: the newest throughputs of each workload, by name.
        use_claims: whether AWS's statements count.
        fixed: the index of a recorded decision, used instead of `sets`; None: none.
    """

    scored: ScoredMarket
    sets: Mapping[str, ThroughputSet] = field(default_factory=dict)
    use_claims: bool = True
    fixed: PerformanceIndex | None = None
    _indexes: dict[str, PerformanceIndex] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def index(self, workload: str) -> PerformanceIndex:
        """The index of a workload, with the sizes of the market's types."""
        found = self._indexes.get(workload)
        if found is None:
            if self.fixed is not None:
                found = self.fixed.with_sizes(self.scored.hardware)
            else:
                found = index_for(
                    workload, self.sets, self.scored.hardware, use_claims=self.use_claims
                )
            self._indexes[workload] = found
        return found

    def counted(self, instance: Instance, workload: Workload) -> FloatArray:
        """The performance that counts for an instance; see `PerformanceIndex.counted`.

        Args:
            instance: whose own type counts as 1.
            workload: the one that applies to it.
        Returns:
            (n,) by row of `scored.table`.
        """
        codes, types = self._types
        pool = instance.pool
        rows = self._rows_of_type(pool)
        on_demand = self._on_demand(rows)
        costs = expected_cost(
            self._columns[SPOT],
            self._columns["hazard_per_hour"],
            self._interruption_usd(workload, on_demand),
        )
        own_row = self._own_row(pool, rows)
        own_cost = costs[own_row] if own_row is not None else None
        if instance.lifecycle is Lifecycle.ON_DEMAND:
            own_cost = on_demand
        index = self.index(workload.name)
        return index.counted(pool.instance_type, types, costs, own_cost, codes)

    def sentence(
        self, instance: Instance, workload: Workload, instance_type: str, counted: float
    ) -> str:
        """Why a candidate's performance counts as it does; "" for the instance's own type.

        Args:
            instance, workload: as in `counted`.
            instance_type: of the candidate.
            counted: its performance, as counted.
        """
        index = self.index(workload.name)
        return index.relative(instance.pool.instance_type, instance_type).sentence_at(counted)

    @cached_property
    def _types(self) -> tuple[NDArray[np.intp], tuple[str, ...]]:
        """The type of each row as a position in the types, and the types."""
        codes, types = pd.factorize(self.scored.table["instance_type"])
        return codes, tuple(types)

    @cached_property
    def _columns(self) -> dict[str, NDArray[Any]]:
        """Columns of `scored.table` as arrays: reading single cells of a frame is slow."""
        table = self.scored.table
        places = ("region", "availability_zone", "operating_system")
        numbers = (SPOT, ON_DEMAND, "hazard_per_hour")
        return {name: table[name].to_numpy(object) for name in places} | {
            name: table[name].to_numpy(np.float64) for name in numbers
        }

    def _rows_of_type(self, pool: Pool) -> list[int]:
        """The rows of a pool's type in its region."""
        codes, types = self._types
        if pool.instance_type not in types:
            return []
        rows = np.flatnonzero(codes == types.index(pool.instance_type)).tolist()
        regions = self._columns["region"]
        return [row for row in rows if regions[row] == pool.region]

    def _on_demand(self, rows: Sequence[int]) -> float | None:
        prices = self._columns[ON_DEMAND]
        return next((float(prices[row]) for row in rows if np.isfinite(prices[row])), None)

    def _interruption_usd(self, workload: Workload, on_demand: float | None) -> FloatArray | float:
        """As in `rank`: at the on-demand price of the own type, or else at that of each pool."""
        if on_demand is not None:
            return workload.interruption_usd(on_demand)
        prices = self._columns[ON_DEMAND]
        return workload.interruption_usd(np.where(np.isnan(prices), self._columns[SPOT], prices))

    def _own_row(self, pool: Pool, rows: Sequence[int]) -> int | None:
        """The row of a pool, or the region's where its zone has no price."""
        zones, systems = self._columns["availability_zone"], self._columns["operating_system"]
        found = {
            zones[row] if isinstance(zones[row], str) else None: row
            for row in rows
            if systems[row] == pool.operating_system
        }
        return found.get(pool.availability_zone, found.get(None))
