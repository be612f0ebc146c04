"""The AWS that SpotLab talks to, emulated or real, and the market sources it offers.

The same adapters serve both; only addresses and credentials differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import httpx

from spotlab.aws.catalog import InstanceTypes, Offerings, OnDemandPrices
from spotlab.aws.feeds import AdvisorFeed, OnDemandFeed, SpotPriceFeed
from spotlab.aws.prices import SpotPriceHistory
from spotlab.aws.session import Sessions
from spotlab.domain.market import FeedKind, MarketName
from spotlab.domain.ports import Account, Archive, Clock, FeedSource
from spotlab.errors import InvalidSetting
from spotlab.settings import Settings

HISTORY_DAYS: Final = 31.0
"""The longest window of the features is 30 days."""
OVERLAP_DAYS: Final = 7.0
"""Read again each time: the features take one snapshot every three days of those before today."""


@dataclass(frozen=True, slots=True)
class FeedAddresses:
    """Where the public feeds are; `on_demand` holds {location}."""

    advisor: str
    spot_prices: str
    on_demand: str


@dataclass(frozen=True, slots=True)
class Cloud:
    """An AWS and its accounts.

    Args:
        emulated: on loopback, not Amazon's.
        sessions: clients by account and region.
        accounts: to look after.
        feeds: of the simulated market when emulated, else the public ones.
    """

    emulated: bool
    sessions: Sessions
    accounts: tuple[Account, ...]
    feeds: FeedAddresses

    @property
    def regions(self) -> tuple[str, ...]:
        """Every region an account looks after, sorted."""
        return tuple(sorted({region for account in self.accounts for region in account.regions}))

    def account_in(self, region: str) -> Account:
        """The first account that looks after a region.

        Raises:
            InvalidSetting: none does.
        """
        for account in self.accounts:
            if region in account.regions:
                return account
        raise InvalidSetting(f"No account looks after region {region!r}.")


def looking_after(cloud: Cloud, stored: Sequence[Account]) -> Cloud:
    """The same cloud, with the accounts that an administrator keeps in the database.

    Args:
        cloud: with the accounts of the settings.
        stored: in the database; where the names agree, what an administrator keeps there counts,
            and what they have deactivated is left out. Accounts of another AWS are left out.
    """
    known = {account.name: account for account in stored}
    of_settings = [
        account
        for account in cloud.accounts
        if (kept := known.get(account.name)) is None or (kept.from_settings and kept.active)
    ]
    added = [
        account
        for account in stored
        if account.active and not account.from_settings and account.emulated is cloud.emulated
    ]
    return replace(cloud, accounts=(*of_settings, *added))


@dataclass(frozen=True, slots=True)
class Known:
    """What the archive has already, so that a source asks for no more than it must.

    Args:
        records: rows of the newest snapshot of a kind: a feed with under half of them is refused.
        prices_read_at: when a region's price history was last read.
    """

    records: Mapping[FeedKind, int]
    prices_read_at: Mapping[str, datetime]

    @classmethod
    def of(cls, archive: Archive, market: MarketName) -> Known:
        """From the archive's list of snapshots, newest first."""
        records: dict[FeedKind, int] = {}
        prices_read_at: dict[str, datetime] = {}
        for info in archive.infos(market):
            if info.scope == "":
                records.setdefault(info.kind, info.records)
            if info.kind is FeedKind.PRICE_HISTORY:
                prices_read_at.setdefault(info.scope, info.fetched_at)
        return cls(records, prices_read_at)

    def history_days(self, region: str, now: datetime) -> float:
        """How far back to read price changes: a month at first, then since the last time."""
        last = self.prices_read_at.get(region)
        if last is None:
            return HISTORY_DAYS
        return min(HISTORY_DAYS, (now - last) / timedelta(days=1) + OVERLAP_DAYS)


def market_sources(
    market: MarketName,
    cloud: Cloud,
    settings: Settings,
    http: httpx.Client,
    clock: Clock,
    known: Known,
) -> Sequence[FeedSource]:
    """The sources of a live market, cheapest first.

    Args:
        market: simulated, public or account (a recorded market is read from files).
        cloud: for what EC2 and the Pricing API say.
        settings: addresses and limits.
        http: for the feeds.
        clock: for fetched_at.
        known: what the archive has already.
    """
    addresses = cloud.feeds
    if market is MarketName.PUBLIC:
        addresses = FeedAddresses(
            settings.advisor_url, settings.spot_prices_url, settings.on_demand_url
        )
    max_bytes = int(settings.feed_max_mb * 1e6)

    def before(kind: FeedKind) -> int:
        return known.records.get(kind, 0)

    sources: list[FeedSource] = [
        AdvisorFeed(
            http,
            addresses.advisor,
            market,
            clock,
            max_bytes=max_bytes,
            previous_rows=before(FeedKind.ADVISOR),
        ),
        SpotPriceFeed(
            http,
            addresses.spot_prices,
            market,
            clock,
            max_bytes=max_bytes,
            previous_rows=before(FeedKind.SPOT_PRICES),
        ),
    ]
    for region in cloud.regions:
        if market is MarketName.PUBLIC:
            url = addresses.on_demand
            sources.append(OnDemandFeed(http, url, region, market, clock, max_bytes=max_bytes))
            continue
        account = cloud.account_in(region)
        ec2 = cloud.sessions.client("ec2", account, region)
        pricing = cloud.sessions.client("pricing", account, "us-east-1")
        days = known.history_days(region, clock.now())
        sources += [
            InstanceTypes(ec2, region, market, clock),
            Offerings(ec2, region, market, clock),
            OnDemandPrices(pricing, region, market, clock),
            SpotPriceHistory(ec2, region, market, clock, days=days),
        ]
    return sources
