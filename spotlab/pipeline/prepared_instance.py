"""An instance with the arrays of its pools, which the policy decides about under any parameters.

`preparation.prepare` reads them from a scored market once. After that, a decision under other
parameters takes a few numpy operations: which pools are candidates now, what they cost, which two
are best. The policy itself is `pipeline.policy.decide`, as in an evaluation, and so are its results
(tests/pipeline/test_what_if.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.decision import Candidate, Instance, Lifecycle, Verdict
from spotlab.domain.hardware import Hardware
from spotlab.domain.like_for_like import HardwareFact, least_memory_gb, waived_facts
from spotlab.domain.policy import PolicyParams
from spotlab.domain.policy_parameters import CEILING_HORIZON_H
from spotlab.domain.requirements import Requirements
from spotlab.domain.risk import Evidence, FloatArray, expected_cost, risk_within
from spotlab.domain.workload import AppliedWorkload, Workload
from spotlab.pipeline.filter import compared_rule
from spotlab.pipeline.policy import decide
from spotlab.pipeline.rank import is_stale
from spotlab.pipeline.situation import Situation

Mask = NDArray[np.bool_]
FACT_BIT: Final = {fact: 1 << place for place, fact in enumerate(HardwareFact)}
"""Bit of each fact in `PreparedPools.shortfalls`."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedPools:
    """The pools that could take over an instance's work; n rows, ordered by region, zone and type.

    Args:
        pool: (n,) objects.
        price_usd_per_hour: (n,) spot price.
        on_demand_usd_per_hour: (n,) NaN where unknown.
        hazard_per_hour: (n,) expected interruptions per hour in the long run.
        evidence: by row, what raises it for a while.
        signal_age_min: (n,) minutes since the last signal; NaN: none.
        performance: (n,) work per hour relative to the instance's type.
        memory_gb: (n,) as its requirements look at it; NaN where unknown.
        burstable: (n,) as its requirements look at it.
        shortfalls: (n,) bits of the facts in which the hardware is worse, without memory.
        hardware_memory_gb: (n,) as like for like looks at it; NaN where unknown or of no concern.
        gpu_model: (n,) "" without one.
    """

    pool: NDArray[np.object_]
    price_usd_per_hour: FloatArray
    on_demand_usd_per_hour: FloatArray
    hazard_per_hour: FloatArray
    evidence: Mapping[int, Evidence]
    signal_age_min: FloatArray
    performance: FloatArray
    memory_gb: FloatArray
    burstable: Mask
    shortfalls: NDArray[np.int64]
    hardware_memory_gb: FloatArray
    gpu_model: NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class OwnPool:
    """The pool of the instance itself.

    Args:
        candidate: its price, hazard and performance; risk and expected cost depend on the
            workload.
        row: its row in the prepared pools; None: it is none of them.
    """

    candidate: Candidate
    row: int | None


@dataclass(frozen=True, slots=True, eq=False)
class PreparedInstance:
    """One instance with the pools that could take over its work.

    Args:
        instance: the instance.
        applied: the workload that applies to it today.
        last_switch_at: when its last switch was decided, or None.
        requirements: of a replacement, the instance's own or else its workload's; None: derived.
        on_demand_usd_per_hour: of its type; None: unknown.
        own_pool: its pool, or that of its region if its zone has no price; None: no price at all.
        hardware: facts that a replacement is compared with.
        memory_gb: of its type, as its requirements look at it; None: they do not.
        pools: the others, and its own.
        price_age_s: age of the prices, seconds.
        as_of: of the market, aware UTC.
    """

    instance: Instance
    applied: AppliedWorkload
    last_switch_at: datetime | None
    requirements: Requirements | None
    on_demand_usd_per_hour: float | None
    own_pool: OwnPool | None
    hardware: Hardware
    memory_gb: float | None
    pools: PreparedPools
    price_age_s: float
    as_of: datetime

    def decide(
        self,
        params: PolicyParams,
        workload: Workload,
        now: datetime,
        unavailable: Collection[str] = (),
    ) -> Verdict:
        """The policy's decision under other parameters; see `situation`."""
        return decide(self.situation(params, workload, now, unavailable), params)

    def situation(
        self,
        params: PolicyParams,
        workload: Workload,
        now: datetime,
        unavailable: Collection[str] = (),
    ) -> Situation:
        """What the policy would look at. Its candidates have no reasons, sources and features.

        Args:
            params: of the policy.
            workload: instead of the one that applies; with the same regions, zones and
                requirements.
            now: aware UTC.
            unavailable: keys of pools that are left to other instances.
        Raises:
            ValueError: the workload has other regions, zones or requirements.
        """
        hazard = self.hazard_within(workload.horizon_h, params)
        cost, risk = self._costs(workload, hazard), risk_within(hazard, workload.horizon_h)
        is_candidate = self.is_candidate(params, workload, unavailable)
        rows = np.flatnonzero(is_candidate)
        first = rows[np.lexsort((risk[rows], cost[rows]))[:3]].tolist()
        own_row = self.own_pool.row if self.own_pool is not None else None
        on_spot = self.instance.lifecycle is Lifecycle.SPOT
        others = [
            self._candidate(row, rank, workload, params, hazard, float(risk[row]), float(cost[row]))
            for rank, row in enumerate(first, start=1)
            if not (on_spot and row == own_row)
        ]
        best, second = (*others[:2], None, None)[:2]
        return Situation(
            self.instance,
            self.current(workload, params),
            best,
            self.on_demand_usd_per_hour,
            workload,
            self.last_switch_at,
            now,
            second,
        )

    def is_candidate(
        self, params: PolicyParams, workload: Workload, unavailable: Collection[str] = ()
    ) -> Mask:
        """(n,) which of the pools the policy may choose; as in `situation`."""
        if is_stale(self.price_age_s, params):
            return np.zeros(len(self.pools.pool), dtype=bool)
        allowed = self.is_suitable(workload)
        hazard = self.hazard_within(CEILING_HORIZON_H, params)
        allowed &= ~(risk_within(hazard, CEILING_HORIZON_H) > params.risk_ceiling)
        allowed &= ~(self.pools.signal_age_min < params.signal_exclusion_min)
        if unavailable:
            keys = (pool.key for pool in self.pools.pool)
            taken = np.fromiter((key in unavailable for key in keys), bool, len(allowed))
            allowed &= ~taken
        return np.asarray(allowed, dtype=bool)

    def is_suitable(self, workload: Workload) -> Mask:
        """(n,) which of the pools meet the requirements and the hardware rule of a workload."""
        today = self.applied.workload
        if _choice_of_pools(workload) != _choice_of_pools(today):
            raise ValueError(
                "other regions, zones or requirements need other pools: prepare the instance again"
            )
        pools, rule = self.pools, compared_rule(workload.hardware, self.requirements)
        waived = sum(FACT_BIT[fact] for fact in waived_facts(rule))
        worse = pools.shortfalls & ~waived
        if self.hardware.gpu_model in rule.equal_gpus:
            equal = np.isin(pools.gpu_model.astype(str), [*rule.equal_gpus])
            worse = np.where(equal, worse & ~FACT_BIT[HardwareFact.GPU_MODEL], worse)
        suitable = worse == 0
        if self.hardware.memory_gb is not None:
            suitable &= ~(pools.hardware_memory_gb < least_memory_gb(self.hardware.memory_gb, rule))
        if self.requirements is None:
            if self.memory_gb is not None:
                least_gb = (1.0 - workload.hardware.memory_tolerance) * self.memory_gb
                suitable &= ~(pools.memory_gb < least_gb)
            if not (self.hardware.name.burstable or workload.hardware.allow_burstable):
                suitable &= ~pools.burstable
        return np.asarray(suitable, dtype=bool)

    def hazard_within(self, horizon_h: float, params: PolicyParams) -> FloatArray:
        """(n,) mean hazard within a horizon, with the short parts that a policy gives it."""
        if not self.pools.evidence:
            return self.pools.hazard_per_hour
        hazard = self.pools.hazard_per_hour.copy()
        for row, evidence in self.pools.evidence.items():
            hazard[row] *= evidence.under(params, self.as_of).multiple(horizon_h)
        return hazard

    def _costs(self, workload: Workload, hazard: FloatArray) -> FloatArray:
        """(n,) price with interruptions, USD per hour of the instance's work."""
        pools, on_demand = self.pools, self.on_demand_usd_per_hour
        if on_demand is None:
            own = pools.on_demand_usd_per_hour
            interruption_usd = workload.interruption_usd(
                np.where(np.isnan(own), pools.price_usd_per_hour, own)
            )
        else:
            interruption_usd = workload.interruption_usd(on_demand)
        cost = expected_cost(pools.price_usd_per_hour, hazard, interruption_usd)
        return np.asarray(cost / pools.performance, dtype=np.float64)

    def current(self, workload: Workload, params: PolicyParams) -> Candidate | None:
        """Its own pool; None if its expected cost is unknown."""
        if self.own_pool is None:
            return None
        own = self.own_pool.candidate
        if own.evidence is not None and own.evidence.may_move:
            evidence = own.evidence.under(params, self.as_of)
            hazard = own.hazard_per_hour * evidence.multiple(workload.horizon_h)
            own = replace(own, evidence=evidence, hazard_per_hour=hazard)
        usd = self.on_demand_usd_per_hour
        if usd is None:
            known = own.on_demand_price_usd_per_hour
            usd = known if known is not None else own.spot_price_usd_per_hour
        cost = (
            float(
                expected_cost(
                    own.spot_price_usd_per_hour,
                    own.hazard_per_hour,
                    workload.interruption_usd(usd),
                )
            )
            / own.performance
        )
        if not np.isfinite(cost):
            return None
        return replace(
            own,
            risk=float(risk_within(own.hazard_per_hour, workload.horizon_h)),
            horizon_h=workload.horizon_h,
            expected_cost_usd_per_hour=cost,
        )

    def _candidate(
        self,
        row: int,
        rank: int,
        workload: Workload,
        params: PolicyParams,
        hazard: FloatArray,
        risk: float,
        cost: float,
    ) -> Candidate:
        pools, evidence = self.pools, self.pools.evidence.get(row)
        on_demand = float(pools.on_demand_usd_per_hour[row])
        return Candidate(
            pool=pools.pool[row],
            spot_price_usd_per_hour=float(pools.price_usd_per_hour[row]),
            on_demand_price_usd_per_hour=on_demand if np.isfinite(on_demand) else None,
            risk=risk,
            horizon_h=workload.horizon_h,
            hazard_per_hour=float(hazard[row]),
            expected_cost_usd_per_hour=cost,
            rank=rank,
            evidence=evidence.under(params, self.as_of) if evidence is not None else None,
            performance=float(pools.performance[row]),
        )


def _choice_of_pools(workload: Workload) -> tuple[object, ...]:
    """What chose the prepared pools, and the performance of their types."""
    return workload.regions, workload.zones, workload.requirements, workload.hardware.use_claims
