"""Spot price history from EC2.

Source: Amazon EC2 API Reference, DescribeSpotPriceHistory. It returns the newest rows first, up to
1000 per page; adds the price of each pool at the start time, with its own older timestamp; repeats
rows at page boundaries; and repeats an unchanged price about once a day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Final

from spotlab.aws.failures import translated
from spotlab.aws.feed_checks import check_names, price_of, reject
from spotlab.aws.region_source import RegionSource
from spotlab.domain.market import LINUX, FeedKind, MarketName, Snapshot
from spotlab.domain.ports import Clock

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import SpotPriceTypeDef

_PRODUCT: Final = "Linux/UNIX"
_PAGE_ROWS: Final = 1000


class SpotPriceHistory(RegionSource):
    """Change points of the spot prices of one region's pools, by zone.

    Args:
        ec2: client of the region.
        region, market, clock: as for `RegionSource`.
        instance_types: types to read; empty: all.
        days: how far back; AWS stores 90 days.
    """

    _kind = FeedKind.PRICE_HISTORY
    _title = "spot price history"
    _client: EC2Client

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
        super().__init__(ec2, region, market, clock)
        self._instance_types = list(instance_types)
        self._days = days

    def fetch(self, validators: Mapping[FeedKind, str]) -> Sequence[Snapshot]:  # noqa: ARG002
        """As `FeedSource.fetch`; the API has no conditional requests."""
        prices: dict[tuple[str, str, datetime], float] = {}
        with translated(f"Reading the {self.name}"):
            for record in self._records():
                self._add(record, prices)
        check_names(self.name, [self._region], (key[1] for key in prices))
        return self._snapshot(
            [
                (self._region, zone, LINUX, instance_type, at, price)
                for (zone, instance_type, at), price in _change_points(prices)
            ]
        )

    def _records(self) -> Iterator[SpotPriceTypeDef]:
        pages = self._client.get_paginator("describe_spot_price_history").paginate(
            StartTime=self._clock.now() - timedelta(days=self._days),
            ProductDescriptions=[_PRODUCT],
            InstanceTypes=self._instance_types,  # type: ignore[arg-type]
            PaginationConfig={"PageSize": _PAGE_ROWS},
        )
        for page in pages:
            yield from page["SpotPriceHistory"]

    def _add(
        self, record: SpotPriceTypeDef, prices: dict[tuple[str, str, datetime], float]
    ) -> None:
        if record.get("ProductDescription", _PRODUCT) != _PRODUCT:
            return
        zone, instance_type = record["AvailabilityZone"], record["InstanceType"]
        at, text = record["Timestamp"].astimezone(UTC), record["SpotPrice"]
        place = f"{instance_type} in {zone} at {at:%Y-%m-%d %H:%M:%S}"
        price = price_of(text, self.name, place)
        if price == 0.0:
            reject(self.name, f"{place} has price 0", "a price above 0")
        if prices.setdefault((zone, instance_type, at), price) != price:
            reject(self.name, f"{place} has two prices", "one price per pool and time")


def _change_points(
    prices: Mapping[tuple[str, str, datetime], float],
) -> Iterator[tuple[tuple[str, str, datetime], float]]:
    """Prices ordered by pool and time, without repeated ones, except a pool's newest row."""
    for _, points in groupby(sorted(prices.items()), key=lambda point: point[0][:2]):
        of_pool = list(points)
        for index, (key, price) in enumerate(of_pool):
            repeated = index > 0 and of_pool[index - 1][1] == price
            if not repeated or index == len(of_pool) - 1:
                yield key, price
