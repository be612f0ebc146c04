"""Scored markets: every pool with its price, specs, features and hazard.

A market is scored once for all instances. Steps that differ between instances (requirements, cost
of an interruption) are in filter.py and rank.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.domain.features import FeatureFrame
from spotlab.domain.hardware import Hardware, HardwareTable, complete
from spotlab.domain.instance_types import TypeName, parse_type
from spotlab.domain.interruptions import OwnRecord, Record
from spotlab.domain.market import FeedKind, MarketData, Pool
from spotlab.domain.ports import RiskModel
from spotlab.domain.risk import REBALANCE_WINDOW_H, Evidence
from spotlab.features import engine
from spotlab.pipeline.stage_trace import Tracer

POOL_COLUMNS = ["region", "availability_zone", "instance_type", "operating_system"]
TABLE_COLUMNS = (
    *POOL_COLUMNS,
    "family",
    "spot_price_usd_per_hour",
    "price_event_time",
    "on_demand_price_usd_per_hour",
    "on_demand_approximate",
    "vcpu",
    "memory_gb",
    "architecture",
    "accelerated",
    "burstable",
    "advisor_bucket",
    "savings_percent",
    "hazard_per_hour",
    "signal_age_min",
)


@dataclass(frozen=True, slots=True)
class ScoredMarket:
    """A market's pools, scored by one model.

    Args:
        data: the market.
        frame: features; row i belongs to row i of `table`.
        model: "name@version".
        table: TABLE_COLUMNS, one row per pool; unknown numbers are NaN, an unknown zone is None.
        evidence: by row, the evidence of own instances, which `hazard_per_hour` already includes.
        hardware: facts of every type in `table` whose name can be read.
        model_hazard: (n,) the hazards of the model, before the evidence.
    """

    data: MarketData
    frame: FeatureFrame
    model: str
    table: pd.DataFrame
    evidence: Mapping[int, Evidence] = field(default_factory=dict)
    hardware: HardwareTable = field(default_factory=lambda: HardwareTable({}))
    model_hazard: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def on_demand_usd_per_hour(self, pool: Pool) -> float | None:
        """On-demand price of a pool's type in its region; None if unknown."""
        same = (self.table["region"] == pool.region) & (
            self.table["instance_type"] == pool.instance_type
        )
        prices = self.table.loc[same, "on_demand_price_usd_per_hour"].dropna()
        return float(prices.iloc[0]) if len(prices) else None


def score_market(
    data: MarketData, model: RiskModel, tracer: Tracer, own: OwnRecord | None = None
) -> ScoredMarket:
    """Features and hazard of every pool that has a price.

    Args:
        data: a market at one point in time.
        model: uses only features that the engine computes.
        tracer: receives the stages "features" and "risk".
        own: interruptions and exposure of own instances in this market; None: unknown.
    Raises:
        InvalidInput: the model uses a feature that the engine does not compute.
    """
    with tracer.stage("features", rows_in=len(data.prices)) as stage:
        frame = engine.compute(data)
        stage.rows_out = len(frame.pools)
    with tracer.stage("risk", rows_in=len(frame.pools)) as stage:
        hazard = np.array(model.hazard_per_hour(frame.select(model.feature_names)))
        stage.rows_out = int(np.isfinite(hazard).sum())
    return with_hazard(data, frame, f"{model.name}@{model.version}", hazard, own or OwnRecord())


def with_hazard(
    data: MarketData,
    frame: FeatureFrame,
    model: str,
    hazard: NDArray[np.float64],
    own: OwnRecord,
) -> ScoredMarket:
    """A market with the hazards that a model gave it, updated by own instances.

    Args:
        data: the market.
        frame: its features; a replay that needs none leaves them out.
        model: "name@version".
        hazard: (n,) the model's, in the order of `data.prices`.
        own: interruptions and exposure of own instances.
    """
    table = _pool_table(data)
    evidence = _evidence(table, hazard, own, data.as_of)
    table["hazard_per_hour"] = hazard
    table["signal_age_min"] = _signal_ages_min(table, own, data.as_of)
    for row, pool_evidence in evidence.items():
        table.loc[row, "hazard_per_hour"] = pool_evidence.hazard_per_hour
    hardware = hardware_of(data.specs, table)
    return ScoredMarket(data, frame, model, table, evidence, hardware, hazard)


def _signal_ages_min(table: pd.DataFrame, own: OwnRecord, as_of: datetime) -> NDArray[np.float64]:
    """(n,) minutes since each pool's last signal; NaN: none."""
    ages = np.full(len(table), np.nan)
    if not own.signals:
        return ages
    names = {pool.instance_type for pool in own.signals}
    rows = np.flatnonzero(table["instance_type"].isin(names).to_numpy())
    places = table[POOL_COLUMNS].iloc[rows].itertuples(index=False, name=None)
    for row, (region, zone, name, system) in zip(rows.tolist(), places, strict=True):
        pool = Pool(region, zone if isinstance(zone, str) else None, name, system)
        signals = own.signals_on(pool)
        if signals is not None:
            ages[row] = max(0.0, (as_of - signals.last_at) / timedelta(minutes=1))
    return ages


def _rebalance_age_h(own: OwnRecord, pool: Pool, as_of: datetime) -> float | None:
    signals = own.signals_on(pool)
    if signals is None or signals.rebalance_at is None:
        return None
    age_h = max(0.0, (as_of - signals.rebalance_at) / timedelta(hours=1))
    return age_h if age_h < REBALANCE_WINDOW_H else None


def _evidence(
    table: pd.DataFrame, hazard: NDArray[np.float64], own: OwnRecord, as_of: datetime
) -> dict[int, Evidence]:
    """Evidence of own instances by row; none for pools whose hazard is unknown."""
    by_type: dict[tuple[str, str, str], dict[Pool, Record]] = {}
    records_of = dict(own.pools)  # in their order: sums of hours depend on it in the last digit
    for pool, signals in own.signals.items():
        if signals.rebalance_at is not None:
            records_of.setdefault(pool, Record())
    for pool, record in records_of.items():
        key = (pool.region, pool.instance_type, pool.operating_system)
        by_type.setdefault(key, {})[pool] = record
    names = {name for _, name, _ in by_type}
    codes, known = table["instance_type"].factorize()
    has_record = np.array([name in names for name in known], dtype=bool)[codes]
    rows = np.flatnonzero(has_record & np.isfinite(hazard))
    evidence = {}
    places = table[POOL_COLUMNS].iloc[rows].itertuples(index=False, name=None)
    for row, (region, zone, name, system) in zip(rows.tolist(), places, strict=True):
        pool = Pool(region, zone if isinstance(zone, str) else None, name, system)
        records = by_type.get((region, name, system))
        if records is not None:
            here, siblings = OwnRecord(records).on(pool)
            rebalance_age_h = _rebalance_age_h(own, pool, as_of)
            if here == siblings == Record() and rebalance_age_h is None:
                continue
            evidence[row] = Evidence(
                prior_hazard_per_hour=float(hazard[row]),
                events=here.events,
                exposure_h=here.exposure_h,
                sibling_events=siblings.events,
                sibling_exposure_h=siblings.exposure_h,
                rebalance_age_h=rebalance_age_h,
            )
    return evidence


def _pool_table(data: MarketData) -> pd.DataFrame:
    table = data.prices.rename(columns={"event_time": "price_event_time"}).reset_index(drop=True)
    by_type = ["region", "instance_type"]
    on_demand = data.on_demand.rename(columns={"approximate": "on_demand_approximate"})
    if "on_demand_approximate" not in on_demand:
        on_demand = on_demand.assign(on_demand_approximate=False)
    columns = [*by_type, "on_demand_price_usd_per_hour", "on_demand_approximate"]
    table = table.merge(on_demand[columns], on=by_type, how="left", validate="m:1")
    advisor = data.advisor.rename(columns={"bucket": "advisor_bucket"})
    table = table.merge(
        advisor[[*by_type, "advisor_bucket", "savings_percent"]],
        on=by_type,
        how="left",
        validate="m:1",
    )
    # By type, of which there are far fewer than pools; strings are slow one at a time.
    codes, names = table["instance_type"].factorize()
    specs = data.specs.set_index("instance_type").reindex(names)
    parsed = [_parsed(name) for name in names]
    by_name = {
        "vcpu": specs["vcpu"].to_numpy(np.float64),
        "memory_gb": specs["memory_gb"].to_numpy(np.float64),
        "family": [name.partition(".")[0] for name in names],
        "accelerated": [part.accelerated if part else False for part in parsed],
        "burstable": [part.burstable if part else False for part in parsed],
        "architecture": [
            known if isinstance(known, str) else (part.architecture.value if part else None)
            for known, part in zip(specs["architecture"], parsed, strict=True)
        ],
    }
    for column, values in by_name.items():
        table[column] = pd.Series(values, dtype=None if len(names) else object).take(codes).array
    table["on_demand_approximate"] = table["on_demand_approximate"].eq(True)
    for column in ("advisor_bucket", "savings_percent"):
        table[column] = table[column].astype("float64")
    return table.reindex(columns=list(TABLE_COLUMNS))


def hardware_of(specs: pd.DataFrame, table: pd.DataFrame) -> HardwareTable:
    """Hardware of each type that has a price. The same facts give the same table, from a cache.

    Args:
        specs: FEED_COLUMNS[SPECS]; columns that are missing or NaN are unknown.
        table: with a column instance_type.
    """
    types = pd.Index(table["instance_type"].unique(), name="instance_type")
    known = specs.drop_duplicates("instance_type", keep="last").set_index("instance_type")
    facts = known.reindex(index=types, columns=list(_HARDWARE.values())).astype(object)
    columns = facts.where(facts.notna(), None).to_dict("list").values()
    return _hardware_of(tuple(zip(types, *columns, strict=True)))


@lru_cache(maxsize=8)
def _hardware_of(rows: tuple[tuple[str | float | None, ...], ...]) -> HardwareTable:
    """From (type, facts in the order of _HARDWARE); a name that is no type's is left out."""
    found = {}
    for name, *values in rows:
        if isinstance(name, str) and _parsed(name) is not None:
            facts: dict[str, Any] = dict(zip(_HARDWARE, values, strict=True))
            found[name] = complete(Hardware(name, **facts))
    return HardwareTable(found)


_HARDWARE: Final = {
    "vcpu": "vcpu",
    "memory_gb": "memory_gb",
    "architecture": "architecture",
    "gpu_model": "gpu_model",
    "gpu_count": "gpu_count",
    "gpu_memory_gb": "gpu_memory_gb",
    "accelerator": "accelerator_model",
    "accelerator_count": "accelerator_count",
    "cpu_maker": "cpu_maker",
    "clock_mhz": "clock_mhz",
    "local_nvme_gb": "local_nvme_gb",
    "network_mbps": "network_mbps",
    "ebs_mbps": "ebs_mbps",
}
"""Field of Hardware by column of the specifications."""


def _parsed(instance_type: str) -> TypeName | None:
    try:
        return parse_type(instance_type)
    except ValueError:
        return None


def price_read_at(data: MarketData) -> datetime:
    """When the prices were read: the oldest fetch time of the price feeds in use."""
    kinds = (FeedKind.PRICE_HISTORY, FeedKind.SPOT_PRICES)
    times = [data.origins[kind].fetched_at for kind in kinds if kind in data.origins]
    return min(times, default=data.as_of)
