"""Market feeds from files.

Formats: AWS's own JSON for the advisor and spot prices, and CSV for on-demand prices and
specifications. All of them may be gzipped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import partial
from pathlib import Path
from typing import Final, TypedDict

from spotlab.aws.feed_checks import (
    check_region,
    check_type,
    digest_of,
    feed_table,
    price_of,
    reject,
)
from spotlab.aws.feeds.advisor import SPECS_SCOPE, parse_advisor
from spotlab.aws.feeds.feed_decoding import MAX_BYTES, uncompress
from spotlab.aws.feeds.spot import parse_spot_prices
from spotlab.domain.bounded_decoding import csv_lines
from spotlab.domain.market import LINUX, FeedKind, MarketName, Provenance, Snapshot
from spotlab.domain.odd_records import SetAside
from spotlab.domain.ports import Clock
from spotlab.errors import InvalidInput

_ISO_DATE: Final = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)")
_TITLES: Final = {
    FeedKind.ADVISOR: "Spot Advisor file",
    FeedKind.SPOT_PRICES: "spot price file",
    FeedKind.ON_DEMAND: "on-demand price file",
    FeedKind.SPECS: "specifications file",
}
_ARCHITECTURES: Final = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "arm64"}
_MIB_PER_GIB: Final = 1024.0


@dataclass(frozen=True, slots=True)
class FileFeed:
    """A recorded feed in a file.

    Args:
        path: of the file; its event time is an ISO date in its name (00:00 UTC), or else its
            modification time.
        kind: ADVISOR, SPOT_PRICES, ON_DEMAND or SPECS.
        clock: for fetched_at.
        market: the market it belongs to.
        max_bytes: a file that is larger, uncompressed, is rejected.
        columns: names of a CSV's columns, in order, if it has no header line.
    Raises:
        InvalidInput: there is no file format for that kind.
    """

    path: Path
    kind: FeedKind
    clock: Clock
    market: MarketName = MarketName.RECORDED
    max_bytes: int = MAX_BYTES
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in _TITLES:
            raise InvalidInput(
                f"There is no file format for {self.kind.value}.",
                remedy=f"Expected: {', '.join(_TITLES)}.",
            )

    @property
    def name(self) -> str:
        """Display name."""
        return f"{_TITLES[self.kind]} {self.path.name}"

    @property
    def covers(self) -> tuple[tuple[FeedKind, str], ...]:
        """The (kind, scope) of each snapshot that `fetch` returns."""
        if self.kind is FeedKind.ADVISOR:
            return (FeedKind.ADVISOR, ""), (FeedKind.SPECS, SPECS_SCOPE)
        return ((self.kind, ""),)

    def fetch(self, validators: Mapping[FeedKind, str]) -> Sequence[Snapshot]:  # noqa: ARG002
        """As `FeedSource.fetch`; a file is always read.

        Raises:
            InvalidInput: the file is missing, unreadable or not a file.
            FeedRefused: empty, too large, truncated or out of range.
        """
        content, modified_at = self._read()
        origin = self._origin(modified_at)
        source = origin.source.replace(str(self.path), self.path.name)
        return [
            replace(snapshot, origin=replace(origin, source=source))
            for snapshot in self._parse(content, origin)
        ]

    def _parse(self, content: bytes, origin: Provenance) -> Sequence[Snapshot]:
        """Parse the content; errors show the full path, snapshots only the file's name."""
        csv: _CsvOptions = {"max_bytes": self.max_bytes, "columns": self.columns}
        match self.kind:
            case FeedKind.ADVISOR:
                return parse_advisor(content, origin, self.market, max_bytes=self.max_bytes)
            case FeedKind.SPOT_PRICES:
                return (parse_spot_prices(content, origin, self.market, max_bytes=self.max_bytes),)
            case FeedKind.ON_DEMAND:
                return (parse_on_demand_csv(content, origin, self.market, **csv),)
            case _:
                return (parse_specs_csv(content, origin, self.market, **csv),)

    def _read(self) -> tuple[bytes, datetime]:
        try:
            with self.path.open("rb") as file:
                content = file.read(self.max_bytes + 1)
            modified_s = self.path.stat().st_mtime
        except OSError as exc:
            raise InvalidInput(
                f"{_TITLES[self.kind]} {self.path} cannot be read: {exc.strerror}.",
                remedy="Choose a readable file.",
            ) from exc
        return content, datetime.fromtimestamp(modified_s, UTC)

    def _origin(self, modified_at: datetime) -> Provenance:
        now = self.clock.now()
        dated = _date_in(self.path.name)
        basis = "the date in its name" if dated else "its modification time"
        source = f"{_TITLES[self.kind]} {self.path} (as of {basis})"
        return Provenance(source, min(dated or modified_at, now), now)


def _date_in(name: str) -> datetime | None:
    for text in _ISO_DATE.findall(name):
        try:
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        except ValueError:
            continue
    return None


class _CsvOptions(TypedDict):
    max_bytes: int
    columns: tuple[str, ...]


def parse_on_demand_csv(
    content: bytes,
    origin: Provenance,
    market: MarketName,
    max_bytes: int = MAX_BYTES,
    columns: Sequence[str] = (),
) -> Snapshot:
    """Parse on-demand Linux prices: columns region, instance_type, usd_per_hour.

    A line that is out of range, or repeats an earlier one, is set aside.

    Raises:
        FeedRefused: a column is missing, or too many lines cannot be used.
    """
    feed = origin.source
    content = uncompress(content, feed, max_bytes)
    odd = SetAside()
    prices: dict[tuple[str, str, str], float] = {}
    listed = 0
    for place, line in csv_lines(
        content, ("region", "instance_type", "usd_per_hour"), partial(reject, feed), columns
    ):
        listed += 1
        with odd.record():
            key = (line["region"], LINUX, line["instance_type"])
            price = price_of(line["usd_per_hour"], feed, f"{place}, {key[2]} in {key[0]},")
            if price == 0.0:
                reject(feed, f"{place} has price 0", "a price above 0")
            check_region(feed, key[0])
            check_type(feed, key[2])
            if key in prices:
                reject(
                    feed, f"{place} repeats {key[2]} in {key[0]}", "one line per region and type"
                )
            prices[key] = price
    set_aside = odd.reasons(listed)
    rows = feed_table(FeedKind.ON_DEMAND, [(*key, price) for key, price in prices.items()], feed)
    return Snapshot(
        FeedKind.ON_DEMAND,
        market,
        "",
        origin,
        digest_of(content),
        rows,
        set_aside=set_aside,
    )


def parse_specs_csv(
    content: bytes,
    origin: Provenance,
    market: MarketName,
    max_bytes: int = MAX_BYTES,
    columns: Sequence[str] = (),
) -> Snapshot:
    """Parse specifications of instance types.

    Columns: instance_type, arch (amd64 or arm64), vcpu, memory_mib, clock_mhz, ebs_mbps,
    network_mbps, gpu_count, accelerator_count, local_nvme_gb; optional: gpu_name, gpu_memory_mib,
    accelerator_name, cpu_manufacturer. An empty count or size is 0; an empty speed or name is
    unknown.

    A line that is out of range, or repeats an earlier one, is set aside.

    Raises:
        FeedRefused: a column is missing, or too many lines cannot be used.
    """
    feed = origin.source
    content = uncompress(content, feed, max_bytes)
    rows: dict[str, tuple[str | float | None, ...]] = {}
    odd = SetAside()
    listed = 0
    for place, line in csv_lines(content, _SPECS_COLUMNS, partial(reject, feed), columns):
        listed += 1
        with odd.record():
            name = line["instance_type"]
            if name in rows:
                reject(feed, f"{place} repeats {name}", "one line per type")
            check_type(feed, name)
            rows[name] = _spec(line, feed, place)
    set_aside = odd.reasons(listed)
    frame = feed_table(FeedKind.SPECS, list(rows.values()), feed)
    return Snapshot(
        FeedKind.SPECS, market, "", origin, digest_of(content), frame, set_aside=set_aside
    )


_SPECS_COLUMNS: Final = (
    "instance_type",
    "arch",
    "vcpu",
    "memory_mib",
    "clock_mhz",
    "ebs_mbps",
    "network_mbps",
    "gpu_count",
    "accelerator_count",
    "local_nvme_gb",
)


def _spec(line: Mapping[str, str], feed: str, place: str) -> tuple[str | float | None, ...]:
    def number(column: str, empty: float) -> float:
        text = line.get(column, "")
        try:
            value = float(text) if text else empty
        except ValueError:
            value = -1.0
        if value < 0.0 or value == float("inf") or (text and value != value):
            reject(feed, f"{place} has {column} {text!r}", "a number, 0 or above")
        return value

    unknown = float("nan")
    vcpu, memory_mib = number("vcpu", 0.0), number("memory_mib", 0.0)
    if not vcpu or not memory_mib:
        reject(feed, f"{place} has no vcpu or memory_mib", "both, above 0")
    architecture = _ARCHITECTURES.get(line["arch"])
    if architecture is None:
        reject(feed, f"{place} has arch {line['arch']!r}", "amd64 or arm64")
    return (
        line["instance_type"],
        vcpu,
        memory_mib / _MIB_PER_GIB,
        architecture,
        number("gpu_count", 0.0),
        number("accelerator_count", 0.0),
        number("network_mbps", unknown),
        number("ebs_mbps", unknown),
        number("clock_mhz", unknown),
        number("local_nvme_gb", 0.0),
        line.get("gpu_name") or None,
        number("gpu_memory_mib", unknown) / _MIB_PER_GIB,
        line.get("accelerator_name") or None,
        line.get("cpu_manufacturer") or None,
    )
