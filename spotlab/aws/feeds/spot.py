"""Parser of the public spot price feed.

Source: spot.json behind AWS's "Amazon EC2 Spot Instances Pricing" page. It has no published schema;
the structs here match the files served in 2025 and 2026.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from spotlab.aws.feed_checks import (
    check_region,
    check_type,
    digest_of,
    feed_table,
    price_of,
    reject,
)
from spotlab.aws.feeds.advisor import WINDOWS
from spotlab.aws.feeds.feed_decoding import (
    MAX_BYTES,
    decode,
    decode_part,
    decode_record,
    label_of,
    uncompress,
)
from spotlab.domain.market import LINUX, FeedKind, MarketName, Provenance, Snapshot
from spotlab.domain.odd_records import SetAside

_SYSTEM_OF_COLUMN: Final = {"linux": LINUX, "mswin": WINDOWS}
_NOT_OFFERED: Final = "N/A"


class _Prices(msgspec.Struct):
    usd: str = msgspec.field(name="USD")


class _SpotColumn(msgspec.Struct):
    name: str
    prices: _Prices


class _SpotSize(msgspec.Struct):
    size: str
    columns: list[Any] = msgspec.field(name="valueColumns")


class _SpotGroup(msgspec.Struct):
    sizes: list[Any]


class _SpotRegion(msgspec.Struct):
    region: str
    groups: list[Any] = msgspec.field(name="instanceTypes")


class _SpotConfig(msgspec.Struct):
    """What the whole feed has in common; its records are checked one by one."""

    rate: str
    regions: list[Any]


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
    the same price, such as GPU types, yields one row. Odd records are set aside.

    Args and raises: as in `parse_advisor`.
    """
    feed = origin.source
    content = uncompress(content, feed, max_bytes)
    config = decode(content, _SpotPrices, feed).config
    if config.rate != "perhr":
        reject(feed, f"its rate is {config.rate!r}", "'perhr', a price per hour")
    odd = SetAside()
    prices: dict[_Key, float] = {}
    listed = 0
    for place, region, size, record in _columns(config, feed, odd):
        name = record.get("name") if isinstance(record, dict) else None
        if isinstance(name, str) and name not in _SYSTEM_OF_COLUMN:
            continue
        listed += 1
        with odd.record():
            column = decode_record(record, _SpotColumn, feed, f"{place} > {name}")
            where = f"{region} > {size} > {column.name}"
            _add(prices, (region, _SYSTEM_OF_COLUMN[column.name], size), column, feed, where)
    set_aside = odd.reasons(listed)
    rows = [(*key, price) for key, price in prices.items()]
    return Snapshot(
        FeedKind.SPOT_PRICES,
        market,
        "",
        origin,
        digest_of(content),
        feed_table(FeedKind.SPOT_PRICES, rows, feed, previous_rows),
        set_aside=set_aside,
    )


_Key = tuple[str, str, str]
"""Region, operating system and instance type."""


def _columns(config: _SpotConfig, feed: str, odd: SetAside) -> Iterator[tuple[str, str, str, Any]]:
    """The place, region, instance type and record of each price column."""
    for number, region_record in enumerate(config.regions):
        region_place = label_of(region_record, number)
        region = decode_part(region_record, _SpotRegion, feed, region_place, odd)
        for n, group_record in enumerate(region.groups if region else ()):
            group_place = f"{region_place} > {label_of(group_record, n)}"
            group = decode_part(group_record, _SpotGroup, feed, group_place, odd)
            for k, size_record in enumerate(group.sizes if group else ()):
                place = f"{group_place} > {label_of(size_record, k)}"
                size = None
                with odd.record():
                    size = decode_record(size_record, _SpotSize, feed, place)
                if region and size:
                    for record in size.columns:
                        yield place, region.region, size.size, record


def _add(prices: dict[_Key, float], key: _Key, column: _SpotColumn, feed: str, place: str) -> None:
    """Add a column's price, unless the type is not offered.

    Of two prices the higher one is used, so that no saving is promised that may not exist.
    """
    if column.prices.usd.startswith(_NOT_OFFERED):
        return
    price = price_of(column.prices.usd, feed, place)
    if price == 0.0:
        reject(feed, f"{place} has price 0", "a price above 0, or N/A if not offered")
    check_region(feed, key[0])
    check_type(feed, key[2])
    known = prices.setdefault(key, price)
    if known != price:
        prices[key] = max(known, price)
        reject(
            feed,
            f"{place} has two prices, {known:g} and {price:g}, of which the higher is used",
            "one price",
        )
