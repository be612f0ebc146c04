"""Bytes of a feed to checked values. Adapters floor: knows no store and no screen.

What is wrong with a feed is said once, with the feed's name, the place in it and what would be
right; then the whole feed is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Final, NoReturn, TypeVar, get_args, get_origin

import msgspec
import pandas as pd

from spotlab.domain.instance_types import parse_type
from spotlab.domain.market import FEED_COLUMNS, FeedKind
from spotlab.errors import FeedRefused

T = TypeVar("T")

MAX_BYTES: Final = 64_000_000
"""The largest feed that is read, uncompressed: over twenty times the largest one published."""
MAX_USD_PER_HOUR: Final = 10_000.0
"""No instance has ever cost a tenth of it; a higher price is a changed unit."""
MIN_KEPT_SHARE: Final = 0.5
"""With fewer rows than this share of the last good feed's, the feed lost something."""

_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31
_REGION: Final = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+(-[a-z]+-\d+)?")


def refuse(feed: str, wrong: str, right: str) -> NoReturn:
    """Refuse a feed whole.

    Raises:
        FeedRefused: always.
    """
    raise FeedRefused(
        f"{feed} is refused: {wrong}.", remedy=f"Expected {right}; the last good one stays in use."
    )


def digest_of(content: bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(content).hexdigest()


def uncompress(content: bytes, feed: str, max_bytes: int = MAX_BYTES) -> bytes:
    """The content, un-gzipped where its first bytes say that it is gzip.

    Raises:
        FeedRefused: empty, cut off, corrupt, or larger than max_bytes uncompressed.
    """
    if content.startswith(_GZIP_MAGIC):
        content = _gunzip(content, feed, max_bytes)
    if len(content) > max_bytes:
        refuse(feed, f"it is over {max_bytes / 1e6:g} MB", "a feed within the size limit")
    if not content.strip():
        refuse(feed, "it is empty", "JSON or CSV text")
    return content


def _gunzip(content: bytes, feed: str, max_bytes: int) -> bytes:
    unpacked = bytearray()
    while content:
        unzip = zlib.decompressobj(_GZIP_WINDOW)
        try:
            unpacked += unzip.decompress(content, max_bytes + 1 - len(unpacked))
        except zlib.error as exc:
            refuse(feed, f"its gzip data is corrupt ({exc})", "a complete gzip file")
        if len(unpacked) > max_bytes:
            return bytes(unpacked)
        if not unzip.eof:
            refuse(feed, "its gzip data is cut off", "a complete gzip file")
        content = unzip.unused_data.lstrip(b"\0")
    return bytes(unpacked)


def decode(content: bytes, shape: type[T], feed: str) -> T:
    """JSON into typed structs.

    Raises:
        FeedRefused: no JSON, cut off, of another shape, or a key stands twice in one object.
    """
    try:
        decoded = msgspec.json.decode(content, type=shape)
        json.loads(content, object_pairs_hook=_unique)
    except msgspec.ValidationError as exc:
        place = " > ".join(_first_fault(msgspec.json.decode(content), shape))
        refuse(feed, f"{place or 'its outer object'}: {exc}", "the shape that AWS publishes")
    except msgspec.DecodeError as exc:
        refuse(feed, f"it is cut off or no JSON ({exc})", "a complete JSON document")
    except _KeyTwiceError as exc:
        refuse(feed, f"the key {exc} stands twice in one object", "every key once")
    except (UnicodeDecodeError, RecursionError) as exc:
        refuse(feed, f"it is no readable JSON ({exc})", "a complete JSON document in UTF-8")
    return decoded


class _KeyTwiceError(Exception):
    """A JSON object holds a key twice: decoders keep the last value in silence."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _KeyTwiceError(repr(next(key for key in keys if keys.count(key) > 1)))
    return found


def _first_fault(value: Any, shape: Any) -> list[str]:
    """The keys that lead to the first value of another shape; msgspec itself shows them as dots."""
    if get_origin(shape) is dict and isinstance(value, dict):
        children = [(str(key), child, get_args(shape)[1]) for key, child in value.items()]
    elif isinstance(shape, type) and issubclass(shape, msgspec.Struct) and isinstance(value, dict):
        children = [
            (field.encode_name, value[field.encode_name], field.type)
            for field in msgspec.structs.fields(shape)
            if field.encode_name in value
        ]
    else:
        return []
    for key, child, child_shape in children:
        try:
            msgspec.convert(child, child_shape)
        except msgspec.ValidationError:
            return [key, *_first_fault(child, child_shape)]
    return []


def check_names(feed: str, regions: Iterable[str], instance_types: Iterable[str]) -> None:
    """Refuse names that no region or instance type can have.

    Raises:
        FeedRefused: names the first one.
    """
    for region in set(regions):
        if not _REGION.fullmatch(region):
            refuse(feed, f"{region!r} is no region", "a region such as 'us-east-1'")
    for instance_type in set(instance_types):
        try:
            parse_type(instance_type)
        except ValueError as exc:
            refuse(feed, str(exc), "instance types such as 'm6i.xlarge'")


def price_of(text: str | float, feed: str, place: str) -> float:
    """A price in USD per hour; 0 is how some feeds say "not priced".

    Raises:
        FeedRefused: no number, NaN, infinite, negative or absurd.
    """
    try:
        price = float(text)
    except ValueError:
        price = math.nan
    if not 0.0 <= price <= MAX_USD_PER_HOUR:
        refuse(feed, f"{place} costs {text!r}", f"a price in 0..{MAX_USD_PER_HOUR:g} USD per hour")
    return price


def table(
    kind: FeedKind, rows: Sequence[Sequence[object]], feed: str, previous_rows: int = 0
) -> pd.DataFrame:
    """The rows of a feed, unless there are implausibly few.

    Args:
        kind: names the columns.
        rows: in the order of FEED_COLUMNS[kind].
        feed: a person's name for it.
        previous_rows: of the last good one; 0 where there is none.
    Raises:
        FeedRefused: no row, or under half of previous_rows.
    """
    if not rows:
        refuse(feed, "it holds no rows", "at least one")
    if len(rows) < previous_rows * MIN_KEPT_SHARE:
        refuse(
            feed,
            f"it holds {len(rows)} rows where the last good one held {previous_rows}",
            f"at least {MIN_KEPT_SHARE:.0%} of them",
        )
    return pd.DataFrame(list(rows), columns=list(FEED_COLUMNS[kind]))
