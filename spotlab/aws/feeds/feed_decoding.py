"""Decompressing and decoding the bytes of a feed, within limits."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar, get_args, get_origin

import msgspec

from spotlab.aws.feed_checks import reject
from spotlab.domain.bounded_decoding import GZIP_MAGIC, gunzip, parse_json
from spotlab.domain.odd_records import SetAside

T = TypeVar("T")

MAX_BYTES: Final = 64_000_000
"""Size limit of a feed, uncompressed: over twenty times the largest one published."""


def uncompress(content: bytes, feed: str, max_bytes: int = MAX_BYTES) -> bytes:
    """The content, decompressed if its first bytes are those of gzip.

    Raises:
        FeedRefused: empty, truncated, corrupt, or larger than max_bytes uncompressed.
    """
    if content.startswith(GZIP_MAGIC):
        content = gunzip(content, max_bytes, partial(reject, feed))
    if len(content) > max_bytes:
        reject(feed, f"it is over {max_bytes / 1e6:g} MB", "a feed within the size limit")
    if not content.strip():
        reject(feed, "it is empty", "JSON or CSV text")
    return content


def decode(content: bytes, shape: type[T], feed: str) -> T:
    """Decode JSON to typed structs; the value of a key that appears twice is a `DuplicateKey`.

    Raises:
        FeedRefused: not JSON, truncated, too many values, another structure, or a duplicate key of
            a typed field.
    """
    document = parse_json(content, partial(reject, feed), object_pairs_hook=_with_unique_keys)
    return _converted(document, shape, feed, "its top-level object")


def decode_record(value: Any, shape: type[T], feed: str, place: str) -> T:
    """Decode one record of a document to a typed struct.

    Args:
        value: the record, as JSON gives it.
        shape: of the record.
        feed: display name of the feed.
        place: of the record, such as "us-east-1 > Linux > m5.large".
    Raises:
        FeedRefused: it has another structure or a duplicate key; names the place in it.
    """
    return _converted(value, shape, feed, place)


def decode_part(value: Any, shape: type[T], feed: str, place: str, odd: SetAside) -> T | None:
    """Decode a part that has many records, such as a region; None: it is one odd record.

    Args:
        value, shape, feed, place: as in `decode_record`.
        odd: gets the part if it has another structure.
    Raises:
        FeedRefused: the part, or its list of records, appears twice. One odd record would hide how
            many records are missing.
    """
    has_fields = isinstance(value, dict) and get_origin(shape) is None
    fields = value.values() if has_fields else ()
    for each in (value, *fields):
        if isinstance(each, DuplicateKey):
            reject(feed, f"{place}: {each}", "unique keys")
    decoded: list[T] = []
    with odd.record():
        decoded.append(_converted(value, shape, feed, place))
    return decoded[0] if decoded else None


def _converted(value: Any, shape: type[T], feed: str, place: str) -> T:
    if isinstance(value, DuplicateKey):
        reject(feed, f"{place}: {value}", "unique keys")
    try:
        return msgspec.convert(value, shape)
    except (msgspec.ValidationError, OverflowError) as exc:
        path = _path_of_fault(value, shape)
        problem = f"{DuplicateKey(path[-1])}" if _GOT_DUPLICATE in str(exc) else str(exc)
        reject(feed, f"{' > '.join([place, *path])}: {problem}", "the structure that AWS publishes")


@dataclass(frozen=True, slots=True)
class DuplicateKey:
    """Stands for the values of a key that appears twice in one object of a document.

    Decoders silently use the last value; nothing says which one is right.
    """

    key: str

    def __str__(self) -> str:
        """The problem, for the reason."""
        return f"the key {self.key!r} appears twice in one object"


_GOT_DUPLICATE: Final = f"got `{DuplicateKey.__name__}`"
"""In the messages of msgspec."""


def _with_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        unique.update((key, DuplicateKey(key)) for key, count in counts.items() if count > 1)
    return unique


def _path_of_fault(value: Any, shape: Any) -> list[str]:
    """The keys that lead to the first wrong value; msgspec's own message omits them."""
    if get_origin(shape) is dict and isinstance(value, dict):
        children = [(str(key), child, get_args(shape)[1]) for key, child in value.items()]
    elif isinstance(shape, type) and issubclass(shape, msgspec.Struct) and isinstance(value, dict):
        children = [
            (field.encode_name, value[field.encode_name], field.type)
            for field in msgspec.structs.fields(shape)
            if field.encode_name in value
        ]
    elif get_origin(shape) is list and isinstance(value, list):
        children = [
            (label_of(child, n), child, get_args(shape)[0]) for n, child in enumerate(value)
        ]
    else:
        return []
    for key, child, child_shape in children:
        try:
            msgspec.convert(child, child_shape)
        except (msgspec.ValidationError, OverflowError):
            return [key, *_path_of_fault(child, child_shape)]
    return []


def label_of(item: Any, index: int) -> str:
    """Label of a list element: its first text, such as the region's name, or else its index."""
    texts = item.values() if isinstance(item, dict) else ()
    return next((text for text in texts if isinstance(text, str)), f"element {index}")
