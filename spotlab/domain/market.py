"""Pools, market snapshots and where a number came from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

import pandas as pd

LINUX: Final = "Linux"
REGION_LEVEL: Final = "-"
"""How the key of a pool spells "no zone": its price is a region's, not a zone's."""


class MarketName(StrEnum):
    """Which market a number belongs to. Two markets are never mixed in one decision."""

    SIMULATED = "simulated"
    RECORDED = "recorded"
    PUBLIC = "public"
    ACCOUNT = "account"


class FeedKind(StrEnum):
    """What a snapshot's rows are."""

    ADVISOR = "advisor"
    SPOT_PRICES = "spot_prices"
    PRICE_HISTORY = "price_history"
    ON_DEMAND = "on_demand"
    SPECS = "specs"
    OFFERINGS = "offerings"


FEED_COLUMNS: Final[dict[FeedKind, tuple[str, ...]]] = {
    # bucket 0..4 (trailing month); savings_percent up to 100, rarely negative (spot over on-demand)
    FeedKind.ADVISOR: ("region", "operating_system", "instance_type", "bucket", "savings_percent"),
    # one price a region (no zone): AWS's public feed
    FeedKind.SPOT_PRICES: (
        "region",
        "operating_system",
        "instance_type",
        "spot_price_usd_per_hour",
    ),
    # change points of DescribeSpotPriceHistory; event_time is aware UTC
    FeedKind.PRICE_HISTORY: (
        "region",
        "availability_zone",
        "operating_system",
        "instance_type",
        "event_time",
        "spot_price_usd_per_hour",
    ),
    FeedKind.ON_DEMAND: (
        "region",
        "operating_system",
        "instance_type",
        "on_demand_price_usd_per_hour",
    ),
    # unknown numbers are NaN, unknown texts None; memory_gb is GiB as AWS counts it
    FeedKind.SPECS: (
        "instance_type",
        "vcpu",
        "memory_gb",
        "architecture",
        "gpu_count",
        "accelerator_count",
        "network_mbps",
        "ebs_mbps",
        "clock_mhz",
        "local_nvme_gb",
        "gpu_model",
        "gpu_memory_gb",
        "accelerator_model",
        "cpu_maker",
    ),
    FeedKind.OFFERINGS: ("region", "availability_zone", "instance_type"),
}
"""The columns of a snapshot's rows, by kind, in order. One row a key; prices are USD per hour."""


@dataclass(frozen=True, slots=True, order=True)
class Pool:
    """One spot capacity pool.

    Args:
        region: AWS region, such as "us-east-1".
        availability_zone: zone name, or None where only a region-level price is known.
        instance_type: such as "m6i.xlarge".
        operating_system: "Linux" or "Windows".
    """

    region: str
    availability_zone: str | None
    instance_type: str
    operating_system: str = LINUX

    @property
    def key(self) -> str:
        """`region:zone:type:os`, with "-" for a region-level pool."""
        zone = self.availability_zone or REGION_LEVEL
        return f"{self.region}:{zone}:{self.instance_type}:{self.operating_system}"

    @property
    def label(self) -> str:
        """How a person names the pool: `m6i.xlarge in us-east-1a`."""
        return f"{self.instance_type} in {self.availability_zone or self.region}"

    @classmethod
    def parse(cls, key: str) -> Pool:
        """The pool whose `key` this is.

        Raises:
            ValueError: the key has not four parts.
        """
        region, zone, instance_type, operating_system = key.split(":")
        return cls(region, None if zone == REGION_LEVEL else zone, instance_type, operating_system)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a number came from.

    Args:
        source: a person's name for it, such as "AWS Spot Advisor feed".
        event_time: when it was true at the source (aware UTC); the fetch's time where the
            source carries none.
        fetched_at: when SpotLab read it (aware UTC).
        approximate: derived, not published: shown as an approximation.
        stale: older than its view's TTL, or read from the archive.
    """

    source: str
    event_time: datetime
    fetched_at: datetime
    approximate: bool = False
    stale: bool = False

    def age_s(self, now: datetime) -> float:
        """Seconds between the event and `now`, never negative."""
        return max(0.0, (now - self.event_time).total_seconds())


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One feed as it was at one moment: the unit that is collected, archived and refused whole.

    Args:
        kind: what the rows are; `FEED_COLUMNS[kind]` names the columns.
        market: which market they belong to.
        scope: "" for a feed of every region, else the region it covers.
        origin: source, event_time and fetched_at.
        digest: SHA-256 of the content, hex; equal digests mean "unchanged".
        rows: one row a key, columns as in FEED_COLUMNS.
        validator: what to send for a conditional fetch (ETag or Last-Modified), or "".
    """

    kind: FeedKind
    market: MarketName
    scope: str
    origin: Provenance
    digest: str
    rows: pd.DataFrame
    validator: str = ""


def _empty(kind: FeedKind, *extra: str) -> pd.DataFrame:
    return pd.DataFrame(columns=[*FEED_COLUMNS[kind], *extra])


@dataclass(frozen=True, slots=True)
class MarketData:
    """What was known of one market at `as_of`: the only input of the feature engine.

    Built by features/online.py from the online store and by features/offline.py from the archive;
    no table holds a row whose event_time is later than `as_of`. Linux pools only.

    Args:
        market: which market.
        as_of: aware UTC.
        advisor: newest row a (region, instance_type): FEED_COLUMNS[ADVISOR] + event_time.
        advisor_past: rows of the advisor snapshots before that one, same columns.
        prices: newest price a pool: region, availability_zone (None: region-level),
            instance_type, operating_system, spot_price_usd_per_hour, event_time.
        price_history: change points up to 90 days back, same columns as `prices`.
        on_demand: FEED_COLUMNS[ON_DEMAND] + event_time.
        specs: FEED_COLUMNS[SPECS], one row a type.
        origins: where each kind came from; a kind that is absent is unknown.
        degraded: reasons, for a person, why this is less than it should be; empty when healthy.
    """

    market: MarketName
    as_of: datetime
    advisor: pd.DataFrame = field(default_factory=lambda: _empty(FeedKind.ADVISOR, "event_time"))
    advisor_past: pd.DataFrame = field(
        default_factory=lambda: _empty(FeedKind.ADVISOR, "event_time")
    )
    prices: pd.DataFrame = field(default_factory=lambda: _empty(FeedKind.PRICE_HISTORY))
    price_history: pd.DataFrame = field(default_factory=lambda: _empty(FeedKind.PRICE_HISTORY))
    on_demand: pd.DataFrame = field(
        default_factory=lambda: _empty(FeedKind.ON_DEMAND, "event_time")
    )
    specs: pd.DataFrame = field(default_factory=lambda: _empty(FeedKind.SPECS))
    origins: dict[FeedKind, Provenance] = field(default_factory=dict)
    degraded: tuple[str, ...] = ()

    def with_degraded(self, *reasons: str) -> MarketData:
        """The same data, with more reasons why it is degraded."""
        return replace(self, degraded=(*self.degraded, *reasons))

    def pools(self) -> list[Pool]:
        """The pools that have a price, in table order."""
        columns = ["region", "availability_zone", "instance_type", "operating_system"]
        return [
            Pool(region, zone if isinstance(zone, str) else None, instance_type, system)
            for region, zone, instance_type, system in self.prices[columns].itertuples(
                index=False, name=None
            )
        ]
