"""Decompressing and decoding the bytes of a feed, within limits."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any, Final, TypeVar, get_args, get_origin

import msgspec

from spotlab.aws.feed_checks import reject
from spotlab.domain.bounded_decoding import GZIP_MAGIC, gunzip, parse_json

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
    """Decode JSON to typed structs.

    Raises:
        FeedRefused: not JSON, truncated, too many values, another structure, or a duplicate key.
    """
    try:
        document = parse_json(content, partial(reject, feed), object_pairs_hook=_with_unique_keys)
    except _DuplicateKeyError as exc:
        reject(feed, f"the key {exc} appears twice in one object", "unique keys")
    try:
        return msgspec.convert(document, shape)
    except (msgspec.ValidationError, OverflowError) as exc:
        place = " > ".join(_path_of_fault(document, shape)) or "its top-level object"
        reject(feed, f"{place}: {exc}", "the structure that AWS publishes")


def decode_record(value: Any, shape: type[T], feed: str, place: str) -> T:
    """Decode one record of a document to a typed struct.

    Args:
        value: the record, as JSON gives it.
        shape: of the record.
        feed: display name of the feed.
        place: of the record, such as "us-east-1 > Linux > m5.large".
    Raises:
        FeedRefused: it has another structure; names the place in it.
    """
    try:
        return msgspec.convert(value, shape)
    except (msgspec.ValidationError, OverflowError) as exc:
        path = " > ".join([place, *_path_of_fault(value, shape)])
        reject(feed, f"{path}: {exc}", "the structure that AWS publishes")


class _DuplicateKeyError(Exception):
    """A JSON object has a duplicate key, of which decoders silently use the last value."""


def _with_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _DuplicateKeyError(repr(next(key for key, count in counts.items() if count > 1)))
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
