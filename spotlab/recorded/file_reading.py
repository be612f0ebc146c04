"""Reading recorded files within limits, and the checks that all readers share."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from spotlab.domain.bounded_decoding import GZIP_MAGIC, gunzip, parse_json
from spotlab.domain.bounded_decoding import csv_lines as text_lines
from spotlab.errors import InvalidInput

if TYPE_CHECKING:
    import pandas as pd

MAX_BYTES: Final = 256_000_000
"""Size limit of a file, uncompressed: enough for price histories of three months."""
_MAX_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class RecordedTable:
    """A table that was read from a recorded file.

    Args:
        rows: the table; the reader defines its columns.
        source: name of the file and how it was read.
        rejected: one sentence for each part that was skipped or set aside, with the reason.
        notice: the data's licence and its conditions; "": no known licence.
    """

    rows: pd.DataFrame
    source: str
    rejected: tuple[str, ...] = ()
    notice: str = ""


def reject(where: Path | str, problem: str, expected: str) -> NoReturn:
    """Reject a whole file.

    Raises:
        InvalidInput: always.
    """
    printable = "".join(char if char.isprintable() else "?" for char in problem[:_MAX_SHOWN])
    raise InvalidInput(f"{where}: {printable}.", remedy=f"Expected {expected}.")


def read_file(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The file's content, decompressed if its first bytes are those of gzip.

    Raises:
        InvalidInput: missing, unreadable, empty, truncated, corrupt, or larger than max_bytes.
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
    """SHA-256 of the uncompressed content, hex, so that it does not depend on compression.

    Raises:
        InvalidInput: as in `read_file`.
    """
    return hashlib.sha256(read_file(path)).hexdigest()


def read_json(content: bytes, where: Path | str) -> Any:
    """A JSON document; NaN and Infinity, which are not JSON, are rejected.

    Raises:
        InvalidInput: not JSON, truncated, or too many values.
    """

    def reject_constant(text: str) -> NoReturn:
        reject(where, f"it contains {text}, which is not a JSON number", "numbers or null")

    return parse_json(content, partial(reject, where), parse_constant=reject_constant)


def csv_lines(
    content: bytes, where: Path | str, columns: Sequence[str], declared: Sequence[str] = ()
) -> Iterator[tuple[str, dict[str, str]]]:
    """Each line with its position, such as "line 7"; additional columns are preserved.

    Raises:
        InvalidInput: a column is missing, or a line has more or fewer fields than the header.
    """
    return text_lines(content, columns, partial(reject, where), declared)


def amount(text: str, where: Path | str, place: str) -> float:
    """A finite number of 0 or more.

    Raises:
        InvalidInput: it is no such number.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0.0 <= number < math.inf:
        reject(where, f"{place} is {text!r}", "a number of 0 or more")
    return number


def utc(text: object, where: Path | str, place: str) -> datetime:
    """An ISO 8601 time with an offset, as aware UTC.

    Raises:
        InvalidInput: not a time, or without a time zone.
    """
    try:
        parsed = datetime.fromisoformat(str(text).strip())
        at = parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        reject(where, f"{place} is {text!r}, not a time", "a time such as 2023-02-15T22:00:00Z")
    if parsed.tzinfo is None:
        reject(
            where,
            f"{place} is {text!r}, without a time zone",
            "a time such as 2023-02-15T22:00:00Z",
        )
    return at
