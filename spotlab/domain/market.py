"""Pools, market snapshots, market data, and the provenance of a number."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd

    from spotlab.domain.coded_texts import Texts

LINUX: Final = "Linux"
MAX_SET_ASIDE_REASONS: Final = 20
"""Most reasons of records that were set aside which are stored and shown; all are counted."""
REGION_LEVEL: Final = "-"
"""Stands for "no zone" in the key of a pool whose price is that of a region."""


class MarketName(StrEnum):
    """Which market a number belongs to. Markets are never mixed in one decision."""

    SIMULATED = "simulated"
    RECORDED = "recorded"
    PUBLIC = "public"
    ACCOUNT = "account"


class FeedKind(StrEnum):
    """The kind of a snapshot's rows."""

    ADVISOR = "advisor"
    SPOT_PRICES = "spot_prices"
    PRICE_HISTORY = "price_history"
    ON_DEMAND = "on_demand"
    SPECS = "specs"
    OFFERINGS = "offerings"


FEED_COLUMNS: Final[dict[FeedKind, tuple[str, ...]]] = {
    # bucket 0..4 (trailing month); savings_percent up to 100, rarely negative (spot over on-demand)
    FeedKind.ADVISOR: ("region", "operating_system", "instance_type", "bucket", "savings_percent"),
    # AWS's public feed: one price per region, without zones
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
    # unknown numbers are NaN, unknown texts None; memory_gb is GiB, as AWS counts it
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
"""The columns of a snapshot, by kind, in order. One row per key; prices are USD per hour."""


@dataclass(frozen=True, slots=True, order=True)
class Pool:
    """One spot capacity pool.

    Args:
        region: AWS region, such as "us-east-1".
        availability_zone: zone name; None if only a region-level price is known.
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
        """The pool's name for a person: `m6i.xlarge in us-east-1a`."""
        return f"{self.instance_type} in {self.availability_zone or self.region}"

    @classmethod
    def parse(cls, key: str) -> Pool:
        """The pool whose `key` this is.

        Raises:
            ValueError: the key does not have four parts.
        """
        region, zone, instance_type, operating_system = key.split(":")
        return cls(region, None if zone == REGION_LEVEL else zone, instance_type, operating_system)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Source and time of a number.

    Args:
        source: name for a person, such as "AWS Spot Advisor feed".
        event_time: when it was true at the source, aware UTC; if the source does not say, the
            time of the fetch.
        fetched_at: when SpotLab read it, aware UTC.
        approximate: derived, not published; shown as an approximation.
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
    """The state of one feed at one time, which is collected, archived or rejected as a unit.

    Args:
        kind: of the rows; `FEED_COLUMNS[kind]` names the columns.
        market: which market they belong to.
        scope: "" for a feed of all regions, else the region it covers.
        origin: source, event_time and fetched_at.
        digest: SHA-256 of the content, hex; equal digests mean that it is unchanged.
        rows: one row per key, columns as in FEED_COLUMNS.
        validator: ETag or Last-Modified for a conditional fetch, or "".
        set_aside: a sentence for each record that could not be used.
        more_set_aside: number of such records without a sentence: the archive keeps the first
            MAX_SET_ASIDE_REASONS sentences only.
    """

    kind: FeedKind
    market: MarketName
    scope: str
    origin: Provenance
    digest: str
    rows: pd.DataFrame
    validator: str = ""
    set_aside: tuple[str, ...] = ()
    more_set_aside: int = 0

    @property
    def set_aside_count(self) -> int:
        """Number of records that could not be used."""
        return len(self.set_aside) + self.more_set_aside


def _empty(kind: FeedKind, *extra: str) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(columns=[*FEED_COLUMNS[kind], *extra])


@dataclass(frozen=True, slots=True)
class MarketData:
    """The data of one market as known at `as_of`: the only input of the feature engine.

    features/online.py builds it from the online store, features/offline.py from the archive. No
    table has a row with an event_time later than `as_of`. Linux pools only.

    Args:
        market: which market.
        as_of: aware UTC.
        advisor: newest row per (region, instance_type): FEED_COLUMNS[ADVISOR] + event_time.
        advisor_past: rows of earlier advisor snapshots, same columns.
        prices: newest price per pool: region, availability_zone (None: region-level),
            instance_type, operating_system, spot_price_usd_per_hour, event_time.
        price_history: price changes of the last 90 days, same columns as `prices`.
        on_demand: FEED_COLUMNS[ON_DEMAND] + event_time.
        specs: FEED_COLUMNS[SPECS], one row per type.
        origins: provenance of each kind; a missing kind is unknown.
        degraded: why data is missing or old, for a person; empty if healthy.
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
        """The same data with additional reasons why it is degraded."""
        return replace(self, degraded=(*self.degraded, *reasons))

    def pools(self) -> list[Pool]:
        """The pools that have a price, in table order."""
        return list(self.pool_tuple())

    def pool_tuple(self) -> tuple[Pool, ...]:
        """`pools`, which markets with the same prices' columns share."""
        from spotlab.domain.coded_texts import Texts

        names = ("region", "availability_zone", "instance_type", "operating_system")
        return _pools_of(*(Texts.of(self.prices[name]) for name in names))


@lru_cache(maxsize=4)
def _pools_of(*columns: Texts) -> tuple[Pool, ...]:
    return tuple(map(Pool, *map(_each_text, columns)))


def _each_text(column: Texts) -> list[Any]:
    """The texts of a column, None where unknown."""
    distinct = (*column.names, None)
    return [distinct[code] for code in column.codes.tolist()]
