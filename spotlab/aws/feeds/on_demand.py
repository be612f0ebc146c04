"""Parser of the public on-demand price feed.

Source: meteredUnitMaps/ec2/…/ec2-ondemand-without-sec-sel/{location}/Linux/index.json behind AWS's
"Amazon EC2 On-Demand Pricing" page: {manifest, regions: {location: {offer: {"Instance Type",
"price", …}}}}, with prices as text. It has no published schema.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from spotlab.aws.feed_checks import (
    check_type,
    digest_of,
    feed_table,
    price_of,
    reject,
)
from spotlab.aws.feeds.feed_decoding import MAX_BYTES, decode, decode_record, uncompress
from spotlab.aws.regions import location_of, same_location
from spotlab.domain.market import LINUX, FeedKind, MarketName, Provenance, Snapshot
from spotlab.domain.odd_records import SetAside


class _Offer(msgspec.Struct):
    instance_type: str = msgspec.field(name="Instance Type")
    price: str
    operating_system: str = msgspec.field(name="Operating System", default=LINUX)


class _Manifest(msgspec.Struct):
    published_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = msgspec.field(
        name="hawkFilePublicationDate", default=None
    )
    currency: str = msgspec.field(name="currencyCode", default="USD")


class _OnDemand(msgspec.Struct):
    regions: dict[str, dict[str, Any]]
    manifest: _Manifest = msgspec.field(default_factory=_Manifest)


def parse_on_demand(
    content: bytes,
    origin: Provenance,
    market: MarketName,
    region: str,
    *,
    previous_rows: int = 0,
    max_bytes: int = MAX_BYTES,
) -> Snapshot:
    """Parse the on-demand Linux prices of one region.

    The event time is the file's publication date, if it has one. A price of 0 means "not sold" and
    yields no row. Odd records are set aside.

    Args:
        region: such as "eu-west-1", which the file calls "EU (Ireland)".
        content, origin, market, previous_rows, max_bytes: as in `parse_advisor`.
    Raises:
        FeedRefused: names the place and the expected value.
        NotAvailable: no location name is known for the region.
    """
    feed, location = origin.source, location_of(region)
    content = uncompress(content, feed, max_bytes)
    document = decode(content, _OnDemand, feed)
    if document.manifest.currency != "USD":
        reject(feed, f"its currency is {document.manifest.currency}", "USD")
    offers = next(
        (each for name, each in document.regions.items() if same_location(name, location)), None
    )
    if offers is None:
        names = ", ".join(sorted(document.regions)) or "no location"
        reject(feed, f"it contains {names}", location)
    odd = SetAside()
    prices: dict[str, float] = {}
    for name, record in offers.items():
        with odd.record():
            offer = decode_record(record, _Offer, feed, f"{location} > {name}")
            if offer.operating_system == LINUX:
                _add(prices, offer, feed, f"{location} > {offer.instance_type}")
    set_aside = odd.reasons(len(offers))
    rows = [(region, LINUX, name, price) for name, price in prices.items()]
    return Snapshot(
        FeedKind.ON_DEMAND,
        market,
        region,
        _with_publication_time(origin, document.manifest.published_at, feed),
        digest_of(content),
        feed_table(FeedKind.ON_DEMAND, rows, feed, previous_rows),
        set_aside=set_aside,
    )


def _add(prices: dict[str, float], offer: _Offer, feed: str, place: str) -> None:
    """Add an offer's price, unless it is not sold; of two prices, the first is used."""
    price = price_of(offer.price, feed, place)
    if price == 0.0:
        return
    check_type(feed, offer.instance_type)
    known = prices.setdefault(offer.instance_type, price)
    if known != price:
        reject(
            feed,
            f"{place} has two prices, {known:g} and {price:g}, of which the first is used",
            "one price per type",
        )


def _with_publication_time(origin: Provenance, at: datetime | None, feed: str) -> Provenance:
    if at is None:
        return origin
    if not 1970 <= at.year <= 2999:
        reject(feed, f"it was published in the year {at.year}", "a year from 1970 to 2999")
    return replace(origin, event_time=min(at.astimezone(UTC), origin.fetched_at))
