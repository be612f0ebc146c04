"""Parser of the Spot Advisor feed.

Source: spot-advisor-data.json behind AWS's Spot Instance Advisor page. It has no published schema;
the structs here match the files served from 2021 to 2025.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from spotlab.aws.feed_checks import check_names, digest_of, feed_table, reject
from spotlab.aws.feeds.feed_decoding import MAX_BYTES, decode, uncompress
from spotlab.domain.instance_types import parse_type
from spotlab.domain.market import LINUX, FeedKind, MarketName, Provenance, Snapshot

WINDOWS: Final = "Windows"
SPECS_SCOPE: Final = "advisor"
"""Scope of the advisor's specifications, which keeps them apart from more complete ones."""

_MIN_SAVINGS_PERCENT: Final = -100.0
"""AWS publishes a negative saving if a spot price lags behind a lowered on-demand price
(p5.48xlarge in ca-central-1, June 2025: -62)."""


class _Rate(msgspec.Struct):
    r: int
    s: float


class _Size(msgspec.Struct):
    cores: float
    ram_gb: float


class _Advisor(msgspec.Struct):
    spot_advisor: dict[str, dict[str, dict[str, _Rate]]]
    instance_types: dict[str, _Size]


def parse_advisor(
    content: bytes,
    origin: Provenance,
    market: MarketName,
    *,
    previous_rows: int = 0,
    max_bytes: int = MAX_BYTES,
) -> tuple[Snapshot, Snapshot]:
    """Parse the Spot Advisor feed.

    Args:
        content: JSON, plain or gzipped.
        origin: where and when it was read.
        market: the market it belongs to.
        previous_rows: rows of the last good advisor; a feed with less than half is rejected.
        max_bytes: a feed that is larger, uncompressed, is rejected.
    Returns:
        Advisor buckets of all regions, and specifications of the types. The number of accelerators
        is 0 for types without any, and unknown for the others.
    Raises:
        FeedRefused: names the place and the expected value.
    """
    feed = origin.source
    content = uncompress(content, feed, max_bytes)
    advisor = decode(content, _Advisor, feed)
    check_names(feed, advisor.spot_advisor, advisor.instance_types)
    rates = list(_rates(advisor, feed))
    check_names(feed, (), (instance_type for _, _, instance_type, _, _ in rates))
    specs = [_spec(name, size, feed) for name, size in sorted(advisor.instance_types.items())]
    sizes = msgspec.json.encode(advisor.instance_types, order="sorted")
    return (
        Snapshot(
            FeedKind.ADVISOR,
            market,
            "",
            origin,
            digest_of(content),
            feed_table(FeedKind.ADVISOR, rates, feed, previous_rows),
        ),
        Snapshot(
            FeedKind.SPECS,
            market,
            SPECS_SCOPE,
            origin,
            digest_of(sizes),
            feed_table(FeedKind.SPECS, specs, feed),
        ),
    )


def _rates(advisor: _Advisor, feed: str) -> Iterator[tuple[str, str, str, int, float]]:
    for region, systems in advisor.spot_advisor.items():
        for system in (LINUX, WINDOWS):
            for instance_type, rate in systems.get(system, {}).items():
                place = f"{region} > {system} > {instance_type}"
                if not 0 <= rate.r <= 4:
                    reject(feed, f"{place} has bucket {rate.r}", "an advisor bucket 0..4")
                if not _MIN_SAVINGS_PERCENT <= rate.s <= 100:
                    reject(feed, f"{place} has savings of {rate.s:g} %", "savings up to 100 %")
                yield region, system, instance_type, rate.r, rate.s


def _spec(instance_type: str, size: _Size, feed: str) -> tuple[str | float | None, ...]:
    unknown = float("nan")
    if not (0 < size.cores <= 10_000 and 0 < size.ram_gb <= 1_000_000):
        reject(
            feed,
            f"{instance_type} has {size.cores:g} cores and {size.ram_gb:g} GB",
            "more than 0 of each",
        )
    name = parse_type(instance_type)
    accelerators = unknown if name.accelerated else 0.0
    return (
        instance_type,
        size.cores,
        size.ram_gb,
        name.architecture.value,
        accelerators,
        accelerators,
        *(unknown,) * 4,
        None,
        unknown,
        None,
        None,
    )
