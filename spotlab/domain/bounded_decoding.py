"""Decoding of file contents within limits: gzip, JSON, CSV by line."""

from __future__ import annotations

import csv
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NoReturn

GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31
_ESCAPED_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
"""A lone surrogate is not valid text: neither a database nor a screen accepts it."""
MAX_VALUES: Final = 8_000_000
MAX_CONTAINERS: Final = 1_000_000
"""Of one JSON document. An empty list takes twenty times as much memory as space in the file; the
largest recorded document has a tenth of each limit."""

Reject = Callable[[str, str], NoReturn]
"""Called with the problem and what would be valid; raises the caller's own error."""


def gunzip(content: bytes, max_bytes: int, refuse: Reject) -> bytes:
    """The decompressed members of a gzip file; stops after max_bytes, with at least one byte more.

    Raises:
        Whatever `reject` raises: the file is truncated or corrupt.
    """
    unpacked = bytearray()
    while content:
        unzip = zlib.decompressobj(_GZIP_WINDOW)
        try:
            unpacked += unzip.decompress(content, max_bytes + 1 - len(unpacked))
        except zlib.error as exc:
            refuse(f"its gzip data is corrupt ({exc})", "a complete gzip file")
        if len(unpacked) > max_bytes:
            return bytes(unpacked)
        if not unzip.eof:
            refuse("its gzip data is truncated", "a complete gzip file")
        content = unzip.unused_data.lstrip(b"\0")
    return bytes(unpacked)


def parse_json(content: bytes, refuse: Reject, **hooks: Any) -> Any:
    """A JSON document that is not much larger in memory than in its file.

    Args:
        content: the document, UTF-8.
        refuse: see `Reject`.
        hooks: arguments of `json.loads`; their exceptions pass through.
    Raises:
        Whatever `reject` raises: not JSON, truncated, nested too deeply, too many values, or a lone
            surrogate.
    """
    if (
        content.count(b",") > MAX_VALUES
        or content.count(b"[") + content.count(b"{") > MAX_CONTAINERS
    ):
        refuse(
            "it contains too many values",
            f"up to {MAX_VALUES:,} values and {MAX_CONTAINERS:,} lists and objects",
        )
    try:
        document = json.loads(content, **hooks)
        if _ESCAPED_SURROGATE.search(content):
            json.dumps(document, ensure_ascii=False).encode()
    except json.JSONDecodeError as exc:
        refuse(f"it is truncated or not JSON ({exc})", "a complete JSON document")
    except (ValueError, RecursionError) as exc:
        refuse(f"it is not readable JSON ({exc})", "a complete JSON document in UTF-8")
    return document


def csv_lines(
    content: bytes,
    columns: Sequence[str],
    refuse: Reject,
    declared: Sequence[str] = (),
) -> Iterator[tuple[str, dict[str, str]]]:
    """Each line with its position, such as "line 7"; additional columns are included.

    Args:
        content: the file.
        columns: that it must have.
        refuse: see `Reject`.
        declared: names of its columns, in order, if it has no header line; a header line that has
            these names is not a record.
    Raises:
        Whatever `reject` raises: a column is missing, a line has more or fewer fields than the
            header, or the content is not text.
    """
    try:
        text = io.StringIO(content.decode("utf-8-sig"), newline="")
        names = list(declared) or None
        reader = csv.DictReader(text, names, strict=True, skipinitialspace=True)
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            refuse(f"it lacks {', '.join(missing)}", f"the columns {', '.join(columns)}")
        for line in reader:
            place = f"line {reader.line_num}"
            if names and reader.line_num == 1 and list(line.values()) == names:
                continue
            if None in line or None in line.values():
                refuse(f"{place} has more or fewer fields than the header", "the same number")
            yield place, line
    except UnicodeDecodeError as exc:
        refuse(f"it is not text ({exc.reason})", "CSV in UTF-8")
    except csv.Error as exc:
        refuse(f"it is not CSV ({exc})", "CSV with a header line")
