"""Bytes of a file as text: un-gzipped within a limit, JSON, CSV by line."""

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
_MAYBE_HALF_A_CHARACTER: Final = re.compile(rb"\\u[dD][89a-fA-F]")
"""An escaped surrogate: alone it is no text, and neither a database nor a screen takes it."""
MAX_VALUES: Final = 8_000_000
MAX_CONTAINERS: Final = 1_000_000
"""Of one JSON document. In memory an empty list takes twenty times what it takes in the file; the
largest document that is recorded here holds a tenth of either."""

Refuse = Callable[[str, str], NoReturn]
"""Called with what is wrong and what would be right; raises the caller's own error."""


def gunzip(content: bytes, max_bytes: int, refuse: Refuse) -> bytes:
    """Every member of a gzip file; more than max_bytes once it is known to be larger.

    Raises:
        What `refuse` raises: cut off or corrupt.
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
            refuse("its gzip data is cut off", "a complete gzip file")
        content = unzip.unused_data.lstrip(b"\0")
    return bytes(unpacked)


def parse_json(content: bytes, refuse: Refuse, **hooks: Any) -> Any:
    """A JSON document that is not much larger in memory than in its file.

    Args:
        content: the document, UTF-8.
        refuse: see `Refuse`.
        hooks: what `json.loads` takes; what they raise passes through.
    Raises:
        What `refuse` raises: no JSON, cut off, nested too deep, of too many values, or with half a
            character.
    """
    if (
        content.count(b",") > MAX_VALUES
        or content.count(b"[") + content.count(b"{") > MAX_CONTAINERS
    ):
        refuse(
            "it holds too many values",
            f"up to {MAX_VALUES:,} values and {MAX_CONTAINERS:,} lists and objects",
        )
    try:
        document = json.loads(content, **hooks)
        if _MAYBE_HALF_A_CHARACTER.search(content):
            json.dumps(document, ensure_ascii=False).encode()
    except json.JSONDecodeError as exc:
        refuse(f"it is cut off or no JSON ({exc})", "a complete JSON document")
    except (ValueError, RecursionError) as exc:
        refuse(f"it is no readable JSON ({exc})", "a complete JSON document in UTF-8")
    return document


def csv_lines(
    content: bytes, columns: Sequence[str], refuse: Refuse
) -> Iterator[tuple[str, dict[str, str]]]:
    """Each line with its place, such as "line 7"; columns beyond those asked for are kept.

    Raises:
        What `refuse` raises: a column is missing, a line has more or fewer fields than the
            header, or it is no text.
    """
    try:
        text = io.StringIO(content.decode("utf-8-sig"), newline="")
        reader = csv.DictReader(text, strict=True, skipinitialspace=True)
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            refuse(f"it lacks {', '.join(missing)}", f"the columns {', '.join(columns)}")
        for line in reader:
            place = f"line {reader.line_num}"
            if None in line or None in line.values():
                refuse(f"{place} has more or fewer fields than the header", "as many")
            yield place, line
    except UnicodeDecodeError as exc:
        refuse(f"it is no text ({exc.reason})", "CSV in UTF-8")
    except csv.Error as exc:
        refuse(f"it is no CSV ({exc})", "CSV with a header line")
