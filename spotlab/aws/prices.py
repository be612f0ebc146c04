"""Spot price history from EC2.

Source: Amazon EC2 API Reference, DescribeSpotPriceHistory. It answers newest first, a thousand rows
a page; adds, for each pool, the price in force at the start time, with its own older timestamp;
repeats rows where pages meet; and says an unchanged price again about once a day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Final

from spotlab.aws.failures import translated
from spotlab.aws.snapshots import check_names, price_of, reject, snapshot_of, source_name
from spotlab.domain.market import LINUX, FeedKind, MarketName, Provenance, Snapshot
from spotlab.domain.ports import Clock

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import SpotPriceTypeDef

PRODUCT: Final = "Linux/UNIX"
_PAGE_ROWS: Final = 1000

Row = tuple[str, str, str, str, datetime, float]


class SpotPriceHistory:
    """Change points of the spot prices of one region's pools, by zone.

    Args:
        ec2: client of the region.
        region: such as "us-east-1".
        market: which market it belongs to.
        clock: for fetched_at and the start time.
        instance_types: to ask for; empty: all.
        days: how far back; AWS keeps 90.
    """

    def __init__(
        self,
        ec2: EC2Client,
        region: str,
        market: MarketName,
        clock: Clock,
        *,
        instance_types: Sequence[str] = (),
        days: float = 7.0,
    ) -> None:
        self._ec2 = ec2
        self._region = region
        self._market = market
        self._clock = clock
        self._instance_types = list(instance_types)
        self._days = days

    @property
    def name(self) -> str:
        """A person's name for it."""
        return source_name(self._market, f"spot price history of {self._region}")

    @property
    def covers(self) -> tuple[tuple[FeedKind, str], ...]:
        """Change points of the region."""
        return ((FeedKind.PRICE_HISTORY, self._region),)

    def fetch(self, validators: Mapping[FeedKind, str]) -> Sequence[Snapshot]:  # noqa: ARG002
        """As `FeedSource.fetch`; the API knows no conditional request."""
        prices: dict[tuple[str, str, datetime], float] = {}
        with translated(f"Reading the {self.name}"):
            for record in self._records():
                self._add(record, prices)
        check_names(self.name, [self._region], (key[1] for key in prices))
        now = self._clock.now()
        origin = Provenance(self.name, now, now)
        rows = [
            (self._region, zone, LINUX, instance_type, at, price)
            for (zone, instance_type, at), price in _change_points(prices)
        ]
        return (snapshot_of(FeedKind.PRICE_HISTORY, self._market, self._region, origin, rows),)

    def _records(self) -> Iterator[SpotPriceTypeDef]:
        pages = self._ec2.get_paginator("describe_spot_price_history").paginate(
            StartTime=self._clock.now() - timedelta(days=self._days),
            ProductDescriptions=[PRODUCT],
            InstanceTypes=self._instance_types,  # type: ignore[arg-type]
            PaginationConfig={"PageSize": _PAGE_ROWS},
        )
        for page in pages:
            yield from page["SpotPriceHistory"]

    def _add(
        self, record: SpotPriceTypeDef, prices: dict[tuple[str, str, datetime], float]
    ) -> None:
        if record.get("ProductDescription", PRODUCT) != PRODUCT:
            return
        zone, instance_type = record["AvailabilityZone"], record["InstanceType"]
        at, text = record["Timestamp"].astimezone(UTC), record["SpotPrice"]
        place = f"{instance_type} in {zone} at {at:%Y-%m-%d %H:%M:%S}"
        price = price_of(text, self.name, place)
        if price == 0.0:
            reject(self.name, f"{place} costs nothing", "a price above 0")
        if prices.setdefault((zone, instance_type, at), price) != price:
            reject(self.name, f"{place} has two prices", "one price a pool and moment")


def _change_points(
    prices: Mapping[tuple[str, str, datetime], float],
) -> Iterator[tuple[tuple[str, str, datetime], float]]:
    """By pool and time, without a price said again; a pool's newest row stays, for its age."""
    for _, points in groupby(sorted(prices.items()), key=lambda point: point[0][:2]):
        pool = list(points)
        for index, (key, price) in enumerate(pool):
            said_before = index > 0 and pool[index - 1][1] == price
            if not said_before or index == len(pool) - 1:
                yield key, price
