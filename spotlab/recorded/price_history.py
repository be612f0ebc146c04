"""Spot price histories from files.

Three formats are read, plain or gzipped: responses of DescribeSpotPriceHistory as JSON (one
response, a list of responses, or a list of their records); a tar archive of such files; and CSV
`availability_zone,instance_type,product_description,timestamp,usd_per_hour`.
"""

from __future__ import annotations

import io
import math
import re
import tarfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd

from spotlab.domain.instance_types import parse_type
from spotlab.domain.market import FEED_COLUMNS, LINUX, FeedKind
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

CSV_COLUMNS: Final = (
    "availability_zone",
    "instance_type",
    "product_description",
    "timestamp",
    "usd_per_hour",
)
_FIELDS: Final = (
    "AvailabilityZone",
    "InstanceType",
    "ProductDescription",
    "Timestamp",
    "SpotPrice",
)
_PRODUCTS: Final = {"Linux/UNIX", "Linux/UNIX (Amazon VPC)"}
_ZONE: Final = re.compile(r"^([a-z]{2,}(?:-[a-z]+)+-\d)(?:-[a-z]+-\d)?[a-z]$")
_MAX_USD_PER_HOUR: Final = 10_000.0
_TAR_MAGIC: Final = b"ustar"
_TAR_MAGIC_AT: Final = 257

Key = tuple[str, str, str]
"""Zone, instance type and time as written in the file."""


def read_price_history(path: Path, *, max_bytes: int = MAX_BYTES) -> RecordedTable:
    """Change points of Linux pools' spot prices, with the columns FEED_COLUMNS[PRICE_HISTORY].

    Repeated prices are dropped, except a pool's newest, as `aws.prices` does. Malformed files in an
    archive are skipped and listed in `rejected`.

    Raises:
        InvalidInput: the file cannot be read, or has no Linux price; names file and place.
    """
    content = read_file(path, max_bytes)
    prices: dict[Key, float] = {}
    rejected: list[str] = []
    if content[_TAR_MAGIC_AT : _TAR_MAGIC_AT + len(_TAR_MAGIC)] == _TAR_MAGIC:
        for name, member in _members(content, path):
            try:
                of_member = _from_json(member, f"{path} > {name}")
            except InvalidInput as exc:
                rejected.append(str(exc))
                continue
            _merge(prices, of_member, f"{path} > {name}")
        form = "DescribeSpotPriceHistory responses in a tar archive"
    elif content.lstrip()[:1] in (b"{", b"["):
        prices, form = _from_json(content, str(path)), "DescribeSpotPriceHistory response"
    else:
        prices, form = _from_csv(content, path), "CSV of spot prices"
    if not prices:
        reject(path, "it has no Linux/UNIX price", "spot prices of Linux/UNIX pools")
    return RecordedTable(_change_points(prices, path), f"{path.name} ({form})", tuple(rejected))


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


def _from_json(content: bytes, where: str) -> dict[Key, float]:
    prices: dict[Key, float] = {}
    for number, record in enumerate(_records(read_json(content, where), where)):
        place = f"record {number}"
        if not isinstance(record, Mapping):
            reject(where, f"{place} is not an object", f"objects with {', '.join(_FIELDS)}")
        missing = [field for field in _FIELDS if not isinstance(record.get(field), str)]
        if missing:
            reject(where, f"{place} has no {missing[0]} as text", f"{', '.join(_FIELDS)}")
        _add(prices, *(record[field] for field in _FIELDS), where=where, place=place)
    return prices


def _records(document: Any, where: str) -> Iterator[Any]:
    for part in document if isinstance(document, list) else [document]:
        if isinstance(part, Mapping) and "SpotPriceHistory" in part:
            if not isinstance(part["SpotPriceHistory"], list):
                reject(where, "SpotPriceHistory is not a list", "a list of records")
            yield from part["SpotPriceHistory"]
        elif isinstance(document, list):
            yield part
        else:
            reject(where, "it has no SpotPriceHistory", "a DescribeSpotPriceHistory response")


def _from_csv(content: bytes, path: Path) -> dict[Key, float]:
    prices: dict[Key, float] = {}
    for place, line in csv_lines(content, path, CSV_COLUMNS):
        _add(prices, *(line[column] for column in CSV_COLUMNS), where=str(path), place=place)
    return prices


def _add(
    prices: dict[Key, float],
    zone: str,
    instance_type: str,
    product: str,
    at: str,
    usd_per_hour: str,
    *,
    where: str,
    place: str,
) -> None:
    if product not in _PRODUCTS:
        return
    try:
        price = float(usd_per_hour)
    except ValueError:
        price = math.nan
    if not 0.0 < price <= _MAX_USD_PER_HOUR:
        reject(where, f"{place} has price {usd_per_hour!r}", "USD per hour, above 0")
    if prices.setdefault((zone, instance_type, at), price) != price:
        reject(where, f"{place}: {instance_type} in {zone} has two prices at {at}", "one price")


def _merge(prices: dict[Key, float], more: Mapping[Key, float], where: str) -> None:
    for key, price in more.items():
        if prices.setdefault(key, price) != price:
            reject(where, f"{key[1]} in {key[0]} has two prices at {key[2]}", "one price")


def _change_points(prices: Mapping[Key, float], path: Path) -> pd.DataFrame:
    zones, types, times = zip(*prices, strict=True)
    regions = {zone: _region(zone, path) for zone in set(zones)}
    for instance_type in set(types):
        try:
            parse_type(instance_type)
        except ValueError as exc:
            reject(path, str(exc), "instance types such as m6i.xlarge")
    parsed: dict[str, datetime] = {text: utc(text, path, "a time") for text in set(times)}
    rows = pd.DataFrame(
        {
            "region": [regions[zone] for zone in zones],
            "availability_zone": zones,
            "operating_system": LINUX,
            "instance_type": types,
            "event_time": pd.to_datetime([parsed[text] for text in times], utc=True),
            "spot_price_usd_per_hour": list(prices.values()),
        }
    ).sort_values(["availability_zone", "instance_type", "event_time"], ignore_index=True)
    pool = rows["availability_zone"] + ":" + rows["instance_type"]
    repeated = (pool == pool.shift()) & (
        rows["spot_price_usd_per_hour"] == rows["spot_price_usd_per_hour"].shift()
    )
    newest = pool != pool.shift(-1)
    change_points = rows[~repeated | newest].reset_index(drop=True)
    return change_points[[*FEED_COLUMNS[FeedKind.PRICE_HISTORY]]]


def _region(zone: str, path: Path) -> str:
    match = _ZONE.match(zone)
    if match is None:
        reject(path, f"{zone!r} is not an availability zone", "zones such as us-east-1a")
    return match[1]
