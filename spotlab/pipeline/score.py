"""Scored markets: every pool with its price, specs, features and hazard.

A market is scored once for all instances. Steps that differ between instances (requirements, cost
of an interruption) are in filter.py and rank.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.domain.coded_texts import Texts
from spotlab.domain.features import FeatureFrame
from spotlab.domain.hardware import HardwareTable
from spotlab.domain.hazard_curve import strengths
from spotlab.domain.interruptions import OwnRecord, Record
from spotlab.domain.market import FeedKind, MarketData, Pool
from spotlab.domain.policy import PolicyParams
from spotlab.domain.ports import RiskModel
from spotlab.domain.risk import REBALANCE_WINDOW_H, Evidence
from spotlab.features import engine
from spotlab.pipeline.market_hardware import hardware_of, parsed_type, rows_of_types
from spotlab.pipeline.pool_columns import PoolColumns
from spotlab.pipeline.stage_trace import Tracer

_POLICIES: Final = 4
"""A market remembers its hazards under so many policies."""
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


@dataclass(frozen=True)
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

    @cached_property
    def pools(self) -> PoolColumns:
        """The columns of `table` as arrays."""
        return PoolColumns(self.table)

    @cached_property
    def _by_policy(self) -> dict[tuple[float, ...], ScoredMarket]:
        return {}

    def under(self, policy: PolicyParams) -> ScoredMarket:
        """The same pools with the short parts of their hazards that a policy gives them."""
        if not any(each.may_move for each in self.evidence.values()):
            return self
        key = strengths(policy)
        if key not in self._by_policy:
            evidence = {
                row: each.under(policy, self.data.as_of) for row, each in self.evidence.items()
            }
            changed = replace(self, evidence=evidence)
            moved = {row: each for row, each in evidence.items() if each.moves}
            changed.__dict__["pools"] = self.pools.with_evidence(moved)
            for oldest in [*self._by_policy][: -_POLICIES + 1]:
                self._by_policy.pop(oldest, None)
            self._by_policy[key] = changed
            return changed
        return self._by_policy[key]

    def with_degraded(self, *reasons: str) -> ScoredMarket:
        """The same pools, with additional reasons why the market is degraded."""
        return self.with_data(self.data.with_degraded(*reasons))

    def with_data(self, data: MarketData) -> ScoredMarket:
        """The same pools, with other facts about the market that they were read from."""
        changed = replace(self, data=data)
        changed.__dict__["pools"] = self.pools
        return changed

    def on_demand_usd_per_hour(self, pool: Pool) -> float | None:
        """On-demand price of a pool's type in its region; None if unknown."""
        return self.pools.on_demand_usd_per_hour(pool.region, pool.instance_type)


def score_market(
    data: MarketData,
    model: RiskModel,
    tracer: Tracer,
    own: OwnRecord | None = None,
    before: ScoredMarket | None = None,
) -> ScoredMarket:
    """Features and hazard of every pool that has a price.

    Args:
        data: a market at one point in time.
        model: uses only features that the engine computes.
        tracer: receives the stages "features" and "risk".
        own: interruptions and exposure of own instances in this market; None: unknown.
        before: the same market and record, scored by another model, whose features are used again.
    Raises:
        InvalidInput: the model uses a feature that the engine does not compute.
    """
    with tracer.stage("features", rows_in=len(data.prices)) as stage:
        frame = engine.compute(data) if before is None else before.frame
        stage.rows_out = len(frame.pools)
    with tracer.stage("risk", rows_in=len(frame.pools)) as stage:
        hazard = np.array(model.hazard_per_hour(frame.select(model.feature_names)))
        stage.rows_out = int(np.isfinite(hazard).sum())
    name = f"{model.name}@{model.version}"
    return with_hazard(data, frame, name, hazard, own or OwnRecord(), before)


def with_hazard(
    data: MarketData,
    frame: FeatureFrame,
    model: str,
    hazard: NDArray[np.float64],
    own: OwnRecord,
    before: ScoredMarket | None = None,
) -> ScoredMarket:
    """A market with the hazards that a model gave it, updated by own instances.

    Args:
        data: the market.
        frame: its features; a replay that needs none leaves them out.
        model: "name@version".
        hazard: (n,) the model's, in the order of `data.prices`.
        own: interruptions and exposure of own instances.
        before: the same market and record, scored by another model.
    """
    table = _pool_table(data) if before is None else before.table.copy()
    evidence = _evidence(table, hazard, own, data.as_of)
    table["hazard_per_hour"] = hazard
    table["signal_age_min"] = _signal_ages_min(table, own, data.as_of)
    for row, pool_evidence in evidence.items():
        table.loc[row, "hazard_per_hour"] = pool_evidence.hazard_per_hour
    hardware = hardware_of(data.specs, table) if before is None else before.hardware
    scored = ScoredMarket(data, frame, model, table, evidence, hardware, hazard)
    if before is not None:
        scored.__dict__["pools"] = before.pools.with_hazard(table["hazard_per_hour"])
    return scored


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
    for pool in (*own.short, *own.forecasts):
        records_of.setdefault(pool, Record())
    if not records_of:
        return {}
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
            of_type = OwnRecord(short={each: own.short.get(each, ()) for each in records})
            short, forecast = of_type.short_on(pool), own.forecasts.get(pool)
            # Decisions that were recorded before there were short signals are replayed as then.
            rebalance_age_h = None if own.short else _rebalance_age_h(own, pool, as_of)
            nothing = here == siblings == Record() and rebalance_age_h is None
            if nothing and not short and forecast is None:
                continue
            evidence[row] = Evidence(
                prior_hazard_per_hour=float(hazard[row]),
                events=here.events,
                exposure_h=here.exposure_h,
                sibling_events=siblings.events,
                sibling_exposure_h=siblings.exposure_h,
                rebalance_age_h=rebalance_age_h,
                signals=short,
                forecast=forecast,
            )
    return evidence


def _pool_table(data: MarketData) -> pd.DataFrame:
    """TABLE_COLUMNS, of which the hazard and the age of signals are unknown."""
    prices = data.prices
    region, type_ = Texts.of(prices["region"]), Texts.of(prices["instance_type"])
    on_demand, advisor = (
        _offer_rows(region, type_, Texts.of(frame["region"]), Texts.of(frame["instance_type"]))
        for frame in (data.on_demand, data.advisor)
    )
    specs = rows_of_types(Texts.of(data.specs["instance_type"]), type_)
    names = _columns_of_names(type_, Texts.of(data.specs["architecture"]), specs.tobytes())
    unknown = np.full(len(prices), np.nan)
    columns: dict[str, Any] = {
        **{name: prices[name].array for name in (*POOL_COLUMNS, "spot_price_usd_per_hour")},
        "price_event_time": prices["event_time"].array,
        "on_demand_price_usd_per_hour": _numbers(
            data.on_demand, "on_demand_price_usd_per_hour", on_demand
        ),
        "on_demand_approximate": _numbers(data.on_demand, "approximate", on_demand) == 1.0,
        "vcpu": _numbers(data.specs, "vcpu", specs)[type_.codes],
        "memory_gb": _numbers(data.specs, "memory_gb", specs)[type_.codes],
        "advisor_bucket": _numbers(data.advisor, "bucket", advisor),
        "savings_percent": _numbers(data.advisor, "savings_percent", advisor),
        "hazard_per_hour": unknown,
        "signal_age_min": unknown,
        **names,
    }
    return pd.DataFrame({name: columns[name] for name in TABLE_COLUMNS})


@lru_cache(maxsize=8)
def _offer_rows(region: Texts, type_: Texts, regions: Texts, types: Texts) -> NDArray[np.intp]:
    """(n,) the row of each price's region and type among the rows of another table; -1: none.

    Args:
        region, type_: (n,) of the prices.
        regions, types: (rows,) of the other table.
    Raises:
        ValueError: it has two rows for one region and type.
    """
    row, column = regions.places_in(region.code_of), types.places_in(type_.code_of)
    known = np.flatnonzero((row >= 0) & (column >= 0))
    width = len(type_.names)
    rows = np.full(len(region.names) * width, -1, dtype=np.intp)
    rows[row[known] * width + column[known]] = known
    if np.count_nonzero(rows >= 0) < len(known):
        raise ValueError("a region and type has more than one row")
    return np.asarray(rows[region.codes * width + type_.codes])


@lru_cache(maxsize=2)
def _columns_of_names(type_: Texts, published: Texts, specs: bytes) -> Mapping[str, Any]:
    """Columns of the table that follow from the types' names and published architectures.

    Args:
        type_: (n,) of the pools.
        published: (rows,) architectures in the specifications.
        specs: `rows_of_types` of the specifications, as bytes.
    """
    # By type, of which there are far fewer than pools; strings are slow one at a time.
    names = type_.names
    parsed = [parsed_type(name) for name in names]
    codes = np.append(published.codes, -1)[np.frombuffer(specs, dtype=np.intp)]
    texts = (*published.names, None)
    by_name = {
        "family": [name.partition(".")[0] for name in names],
        "accelerated": [part.accelerated if part else False for part in parsed],
        "burstable": [part.burstable if part else False for part in parsed],
        "architecture": [
            text if text is not None else (part.architecture.value if part else None)
            for text, part in zip(map(texts.__getitem__, codes.tolist()), parsed, strict=True)
        ],
    }
    return {
        column: pd.Series(values, dtype=None if len(names) else object).take(type_.codes).array
        for column, values in by_name.items()
    }


def _numbers(frame: pd.DataFrame, column: str, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """The values in these rows of a column; NaN for row -1, or if there is no such column."""
    if column not in frame:
        return np.full(len(rows), np.nan)
    return np.append(frame[column].to_numpy(dtype=np.float64), np.nan)[rows]


def price_read_at(data: MarketData) -> datetime:
    """When the prices were read: the oldest fetch time of the price feeds in use."""
    kinds = (FeedKind.PRICE_HISTORY, FeedKind.SPOT_PRICES)
    times = [data.origins[kind].fetched_at for kind in kinds if kind in data.origins]
    return min(times, default=data.as_of)
