"""A small market to rank, and a model whose hazard follows from the advisor bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.domain.market import LINUX, FeedKind, MarketData, MarketName, Provenance
from spotlab.domain.risk import hazard_from_monthly_rate

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
COLUMNS = ["region", "availability_zone", "operating_system", "instance_type"]


class StillClock:
    """A clock that changes only when a test sets it."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def forward(self, **delta: float) -> None:
        self.at += timedelta(**delta)


class BucketModel:
    """A model whose hazard is that of a pool's current advisor bucket."""

    name = "bucket"
    version = "1"
    feature_names = ("historic_interrupt_rate",)
    card: Mapping[str, Any] = {}

    def hazard_per_hour(self, matrix: Matrix) -> NDArray[np.float64]:
        return hazard_from_monthly_rate(matrix[:, 0])

    def contributions(self, matrix: Matrix) -> tuple[Matrix, NDArray[np.float64]]:
        return np.zeros_like(matrix), np.zeros(len(matrix))


TYPES: dict[str, tuple[float, float, str, float, int]] = {
    # vcpu, memory_gb, architecture, on-demand USD/h, advisor bucket
    "m5.large": (2, 8, "x86_64", 0.096, 4),
    "m6i.large": (2, 8, "x86_64", 0.096, 0),
    "m6a.large": (2, 8, "x86_64", 0.096, 4),
    "m6g.large": (2, 8, "arm64", 0.077, 0),
    "m5.xlarge": (4, 16, "x86_64", 0.192, 1),
    "t3.large": (2, 8, "x86_64", 0.0832, 0),
    "g4dn.xlarge": (4, 16, "x86_64", 0.526, 2),
}


def market_data(
    prices: Mapping[tuple[str, str | None], float],
    *,
    region: str = "us-east-1",
    market: MarketName = MarketName.SIMULATED,
    as_of: datetime = NOW,
    buckets: Mapping[str, int] | None = None,
    without_on_demand: tuple[str, ...] = (),
) -> MarketData:
    """A market of one region: spot price by (instance type, zone)."""
    event_time = as_of - timedelta(minutes=5)
    chosen = {name: (buckets or {}).get(name, TYPES[name][4]) for name in TYPES}
    table = pd.DataFrame(
        [(region, zone, LINUX, name, event_time, price) for (name, zone), price in prices.items()],
        columns=[*COLUMNS, "event_time", "spot_price_usd_per_hour"],
    )
    advisor = pd.DataFrame(
        [(region, LINUX, name, bucket, 60, event_time) for name, bucket in chosen.items()],
        columns=[
            "region",
            "operating_system",
            "instance_type",
            "bucket",
            "savings_percent",
            "event_time",
        ],
    )
    on_demand = pd.DataFrame(
        [
            (region, LINUX, name, facts[3], event_time)
            for name, facts in TYPES.items()
            if name not in without_on_demand
        ],
        columns=[
            "region",
            "operating_system",
            "instance_type",
            "on_demand_price_usd_per_hour",
            "event_time",
        ],
    )
    specs = pd.DataFrame(
        [(name, vcpu, memory, arch) for name, (vcpu, memory, arch, _, _) in TYPES.items()],
        columns=["instance_type", "vcpu", "memory_gb", "architecture"],
    )
    for column in ("gpu_count", "accelerator_count", "network_mbps", "ebs_mbps", "clock_mhz"):
        specs[column] = np.nan
    specs["local_nvme_gb"] = np.nan
    origin = Provenance("a test", event_time, event_time)
    kinds = (
        FeedKind.ADVISOR,
        FeedKind.PRICE_HISTORY,
        FeedKind.SPOT_PRICES,
        FeedKind.ON_DEMAND,
        FeedKind.SPECS,
    )
    return MarketData(
        market=market,
        as_of=as_of,
        advisor=advisor,
        prices=table,
        price_history=table,
        on_demand=on_demand,
        specs=specs,
        origins={kind: replace(origin, source=f"{kind} of a test") for kind in kinds},
    )
