"""Bytes of a recorded file, un-gzipped under limits, and what every reader refuses with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

import pandas as pd

from spotlab.domain.content import GZIP_MAGIC, gunzip, parse_json
from spotlab.domain.content import csv_lines as text_lines
from spotlab.errors import InvalidInput

MAX_BYTES: Final = 256_000_000
"""The largest file that is read, uncompressed: price histories of a quarter take most of it."""
_MAX_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Reading:
    """A table that was read from a recorded file.

    Args:
        rows: the table; its columns are the reader's.
        source: the file's name and how it was read.
        refused: what was left out of it and why, one sentence each; the rest is whole.
        notice: the data's licence and what it asks for; "" where the file is under no known one.
        trains: whether a model that the project ships may learn from it.
    """

    rows: pd.DataFrame
    source: str
    refused: tuple[str, ...] = ()
    notice: str = ""
    trains: bool = True


def reject(where: Path | str, wrong: str, right: str) -> NoReturn:
    """Refuse a file whole, by name.

    Raises:
        InvalidInput: always.
    """
    shown = "".join(char if char.isprintable() else "?" for char in wrong[:_MAX_SHOWN])
    raise InvalidInput(f"{where}: {shown}.", remedy=f"Expected {right}.")


def read_file(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The file's content, un-gzipped where its first bytes say that it is gzip.

    Raises:
        InvalidInput: missing, unreadable, empty, cut off, corrupt, or larger than max_bytes.
    """
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as exc:
        reject(path, f"it cannot be read ({exc.strerror})", "a readable file")
    if content.startswith(GZIP_MAGIC) and len(content) <= max_bytes:
        content = gunzip(content, max_bytes, partial(reject, path))
    if len(content) > max_bytes:
        reject(path, f"it is over {max_bytes / 1e6:g} MB", "a file within the size limit")
    if not content.strip():
        reject(path, "it is empty", "JSON or CSV text")
    return content


def digest_of_file(path: Path) -> str:
    """SHA-256 of the un-gzipped content, hex: compressing a file again changes nothing.

    Raises:
        InvalidInput: as `read_file`.
    """
    return hashlib.sha256(read_file(path)).hexdigest()


def read_json(content: bytes, where: Path | str) -> Any:
    """A JSON document; NaN and Infinity, which JSON has not, are refused.

    Raises:
        InvalidInput: no JSON, cut off, or of too many values.
    """

    def no_number(text: str) -> NoReturn:
        reject(where, f"it holds {text}, which is no JSON number", "numbers or null")

    return parse_json(content, partial(reject, where), parse_constant=no_number)


def csv_lines(
    content: bytes, where: Path | str, columns: Sequence[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Each line with its place, such as "line 7"; columns beyond those asked for are kept.

    Raises:
        InvalidInput: a column is missing, or a line has more or fewer fields than the header.
    """
    return text_lines(content, columns, partial(reject, where))


def utc(text: object, where: Path | str, place: str) -> datetime:
    """An ISO 8601 time with an offset, as aware UTC.

    Raises:
        InvalidInput: no time, or one that does not say which zone it is in.
    """
    try:
        moment = datetime.fromisoformat(str(text).strip())
        at = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        reject(where, f"{place} is {text!r}, no time", "a time such as 2023-02-15T22:00:00Z")
    if moment.tzinfo is None:
        reject(
            where,
            f"{place} is {text!r}, without a time zone",
            "a time such as 2023-02-15T22:00:00Z",
        )
    return at
