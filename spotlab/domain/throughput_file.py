"""Files of measured throughputs: CSV with a line for each instance type or family."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Final

from spotlab.domain.throughputs import MAX_THROUGHPUTS, Throughput
from spotlab.errors import InvalidInput
from spotlab.telemetry.invisible_characters import visible

COLUMNS: Final = ("name", "throughput", "unit", "measured_at", "note")
REQUIRED: Final = COLUMNS[:2]
MAX_FILE_BYTES: Final = 1024 * 1024
EXAMPLE: Final = (
    "name,throughput,unit,measured_at,note\nm7g.large,1180,images/s,2026-11-03,batch 32\n"
)
_NUMBER: Final = re.compile(r"[0-9]+\.?[0-9]*([eE][+-]?[0-9]+)?")
_MAX_NUMBER: Final = 40


def parse_throughputs(content: bytes) -> tuple[tuple[Throughput, ...], str]:
    """The throughputs in a file, and their unit ("" if the file does not say).

    Args:
        content: CSV in UTF-8 with the columns `name` and `throughput`, and optionally `unit`,
            `measured_at` (year-month-day) and `note`. Without a header line, the columns have
            this order. The unit is the same on all lines that have one.
    Raises:
        InvalidInput: names the line, what is wrong and what would be right.
    """
    if len(content) > MAX_FILE_BYTES:
        raise InvalidInput(
            f"The file has {len(content):,} bytes.",
            remedy=f"Use at most {MAX_FILE_BYTES:,} bytes.",
            field="file",
        )
    found: dict[str, tuple[int, Throughput]] = {}
    unit, unit_line = "", 0
    for number, fields in _lines(content):
        throughput = _throughput(number, fields)
        if throughput.name in found:
            raise _wrong(
                number,
                f"{throughput.name} is on line {found[throughput.name][0]} already",
                "each type or family once",
            )
        if len(found) == MAX_THROUGHPUTS:
            raise _wrong(number, "there are too many lines", f"at most {MAX_THROUGHPUTS:,}")
        found[throughput.name] = (number, throughput)
        if fields["unit"] and unit and fields["unit"] != unit:
            raise _wrong(
                number,
                f"the unit is {_quoted(fields['unit'])}, but {_quoted(unit)} on line {unit_line}",
                "one unit in a file, so that its figures can be compared",
            )
        if fields["unit"] and not unit:
            unit, unit_line = fields["unit"], number
    if not found:
        raise InvalidInput(
            "The file has no throughputs.", remedy=f"Use lines such as:\n{EXAMPLE}", field="file"
        )
    return tuple(each for _, each in found.values()), unit


def _lines(content: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line with its number and its fields by column; an absent column is ""."""
    try:
        text = io.StringIO(content.decode("utf-8-sig"), newline="")
        reader = csv.reader(text, strict=True, skipinitialspace=True)
        columns: Sequence[str] | None = None
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if columns is None:
                columns = _columns(cells)
                if columns is not COLUMNS:
                    continue
            if len(cells) > len(columns) or len(cells) < len(REQUIRED):
                raise _wrong(
                    reader.line_num,
                    f"it has {len(cells)} field{'s' * (len(cells) > 1)}",
                    f"{len(REQUIRED)} to {len(columns)}: {', '.join(columns)}",
                )
            yield (
                reader.line_num,
                dict.fromkeys(COLUMNS, "") | dict(zip(columns, cells, strict=False)),
            )
    except UnicodeDecodeError as exc:
        raise InvalidInput(
            f"The file is not text ({exc.reason}).", remedy="Save it as CSV in UTF-8.", field="file"
        ) from exc
    except csv.Error as exc:
        raise InvalidInput(
            f"The file is not CSV: line {reader.line_num}, {exc}.",
            remedy='Put a text with a comma or a quotation mark between quotation marks: "a, b".',
            field="file",
        ) from exc


def _columns(first: Sequence[str]) -> Sequence[str]:
    """The columns that the first line names; COLUMNS itself if it is no header."""
    if len(first) > 1 and _NUMBER.fullmatch(first[1]):
        return COLUMNS
    names = [cell.lower() for cell in first]
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in COLUMNS]
    repeated = len(set(names)) < len(names)
    if missing or unknown or repeated:
        problem = (
            f"there is no column {missing[0]}"
            if missing
            else f"there is no column named {_quoted(unknown[0])}"
            if unknown
            else "a column is named twice"
        )
        raise _wrong(1, problem, f"a header with commas, such as {','.join(COLUMNS)}")
    return names


def _throughput(line: int, fields: Mapping[str, str]) -> Throughput:
    value = fields["throughput"]
    if len(value) > _MAX_NUMBER or not _NUMBER.fullmatch(value):
        raise _wrong(
            line,
            f"the throughput of {_quoted(fields['name'])} is {_quoted(value)}",
            "a number above 0 with a decimal point, such as 1180.5",
        )
    try:
        return Throughput(
            fields["name"].lower(),
            float(value),
            _date(line, fields["measured_at"]),
            fields["note"],
        )
    except InvalidInput as exc:
        raise InvalidInput(f"Line {line}: {exc.message}", remedy=exc.remedy, field="file") from exc


def _date(line: int, text: str) -> date | None:
    if not text:
        return None
    try:
        if len(text) != len("2026-11-03"):
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError as exc:
        problem = f"measured_at is {_quoted(text)}"
        raise _wrong(line, problem, "a date such as 2026-11-03, or nothing") from exc


def _quoted(text: str) -> str:
    return repr(visible(text[:40]))


def _wrong(line: int, problem: str, right: str) -> InvalidInput:
    return InvalidInput(f"Line {line}: {problem}.", remedy=f"Use {right}.", field="file")
