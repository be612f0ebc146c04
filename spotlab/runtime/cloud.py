"""The AWS in use, emulated or real, and its market sources.

Both use the same adapters; only addresses and credentials differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from spotlab.aws.regions import price_list_region
from spotlab.aws.session import Sessions
from spotlab.domain.market import FeedKind, MarketName
from spotlab.domain.ports import Account, Archive, Clock, FeedSource, PriceReadings
from spotlab.errors import InvalidSetting
from spotlab.settings import Settings

if TYPE_CHECKING:
    import httpx

SIMULATED_HISTORY_DAYS: Final = 31.0
"""The longest window of the features is 30 days; AWS's whole history is read, for comparisons."""


@dataclass(frozen=True, slots=True)
class FeedAddresses:
    """URLs of the public feeds; `on_demand` contains {location}."""

    advisor: str
    spot_prices: str
    on_demand: str


@dataclass(frozen=True, slots=True)
class Cloud:
    """An AWS and its accounts.

    Args:
        emulated: runs on this machine.
        sessions: clients by account and region.
        accounts: managed accounts.
        feeds: those of the simulated market if emulated, else the public ones.
    """

    emulated: bool
    sessions: Sessions
    accounts: tuple[Account, ...]
    feeds: FeedAddresses

    @property
    def regions(self) -> tuple[str, ...]:
        """Every region with a managed account, sorted."""
        return tuple(sorted({region for account in self.accounts for region in account.regions}))

    def account_in(self, region: str) -> Account:
        """The first account that is managed in a region.

        Raises:
            InvalidSetting: there is none.
        """
        for account in self.accounts:
            if region in account.regions:
                return account
        raise InvalidSetting(f"No account is managed in region {region!r}.")


def with_stored_accounts(cloud: Cloud, stored: Sequence[Account]) -> Cloud:
    """The same cloud, with the accounts that administrators have added.

    Args:
        cloud: with the accounts of the settings.
        stored: accounts in the database. An added account replaces one of the settings with the
            same name. Inactive accounts and those of another AWS are omitted.
    """
    by_name = {account.name: account for account in stored}
    of_settings = [
        account
        for account in cloud.accounts
        if (known := by_name.get(account.name)) is None or (known.from_settings and known.active)
    ]
    added = [
        account
        for account in stored
        if account.active and not account.from_settings and account.emulated is cloud.emulated
    ]
    return replace(cloud, accounts=(*of_settings, *added))


@dataclass(frozen=True, slots=True)
class ArchivedData:
    """What the archive already holds, so that sources read only what is missing.

    Args:
        records: rows of the newest snapshot by kind; a feed with fewer than half is rejected.
        archive: the snapshots.
        price_readings: how far the price histories are read.
    """

    records: Mapping[FeedKind, int]
    archive: Archive
    price_readings: PriceReadings

    @classmethod
    def of(
        cls, archive: Archive, price_readings: PriceReadings, market: MarketName
    ) -> ArchivedData:
        """Read from the archive's newest snapshots."""
        newest = archive.newest(market)
        records = {info.kind: info.records for info in newest if info.scope == ""}
        return cls(records, archive, price_readings)


def market_sources(
    market: MarketName,
    cloud: Cloud,
    settings: Settings,
    http: httpx.Client,
    clock: Clock,
    known: ArchivedData,
    cancelled: Callable[[], bool] | None = None,
) -> Sequence[FeedSource]:
    """The sources of a live market, cheapest first.

    Args:
        market: simulated, public or account (a recorded market is read from files).
        cloud: for EC2 and the Pricing API.
        settings: addresses and limits.
        http: for the feeds.
        clock: for fetched_at.
        known: what the archive already holds.
        cancelled: checked between the pages of a price history.
    """
    from spotlab.aws.catalog import InstanceTypes, Offerings, OnDemandPrices
    from spotlab.aws.feeds import AdvisorFeed, OnDemandFeed, SpotPriceFeed
    from spotlab.aws.prices import HISTORY_DAYS, NEWEST_DAYS, SpotPriceHistory

    addresses = cloud.feeds
    if market is MarketName.PUBLIC:
        addresses = FeedAddresses(
            settings.advisor_url, settings.spot_prices_url, settings.on_demand_url
        )
    max_bytes = int(settings.feed_max_mb * 1e6)

    def previous_rows(kind: FeedKind) -> int:
        return known.records.get(kind, 0)

    sources: list[FeedSource] = [
        AdvisorFeed(
            http,
            addresses.advisor,
            market,
            clock,
            max_bytes=max_bytes,
            previous_rows=previous_rows(FeedKind.ADVISOR),
        ),
        SpotPriceFeed(
            http,
            addresses.spot_prices,
            market,
            clock,
            max_bytes=max_bytes,
            previous_rows=previous_rows(FeedKind.SPOT_PRICES),
        ),
    ]
    for region in cloud.regions:
        if market is MarketName.PUBLIC:
            url = addresses.on_demand
            sources.append(OnDemandFeed(http, url, region, market, clock, max_bytes=max_bytes))
            continue
        account = cloud.account_in(region)
        ec2 = cloud.sessions.client("ec2", account, region)
        home = price_list_region(region) or "us-east-1"
        pricing = cloud.sessions.client("pricing", account, home)
        days = SIMULATED_HISTORY_DAYS if market is MarketName.SIMULATED else HISTORY_DAYS
        sources += [
            InstanceTypes(ec2, region, market, clock),
            Offerings(ec2, region, market, clock),
            OnDemandPrices(pricing, region, market, clock),
            SpotPriceHistory(
                ec2,
                region,
                market,
                clock,
                known.price_readings,
                known.archive,
                days=days,
                newest_days=NEWEST_DAYS,
                cancelled=cancelled,
            ),
        ]
    return sources
