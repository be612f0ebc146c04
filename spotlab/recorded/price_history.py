"""Spot price histories from files.

Read are, plain or gzipped: responses of DescribeSpotPriceHistory as JSON (one response, a list of
responses, or a list of their records), as JSON lines (a record or a response a line), and as the
text that `aws ec2 describe-spot-price-history --output text` writes; a tar archive of JSON files;
and CSV `availability_zone,instance_type,product_description,timestamp,usd_per_hour`.

An odd record is set aside with its place and reason; too many of them reject the file.
"""

from __future__ import annotations

import io
import json
import math
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import pandas as pd

from spotlab.domain.instance_types import parse_type
from spotlab.domain.market import FEED_COLUMNS, LINUX, FeedKind
from spotlab.domain.odd_records import SetAside
from spotlab.errors import InvalidInput
from spotlab.recorded.file_reading import (
    MAX_BYTES,
    RecordedTable,
    csv_lines,
    read_file,
    read_json,
    reject,
    utc,
)
from spotlab.recorded.zone_names import NO_ZONE_IDS, ZoneIds, checked_region, zone_name

CSV_COLUMNS: Final = (
    "availability_zone",
    "instance_type",
    "product_description",
    "timestamp",
    "usd_per_hour",
)
TEXT_TAG: Final = b"SPOTPRICEHISTORY"
"""First word of each record of the AWS CLI's text output."""
_ZONE_ID: Final = "AvailabilityZoneId"
_FIELDS: Final = (
    "AvailabilityZone",
    "InstanceType",
    "ProductDescription",
    "Timestamp",
    "SpotPrice",
)
_IN_TEXT: Final = tuple(sorted(_FIELDS))
"""The AWS CLI writes the fields of a record in the order of their names."""
_IN_TEXT_WITH_ID: Final = tuple(sorted((*_FIELDS, _ZONE_ID)))
_PRODUCTS: Final = {"Linux/UNIX", "Linux/UNIX (Amazon VPC)"}
_MAX_USD_PER_HOUR: Final = 10_000.0
_TAR_MAGIC: Final = b"ustar"
_TAR_MAGIC_AT: Final = 257


def read_price_history(
    path: Path,
    *,
    zone_ids: ZoneIds = NO_ZONE_IDS,
    columns: Sequence[str] = (),
    max_bytes: int = MAX_BYTES,
) -> RecordedTable:
    """Change points of Linux pools' spot prices, with the columns FEED_COLUMNS[PRICE_HISTORY].

    Repeated prices are dropped, except a pool's newest, as `aws.prices` does. Of two prices at one
    moment the higher is used. Malformed files in an archive are skipped. `rejected` lists what was
    skipped and set aside.

    Args:
        path: of the file.
        zone_ids: the account's names of zone ids.
        columns: names of a CSV's columns, in order, if it has no header line.
        max_bytes: a file that is larger, uncompressed, is rejected.
    Raises:
        InvalidInput: the file cannot be read, has no Linux price, or too many odd records; names
            file and place.
    """
    content = read_file(path, max_bytes)
    prices = _Prices(zone_ids)
    skipped: list[str] = []
    if content[_TAR_MAGIC_AT : _TAR_MAGIC_AT + len(_TAR_MAGIC)] == _TAR_MAGIC:
        for name, member in _members(content, path):
            where = f"{path} > {name}"
            try:
                records = list(_json_records(read_json(member, where), where))
            except InvalidInput as exc:
                skipped.append(str(exc))
                continue
            prices.add_records(records, where)
        form = "DescribeSpotPriceHistory responses in a tar archive"
    elif content.lstrip()[:1] in (b"{", b"["):
        form = _add_json(prices, content, str(path))
    elif content.lstrip().startswith(TEXT_TAG):
        _add_text(prices, content, str(path))
        form = "text output of the AWS CLI"
    else:
        for place, line in csv_lines(content, path, CSV_COLUMNS, columns):
            prices.add([line[column] for column in CSV_COLUMNS], str(path), place)
        form = "CSV of spot prices"
    rejected = (*skipped, *prices.odd.reasons(prices.listed))
    if not prices.usd_per_hour:
        reject(path, "it has no Linux/UNIX price", "spot prices of Linux/UNIX pools")
    return RecordedTable(prices.change_points(), f"{path.name} ({form})", rejected)


def _members(content: bytes, path: Path) -> Iterator[tuple[str, bytes]]:
    """The JSON files of an archive, read without unpacking it to disk."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isreg() else None
                if file is not None and member.name.endswith(".json"):
                    yield Path(member.name).name, file.read()
    except tarfile.TarError as exc:
        reject(path, f"its tar data is truncated or corrupt ({exc})", "a complete tar archive")


def _add_json(prices: _Prices, content: bytes, where: str) -> str:
    """Add a JSON document or JSON lines; returns which it is."""
    if not is_json_lines(content):
        prices.add_records(_json_records(read_json(content, where), where), where)
        return "DescribeSpotPriceHistory response"
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            records: list[Any] = []
            prices.listed += 1
            with prices.odd.record():
                document = read_json(line, f"{where}: line {number}")
                records = list(_json_records([document], where))
            prices.listed -= bool(records)  # they are counted one by one
            prices.add_records(records, f"{where}: line {number}")
    return "JSON lines of spot prices"


def is_json_lines(content: bytes) -> bool:
    """Whether a text that begins with a brace has a whole JSON object in its first line."""
    first, _, rest = content.lstrip().partition(b"\n")
    if not first.startswith(b"{") or not rest.strip():
        return False
    try:
        return isinstance(json.loads(first), dict)
    except ValueError:
        return False


def _json_records(document: Any, where: str) -> Iterator[Any]:
    for part in document if isinstance(document, list) else [document]:
        if isinstance(part, Mapping) and "SpotPriceHistory" in part:
            if not isinstance(part["SpotPriceHistory"], list):
                reject(where, "SpotPriceHistory is not a list", "a list of records")
            yield from part["SpotPriceHistory"]
        elif isinstance(document, list):
            yield part
        else:
            reject(where, "it has no SpotPriceHistory", "a DescribeSpotPriceHistory response")


def _add_text(prices: _Prices, content: bytes, where: str) -> None:
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError as exc:
        reject(where, f"it is not text ({exc.reason})", "text in UTF-8")
    for number, line in enumerate(lines, start=1):
        tag, *values = line.split("\t") if "\t" in line else line.split()
        if tag != TEXT_TAG.decode():
            continue  # NEXTTOKEN
        names = _IN_TEXT_WITH_ID if len(values) == len(_IN_TEXT_WITH_ID) else _IN_TEXT
        prices.add_record(dict(zip(names, values, strict=False)), where, f"line {number}")


class _Prices:
    """The prices of Linux pools, each checked.

    Args:
        zone_ids: the account's names of zone ids.
    """

    def __init__(self, zone_ids: ZoneIds) -> None:
        self._zone_ids = zone_ids
        self.usd_per_hour: dict[tuple[str, str, datetime], float] = {}
        self.odd = SetAside()
        self.listed = 0

    def add_records(self, records: Any, where: str) -> None:
        """Add records as JSON gives them."""
        for number, record in enumerate(records):
            self.add_record(record, where, f"record {number}")

    def add_record(self, record: Any, where: str, place: str) -> None:
        """Add a record with the fields of DescribeSpotPriceHistory, or set it aside."""
        fields: list[Any] = []
        is_read = False
        with self.odd.record():
            if not isinstance(record, Mapping):
                reject(where, f"{place} is not an object", f"objects with {', '.join(_FIELDS)}")
            zone = record.get(_FIELDS[0], record.get(_ZONE_ID))
            fields = [zone, *(record.get(field) for field in _FIELDS[1:])]
            for name, value in zip(_FIELDS, fields, strict=True):
                if not isinstance(value, str):
                    reject(where, f"{place} has no {name} as text", ", ".join(_FIELDS))
            is_read = True
        if is_read:
            self.add(fields, where, place)
        else:
            self.listed += 1

    def add(self, fields: list[str], where: str, place: str) -> None:
        """Add a price, or set it aside; prices of other products are left out.

        Args:
            fields: values of _FIELDS.
            where: the file.
            place: in the file.
        """
        zone, instance_type, product, at, usd_per_hour = fields
        if product not in _PRODUCTS:
            return
        self.listed += 1
        with self.odd.record():
            price = _price(usd_per_hour, where, place)
            zone = zone_name(zone, self._zone_ids, where, place)
            checked_region(zone, where, place)
            if problem := _type_problem(instance_type):
                reject(where, f"{place}: {problem}", "instance types such as m6i.xlarge")
            key = (zone, instance_type, _timestamp(at, where, place))
            known = self.usd_per_hour.setdefault(key, price)
            if known != price:
                self.usd_per_hour[key] = max(known, price)
                what = f"{instance_type} in {zone} has two prices at {at}, {known:g} and {price:g}"
                reject(where, f"{place}: {what}, of which the higher is used", "one price")

    def change_points(self) -> pd.DataFrame:
        """The prices by pool and time, without those that repeat the one before."""
        zones, types, times = zip(*self.usd_per_hour, strict=True)
        rows = pd.DataFrame(
            {
                "region": [checked_region(zone, "", "") for zone in zones],
                "availability_zone": zones,
                "operating_system": LINUX,
                "instance_type": types,
                "event_time": pd.to_datetime(list(times), utc=True),
                "spot_price_usd_per_hour": list(self.usd_per_hour.values()),
            }
        ).sort_values(["availability_zone", "instance_type", "event_time"], ignore_index=True)
        pool = rows["availability_zone"] + ":" + rows["instance_type"]
        repeated = (pool == pool.shift()) & (
            rows["spot_price_usd_per_hour"] == rows["spot_price_usd_per_hour"].shift()
        )
        newest = pool != pool.shift(-1)
        change_points = rows[~repeated | newest].reset_index(drop=True)
        return change_points[[*FEED_COLUMNS[FeedKind.PRICE_HISTORY]]]


def _price(text: str, where: str, place: str) -> float:
    try:
        price = float(text)
    except ValueError:
        price = math.nan
    if not 0.0 < price <= _MAX_USD_PER_HOUR:
        reject(where, f"{place} has price {text!r}", "USD per hour, above 0")
    return price


@lru_cache(maxsize=200_000)
def _parsed_time(text: str) -> datetime:
    return utc(text, "", "")


def _timestamp(text: str, where: str, place: str) -> datetime:
    try:
        return _parsed_time(text)
    except InvalidInput:
        return utc(text, where, f"{place}, Timestamp,")


@lru_cache(maxsize=4096)
def _type_problem(name: str) -> str:
    try:
        parse_type(name)
    except ValueError as exc:
        return str(exc)
    return ""
