"""Decisions that were recorded before the markets of runs were, made again from what they have.

Such a decision has its candidates in full, with their features, and the pools that only the policy
filtered out; of all others it has the number. It is made again among the recorded ones.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from spotlab.domain.decision import Candidate, DropReason, Experiment
from spotlab.domain.features import FeatureFrame
from spotlab.domain.hardware import HardwareTable
from spotlab.domain.instance_types import parse_type
from spotlab.domain.market import FeedKind, MarketData, Pool, Provenance
from spotlab.domain.ports import Archive
from spotlab.domain.workload import AppliedWorkload, Workload
from spotlab.errors import NotAvailable
from spotlab.pipeline.score import TABLE_COLUMNS, ScoredMarket


def market_of(experiment: Experiment, archive: Archive) -> ScoredMarket:
    """A market of the pools that were recorded in full with a decision, scored as they were.

    Args:
        experiment: recorded before runs were.
        archive: has the on-demand price of the instance's type if no recorded pool has it.
    Raises:
        NotAvailable: the on-demand price that it used is not known any more.
    """
    candidates = list(experiment.candidates)
    current = experiment.verdict.current if experiment.verdict is not None else None
    if current is not None and current not in candidates:
        candidates.append(current)
    own = _own_price_row(experiment, candidates, archive)
    at = experiment.created_at
    data = MarketData(experiment.market, at, origins=_price_origin(experiment, candidates))
    names = experiment.feature_names
    values = np.array(
        [[each.features.get(name, np.nan) for name in names] for each in candidates],
        dtype=np.float64,
    ).reshape(len(candidates), len(names))
    rows = [_row(each, experiment) for each in candidates]
    table = pd.DataFrame(rows + own, columns=TABLE_COLUMNS)
    values = np.vstack([values, np.full((len(own), len(names)), np.nan)])
    hazard = table["hazard_per_hour"].to_numpy(dtype=np.float64)
    return ScoredMarket(
        data,
        FeatureFrame(at, tuple(each.pool for each in candidates), names, values),
        experiment.model,
        table,
        {row: each.evidence for row, each in enumerate(candidates) if each.evidence is not None},
        HardwareTable({}),
        hazard,
    )


def _row(candidate: Candidate, experiment: Experiment) -> dict[str, Any]:
    pool, features = candidate.pool, candidate.features
    name = parse_type(pool.instance_type)
    on_demand = candidate.on_demand_price_usd_per_hour
    return {
        "region": pool.region,
        "availability_zone": pool.availability_zone,
        "instance_type": pool.instance_type,
        "operating_system": pool.operating_system,
        "family": pool.instance_type.partition(".")[0],
        "spot_price_usd_per_hour": candidate.spot_price_usd_per_hour,
        "price_event_time": pd.NaT,
        "on_demand_price_usd_per_hour": np.nan if on_demand is None else on_demand,
        "on_demand_approximate": False,
        "vcpu": features.get("vcpu_count", np.nan),
        "memory_gb": features.get("memory_gb", np.nan),
        # All but the current pool met the requirements.
        "architecture": experiment.requirements.architecture or name.architecture.value,
        "accelerated": name.accelerated,
        "burstable": name.burstable,
        "advisor_bucket": features.get("advisor_bucket", np.nan),
        "savings_percent": np.nan,
        "hazard_per_hour": candidate.hazard_per_hour,
        "signal_age_min": np.nan,
    }


def _price_origin(
    experiment: Experiment, candidates: list[Candidate]
) -> dict[FeedKind, Provenance]:
    """An origin that makes the prices as fresh, or as stale, as they were."""
    at = experiment.created_at
    if any(each.dropped is DropReason.STALE_PRICE for each in candidates):
        at -= timedelta(hours=experiment.policy.max_price_age_h, seconds=1)
    return {FeedKind.SPOT_PRICES: Provenance("recorded with the decision", at, at)}


def _own_price_row(
    experiment: Experiment, candidates: list[Candidate], archive: Archive
) -> list[dict[str, Any]]:
    """A row for the on-demand price of the instance's type, where no recorded pool has it.

    Raises:
        NotAvailable: interruptions were valued at a price that is not known any more.
    """
    pool, workload = experiment.instance.pool, experiment.workload.workload
    if any(
        each.on_demand_price_usd_per_hour is not None
        for each in candidates
        if (each.pool.region, each.pool.instance_type) == (pool.region, pool.instance_type)
    ):
        return []
    archived = _archived_price(experiment, archive)
    for price in dict.fromkeys((archived, None)):
        if all(_costs_as_recorded(each, workload, price) for each in candidates):
            return [] if price is None else [_unpriced(pool, price)]
    raise NotAvailable(
        f"Decision {experiment.experiment_id} was recorded before the markets of runs were, and "
        f"the on-demand price of {pool.instance_type} is not among what was recorded.",
        remedy="Replay a later decision about the instance.",
    )


def _archived_price(experiment: Experiment, archive: Archive) -> float | None:
    pool, market = experiment.instance.pool, experiment.market
    for scope in (pool.region, ""):
        snapshot = archive.latest(FeedKind.ON_DEMAND, market, scope, experiment.created_at)
        if snapshot is not None:
            rows = snapshot.rows
            same = (rows["region"] == pool.region) & (rows["instance_type"] == pool.instance_type)
            prices = rows.loc[same, "on_demand_price_usd_per_hour"].dropna()
            if len(prices):
                return float(prices.iloc[0])
    return None


def _costs_as_recorded(candidate: Candidate, workload: Workload, price: float | None) -> bool:
    """Whether its expected cost follows, bit for bit, from this on-demand price (None: its own)."""
    value = price if price is not None else candidate.on_demand_price_usd_per_hour
    if value is None:
        value = candidate.spot_price_usd_per_hour
    interruption_usd = workload.interruption_usd(value)
    cost = candidate.spot_price_usd_per_hour + candidate.hazard_per_hour * interruption_usd
    return cost == candidate.expected_cost_usd_per_hour


def _unpriced(pool: Pool, on_demand_usd_per_hour: float) -> dict[str, Any]:
    """The row of a pool of which only the on-demand price is known."""
    known = {
        "region": pool.region,
        "availability_zone": pool.availability_zone,
        "instance_type": pool.instance_type,
        "operating_system": pool.operating_system,
        "family": pool.instance_type.partition(".")[0],
        "price_event_time": pd.NaT,
        "on_demand_price_usd_per_hour": on_demand_usd_per_hour,
        "on_demand_approximate": False,
        "architecture": None,
        "accelerated": False,
        "burstable": False,
    }
    return {name: known.get(name, np.nan) for name in TABLE_COLUMNS}


def check_workload(experiment: Experiment, applied: AppliedWorkload | None) -> None:
    """Raise NotAvailable if another workload accepts pools of which nothing was recorded."""
    if applied is None:
        return
    before, after = experiment.workload.workload, applied.workload
    if (before.hardware, before.regions, before.zones) != (
        after.hardware,
        after.regions,
        after.zones,
    ):
        raise NotAvailable(
            f"Decision {experiment.experiment_id} was recorded before the markets of runs were: "
            f"the pools that {after.name} accepts and {before.name} does not are unknown.",
            remedy="Replay a later decision about the instance.",
        )
