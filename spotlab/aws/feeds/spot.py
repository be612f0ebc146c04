"""Parser of the public spot price feed.

Source: spot.json behind AWS's "Amazon EC2 Spot Instances Pricing" page. It has no published schema;
the structs here match the files served in 2025 and 2026.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from spotlab.aws.feed_checks import check_names, digest_of, feed_table, price_of, reject
from spotlab.aws.feeds.advisor import WINDOWS
from spotlab.aws.feeds.feed_decoding import MAX_BYTES, decode, uncompress
from spotlab.domain.market import LINUX, FeedKind, MarketName, Provenance, Snapshot

_SYSTEM_OF_COLUMN: Final = {"linux": LINUX, "mswin": WINDOWS}
_NOT_OFFERED: Final = "N/A"


class _Prices(msgspec.Struct):
    usd: str = msgspec.field(name="USD")


class _SpotColumn(msgspec.Struct):
    name: str
    prices: _Prices


class _SpotSize(msgspec.Struct):
    size: str
    columns: list[_SpotColumn] = msgspec.field(name="valueColumns")


class _SpotGroup(msgspec.Struct):
    sizes: list[_SpotSize]


class _SpotRegion(msgspec.Struct):
    region: str
    groups: list[_SpotGroup] = msgspec.field(name="instanceTypes")


class _SpotConfig(msgspec.Struct):
    rate: str
    regions: list[_SpotRegion]


class _SpotPrices(msgspec.Struct):
    config: _SpotConfig


def parse_spot_prices(
    content: bytes,
    origin: Provenance,
    market: MarketName,
    *,
    previous_rows: int = 0,
    max_bytes: int = MAX_BYTES,
) -> Snapshot:
    """Parse the public spot price feed: one price per region, type and operating system.

    Some of its regions are local zones, such as "us-west-2-lax-1". A type that is listed twice at
    the same price, such as GPU types, yields one row.

    Args and raises: as in `parse_advisor`.
    """
    feed = origin.source
    content = uncompress(content, feed, max_bytes)
    config = decode(content, _SpotPrices, feed).config
    if config.rate != "perhr":
        reject(feed, f"its rate is {config.rate!r}", "'perhr', a price per hour")
    prices: dict[tuple[str, str, str], float] = {}
    for region, size, column in _columns(config):
        if column.prices.usd.startswith(_NOT_OFFERED):
            continue
        place = f"{region} > {size} > {column.name}"
        price = price_of(column.prices.usd, feed, place)
        if price == 0.0:
            reject(feed, f"{place} has price 0", "a price above 0, or N/A if not offered")
        key = (region, _SYSTEM_OF_COLUMN[column.name], size)
        if prices.setdefault(key, price) != price:
            reject(feed, f"{place} has two prices, {prices[key]:g} and {price:g}", "one price")
    check_names(feed, (key[0] for key in prices), (key[2] for key in prices))
    return Snapshot(
        FeedKind.SPOT_PRICES,
        market,
        "",
        origin,
        digest_of(content),
        feed_table(
            FeedKind.SPOT_PRICES, [(*key, prices[key]) for key in prices], feed, previous_rows
        ),
    )


def _columns(config: _SpotConfig) -> Iterator[tuple[str, str, _SpotColumn]]:
    for region in config.regions:
        for group in region.groups:
            for size in group.sizes:
                for column in size.columns:
                    if column.name in _SYSTEM_OF_COLUMN:
                        yield region.region, size.size, column
