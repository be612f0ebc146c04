"""Preparing an instance: the arrays of the pools that could take over its work."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.domain.decision import Candidate, Instance
from spotlab.domain.hardware import Hardware
from spotlab.domain.like_for_like import (
    HardwareFact,
    HardwareRule,
    strict_shortfalls,
    waived_facts,
)
from spotlab.domain.market import Pool
from spotlab.domain.requirements import Requirements
from spotlab.domain.risk import FloatArray
from spotlab.domain.workload import NO_WORKLOAD, AppliedWorkload, Workload
from spotlab.pipeline.filter import compared_hardware, drop_codes, requirements_of
from spotlab.pipeline.pool_columns import PoolColumns
from spotlab.pipeline.prepared_instance import (
    FACT_BIT,
    OwnPool,
    PreparedInstance,
    PreparedPools,
)
from spotlab.pipeline.rank import price_age_s
from spotlab.pipeline.score import ScoredMarket

_LENIENT: Final = HardwareRule(
    allow_weaker_gpu=True, allow_older_generation=True, allow_burstable=True
)
_NEVER_WAIVED: Final = sum(
    FACT_BIT[fact] for fact in {*HardwareFact} - waived_facts(_LENIENT) - {HardwareFact.MEMORY}
)
"""Bits of the facts that every rule looks at."""


def prepare(
    instance: Instance,
    scored: ScoredMarket,
    last_switch_at: datetime | None,
    applied: AppliedWorkload = NO_WORKLOAD,
    performance: FloatArray | None = None,
) -> PreparedInstance:
    """Read an instance's arrays from a scored market.

    Args:
        instance: the instance.
        scored: the market, scored by its model.
        last_switch_at: when its last switch was decided, or None.
        applied: the workload that applies to it.
        performance: (pools,) work per hour of each pool's type relative to its own; None: equal.
    Raises:
        ValueError: its type is no instance type.
    """
    table = scored.table
    if performance is None:
        performance = np.ones(len(table))
    given = instance.requirements or applied.workload.requirements
    requirements, memory_gb = _least_requirements(instance, scored.pools, applied.workload)
    hardware = compared_hardware(instance.pool.instance_type, scored.hardware, given)
    rows = np.flatnonzero(drop_codes(scored.pools, requirements) == 0)
    rows = rows[np.argsort(scored.pools.tie_order[rows])]
    types = table["instance_type"].to_numpy()[rows]
    others = {name: scored.hardware.get(name) for name in dict.fromkeys(types)}
    bits = {name: _shortfall_bits(hardware, other) for name, other in others.items()}
    rows = rows[np.fromiter((not bits[name] & _NEVER_WAIVED for name in types), bool, len(types))]
    own_row = _own_row(table, instance.pool)
    return PreparedInstance(
        instance,
        applied,
        last_switch_at,
        given,
        scored.on_demand_usd_per_hour(instance.pool),
        None if own_row is None else _own_pool(scored, own_row, rows, float(performance[own_row])),
        hardware,
        memory_gb,
        _pools(scored, rows, performance[rows], hardware, others, bits),
        price_age_s(scored),
        scored.data.as_of,
    )


def _least_requirements(
    instance: Instance, pools: PoolColumns, workload: Workload
) -> tuple[Requirements, float | None]:
    """The requirements that no hardware rule changes, and the memory of the instance's type."""
    exact = replace(workload, hardware=replace(workload.hardware, memory_tolerance=0.0))
    requirements = requirements_of(instance, pools, exact)
    if instance.requirements is not None or workload.requirements is not None:
        return requirements, None
    memory_gb = requirements.memory_gb_min
    return replace(requirements, memory_gb_min=None, burstable=None), memory_gb


def _shortfall_bits(own: Hardware, other: Hardware | None) -> int:
    if other is None:
        return 0
    return sum(
        FACT_BIT[fact] for fact in strict_shortfalls(own, other) if fact != HardwareFact.MEMORY
    )


def _pools(
    scored: ScoredMarket,
    rows: NDArray[np.intp],
    performance: FloatArray,
    own: Hardware,
    others: Mapping[str, Hardware | None],
    bits: Mapping[str, int],
) -> PreparedPools:
    kept = scored.table.iloc[rows]
    types = kept["instance_type"].tolist()
    memory_gb = {
        name: math.nan
        if other is None or other.memory_gb is None or name == own.instance_type
        else other.memory_gb
        for name, other in others.items()
    }
    gpu_model = {name: other and other.gpu_model for name, other in others.items()}
    pool: NDArray[np.object_] = np.empty(len(rows), dtype=object)
    pool[:] = [scored.frame.pools[row] for row in rows]
    return PreparedPools(
        pool=pool,
        price_usd_per_hour=kept["spot_price_usd_per_hour"].to_numpy(np.float64),
        on_demand_usd_per_hour=kept["on_demand_price_usd_per_hour"].to_numpy(np.float64),
        hazard_per_hour=kept["hazard_per_hour"].to_numpy(np.float64),
        evidence={
            place: scored.evidence[row]
            for place, row in enumerate(rows.tolist())
            if row in scored.evidence and scored.evidence[row].may_move
        },
        signal_age_min=kept["signal_age_min"].to_numpy(np.float64),
        performance=performance,
        memory_gb=kept["memory_gb"].to_numpy(np.float64),
        burstable=kept["burstable"].to_numpy(bool),
        shortfalls=np.array([bits[name] for name in types], dtype=np.int64),
        hardware_memory_gb=np.array([memory_gb[name] for name in types], dtype=np.float64),
        gpu_model=np.array([gpu_model[name] or "" for name in types], dtype=object),
    )


def _own_row(table: pd.DataFrame, pool: Pool) -> int | None:
    """The table's row of a pool, or of its region if its zone has no price."""
    same = np.flatnonzero(
        (table["instance_type"] == pool.instance_type)
        & (table["region"] == pool.region)
        & (table["operating_system"] == pool.operating_system)
    )
    zones = table["availability_zone"].to_numpy()
    by_zone = {zones[row] if isinstance(zones[row], str) else None: int(row) for row in same[::-1]}
    return by_zone.get(pool.availability_zone, by_zone.get(None))


def _own_pool(
    scored: ScoredMarket, row: int, rows: NDArray[np.intp], performance: float
) -> OwnPool:
    values = scored.table.iloc[row]
    on_demand = float(values["on_demand_price_usd_per_hour"])
    candidate = Candidate(
        pool=scored.frame.pools[row],
        spot_price_usd_per_hour=float(values["spot_price_usd_per_hour"]),
        on_demand_price_usd_per_hour=on_demand if math.isfinite(on_demand) else None,
        risk=math.nan,
        horizon_h=math.nan,
        hazard_per_hour=float(values["hazard_per_hour"]),
        expected_cost_usd_per_hour=math.nan,
        evidence=scored.evidence.get(row),
        performance=performance,
    )
    position = np.flatnonzero(rows == row)
    return OwnPool(candidate, int(position[0]) if len(position) else None)
