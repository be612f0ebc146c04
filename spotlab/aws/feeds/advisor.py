"""Parser of the Spot Advisor feed.

Source: spot-advisor-data.json behind AWS's Spot Instance Advisor page. It has no published schema;
the structs here match the files served from 2021 to 2025.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from spotlab.aws.feed_checks import (
    check_region,
    check_type,
    digest_of,
    feed_table,
    reject,
)
from spotlab.aws.feeds.advisor_ranges import bucket_of_index
from spotlab.aws.feeds.feed_decoding import (
    MAX_BYTES,
    decode,
    decode_part,
    decode_record,
    uncompress,
)
from spotlab.domain.instance_types import parse_type
from spotlab.domain.market import LINUX, FeedKind, MarketName, Provenance, Snapshot
from spotlab.domain.odd_records import SetAside

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
    """The tables of the feed; their records are checked one by one."""

    spot_advisor: dict[str, Any]
    instance_types: dict[str, Any]
    ranges: Any = None


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
        Advisor buckets of all regions, and specifications of the types. Odd records are set aside.
        Buckets follow the feed's ranges. The number of accelerators is 0 for types without any, and
        unknown for the others.
    Raises:
        FeedRefused: names the place and the expected value.
    """
    feed = origin.source
    content = uncompress(content, feed, max_bytes)
    advisor = decode(content, _Advisor, feed)
    odd_rates, odd_specs = SetAside(), SetAside()
    rates, listed = _rates(advisor, feed, odd_rates)
    specs = []
    for name, size in sorted(advisor.instance_types.items()):
        with odd_specs.record():
            specs.append(_spec(name, size, feed))
    sizes = msgspec.json.encode(advisor.instance_types, order="sorted", enc_hook=str)
    rates_set_aside = odd_rates.reasons(listed)
    specs_set_aside = odd_specs.reasons(len(advisor.instance_types))
    return (
        Snapshot(
            FeedKind.ADVISOR,
            market,
            "",
            origin,
            digest_of(content),
            feed_table(FeedKind.ADVISOR, rates, feed, previous_rows),
            set_aside=rates_set_aside,
        ),
        Snapshot(
            FeedKind.SPECS,
            market,
            SPECS_SCOPE,
            origin,
            digest_of(sizes),
            feed_table(FeedKind.SPECS, specs, feed),
            set_aside=specs_set_aside,
        ),
    )


_Row = tuple[str, str, str, int, float]


def _rates(advisor: _Advisor, feed: str, odd: SetAside) -> tuple[list[_Row], int]:
    """The rows of the advisor, and the number of records, with those that are set aside."""
    bucket_of = bucket_of_index(advisor.ranges, feed)
    rows: list[_Row] = []
    listed = 0
    for region, systems in advisor.spot_advisor.items():
        for system in (LINUX, WINDOWS):
            place = f"spot_advisor > {region}"
            of_region = decode_part(systems, dict[str, Any], feed, place, odd) or {}
            place = f"{place} > {system}"
            of_system = of_region.get(system, {})
            records = decode_part(of_system, dict[str, Any], feed, place, odd) or {}
            listed += len(records)
            for instance_type, record in records.items():
                with odd.record():
                    where = f"{place} > {instance_type}"
                    rate = decode_record(record, _Rate, feed, where)
                    check_region(feed, region)
                    check_type(feed, instance_type)
                    bucket = _checked_bucket(rate, bucket_of, feed, where)
                    rows.append((region, system, instance_type, bucket, rate.s))
    return rows, listed


def _checked_bucket(rate: _Rate, bucket_of: Mapping[int, int], feed: str, place: str) -> int:
    if rate.r not in bucket_of:
        reject(feed, f"{place} has bucket {rate.r}", "an advisor bucket 0..4")
    if not _MIN_SAVINGS_PERCENT <= rate.s <= 100:
        reject(feed, f"{place} has savings of {rate.s:g} %", "savings up to 100 %")
    return bucket_of[rate.r]


def _spec(instance_type: str, record: Any, feed: str) -> tuple[str | float | None, ...]:
    unknown = float("nan")
    check_type(feed, instance_type)
    size = decode_record(record, _Size, feed, f"instance_types > {instance_type}")
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
