"""AWS's public market feeds over HTTP, which need no account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack
from urllib.parse import quote

import httpx

from spotlab.aws.feed_checks import source_name
from spotlab.aws.feeds.advisor import SPECS_SCOPE, parse_advisor
from spotlab.aws.feeds.http import HttpFeed, Limits
from spotlab.aws.feeds.on_demand import parse_on_demand
from spotlab.aws.feeds.spot import parse_spot_prices
from spotlab.aws.regions import location_of
from spotlab.domain.market import FeedKind, MarketName, Provenance, Snapshot
from spotlab.domain.ports import Clock


class AdvisorFeed(HttpFeed):
    """The Spot Advisor feed: advisor buckets of all regions, and vCPU and memory of types.

    Source: https://aws.amazon.com/ec2/spot/instance-advisor/
    """

    @property
    def name(self) -> str:
        """Display name."""
        return source_name(self._market, "Spot Advisor feed")

    @property
    def covers(self) -> tuple[tuple[FeedKind, str], ...]:
        """Buckets and specifications."""
        return (FeedKind.ADVISOR, ""), (FeedKind.SPECS, SPECS_SCOPE)

    def _parse(self, content: bytes, origin: Provenance) -> tuple[Snapshot, ...]:
        return parse_advisor(
            content,
            origin,
            self._market,
            previous_rows=self._previous_rows,
            max_bytes=self._max_bytes,
        )


class SpotPriceFeed(HttpFeed):
    """The public spot price feed: one price per region and type, near the cheapest zone's.

    It has no publication time: without Last-Modified, its event time is the time of the fetch.
    Source: https://aws.amazon.com/ec2/spot/pricing/
    """

    @property
    def name(self) -> str:
        """Display name."""
        return source_name(self._market, "public spot price feed")

    @property
    def covers(self) -> tuple[tuple[FeedKind, str], ...]:
        """Prices of all regions."""
        return ((FeedKind.SPOT_PRICES, ""),)

    def _parse(self, content: bytes, origin: Provenance) -> tuple[Snapshot, ...]:
        snapshot = parse_spot_prices(
            content,
            origin,
            self._market,
            previous_rows=self._previous_rows,
            max_bytes=self._max_bytes,
        )
        return (snapshot,)


class OnDemandFeed(HttpFeed):
    """The public on-demand price feed of one region.

    Source: https://aws.amazon.com/ec2/pricing/on-demand/

    Args:
        url: contains {location}, which is replaced by the region's location name.
        region: such as "us-east-1".
        http, market, clock, limits: as `HttpFeed`.
    """

    def __init__(
        self,
        http: httpx.Client,
        url: str,
        region: str,
        market: MarketName,
        clock: Clock,
        **limits: Unpack[Limits],
    ) -> None:
        super().__init__(http, url, market, clock, **limits)
        self._template = url
        self._region = region

    @property
    def name(self) -> str:
        """Display name."""
        return source_name(self._market, f"on-demand price feed of {self._region}")

    @property
    def covers(self) -> tuple[tuple[FeedKind, str], ...]:
        """Prices of the region."""
        return ((FeedKind.ON_DEMAND, self._region),)

    def fetch(self, validators: Mapping[FeedKind, str]) -> Sequence[Snapshot]:
        """As `FeedSource.fetch`. Also raises NotAvailable if no location of the region is known."""
        self._url = self._template.replace("{location}", quote(location_of(self._region)))
        return super().fetch(validators)

    def _parse(self, content: bytes, origin: Provenance) -> tuple[Snapshot, ...]:
        snapshot = parse_on_demand(
            content,
            origin,
            self._market,
            self._region,
            previous_rows=self._previous_rows,
            max_bytes=self._max_bytes,
        )
        return (snapshot,)
