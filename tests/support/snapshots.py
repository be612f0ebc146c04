"""A synthetic market as archive snapshots: two regions, a few families, 90 days, seeded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from spotlab.domain.market import FEED_COLUMNS, LINUX, FeedKind, Snapshot
from tests.support.archive import snapshot_of

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
REGIONS = ("eu-west-1", "us-east-1")
TYPES = {
    # vcpu, memory GiB, on-demand USD/h
    "c5.large": (2, 4, 0.085),
    "c5.4xlarge": (16, 32, 0.68),
    "c5.metal": (96, 192, 4.08),
    "c5a.large": (2, 4, 0.077),
    "m5.large": (2, 8, 0.096),
    "m6g.large": (2, 8, 0.077),
    "m6g.xlarge": (4, 16, 0.154),
    "g4dn.xlarge": (4, 16, 0.526),
    "t3.micro": (2, 1, 0.0104),
    "u-6tb1.metal": (448, 6144, 54.6),
}


def frame(kind: FeedKind, rows: Sequence[tuple[object, ...]]) -> pd.DataFrame:
    """Rows under the columns of a feed."""
    return pd.DataFrame(rows, columns=list(FEED_COLUMNS[kind]))


def advisor(rng: np.random.Generator, at: datetime, skip: str = "") -> Snapshot:
    """Bucket and savings of every type in every region."""
    rows = [
        (region, LINUX, name, int(rng.integers(0, 5)), int(rng.integers(20, 90)))
        for region in REGIONS
        for name in TYPES
        if name != skip
    ]
    return snapshot_of(FeedKind.ADVISOR, frame(FeedKind.ADVISOR, rows), at)


def spot_prices(rng: np.random.Generator, at: datetime) -> Snapshot:
    """One price per region and type."""
    rows = [
        (region, LINUX, name, round(facts[2] * float(rng.uniform(0.2, 0.8)), 4))
        for region in REGIONS
        for name, facts in TYPES.items()
    ]
    return snapshot_of(FeedKind.SPOT_PRICES, frame(FeedKind.SPOT_PRICES, rows), at)


def price_history(
    rng: np.random.Generator, at: datetime, region: str = "us-east-1", points: int = 30
) -> Snapshot:
    """Change points of every second type in three zones, up to 90 days back."""
    rows = [
        (
            region,
            f"{region}{zone}",
            LINUX,
            name,
            at - timedelta(seconds=int(rng.integers(0, 90 * 86_400))),
            round(TYPES[name][2] * float(rng.uniform(0.2, 0.8)), 4),
        )
        for name in list(TYPES)[::2]
        for zone in "abc"
        for _ in range(points)
    ]
    return snapshot_of(FeedKind.PRICE_HISTORY, frame(FeedKind.PRICE_HISTORY, rows), at, region)


def on_demand(at: datetime, region: str = "us-east-1") -> Snapshot:
    """Published prices of one region."""
    rows = [(region, LINUX, name, facts[2]) for name, facts in TYPES.items()]
    return snapshot_of(FeedKind.ON_DEMAND, frame(FeedKind.ON_DEMAND, rows), at, region)


def specs(at: datetime, scope: str, names: Sequence[str] = tuple(TYPES)) -> Snapshot:
    """Type specifications from EC2 (scope: a region) or from the advisor."""
    nan = float("nan")
    full = (0.0, 0.0, 5000.0, 4750.0, 3100.0, 0.0)
    rows = [
        (
            name,
            *TYPES[name][:2],
            "arm64" if name.startswith("m6g") else "x86_64",
            *((nan,) * 6 if scope == "advisor" else full),
            *(None, nan, None, None),
        )
        for name in names
    ]
    return snapshot_of(FeedKind.SPECS, frame(FeedKind.SPECS, rows), at, scope)


def market_snapshots(seed: int = 7, now: datetime = NOW) -> list[Snapshot]:
    """All snapshots of the 90 days before `now`, oldest first."""
    rng = np.random.default_rng(seed)
    collected = [
        advisor(rng, now - timedelta(days=40)),
        advisor(rng, now - timedelta(days=20), skip="t3.micro"),
        advisor(rng, now - timedelta(hours=3), skip="g4dn.xlarge"),
        *(spot_prices(rng, now - timedelta(days=days)) for days in (60, 35, 10, 3, 1)),
        spot_prices(rng, now - timedelta(minutes=5)),
        price_history(rng, now - timedelta(days=1)),
        price_history(rng, now - timedelta(minutes=6)),
        on_demand(now - timedelta(hours=8)),
        specs(now - timedelta(days=2), "advisor"),
        specs(now - timedelta(days=9), "us-east-1", [name for name in TYPES if name[0] != "u"]),
    ]
    return sorted(collected, key=lambda snapshot: snapshot.origin.event_time)
