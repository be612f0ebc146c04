"""Whether the figures stored in docs/results.md are the measured ones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

TOLERANCE: Final = 0.02
INTERVAL_TOLERANCE: Final = 0.1
MISSING: Final = "(missing)"
_NUMBER: Final = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?")

_Key: TypeAlias = tuple[str, int, str, int, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """A cell whose stored text is not the measured one.

    Args:
        section: heading.
        row: first cell of the row.
        column: header of the column.
        stored, measured: texts; MISSING where a document lacks the cell.
    """

    section: str
    row: str
    column: str
    stored: str
    measured: str

    def __str__(self) -> str:
        return (
            f"{self.section}: {self.row}: {self.column}: "
            f"stored {self.stored}, measured {self.measured}"
        )


def differences(stored: str, measured: str, partial: bool = False) -> list[Difference]:
    """Cells that differ between two documents by more than the tolerance.

    Numbers may differ by TOLERANCE, and ends of intervals by INTERVAL_TOLERANCE of the larger
    one, or by two units of the last digit shown. Other text must be the same.

    Args:
        stored, measured: documents as Results.as_markdown writes them.
        partial: only some sections were measured: others, and the tables of all targets and
            data, are compared as far as they were measured.
    """
    before, after = dict(_cells(stored)), dict(_cells(measured))
    measured_sections = {key[0] for key in after} - {"Targets", "Data"}
    found = []
    for key in dict.fromkeys([*before, *after]):
        section, _, row, _, column = key
        if partial and key not in after and section not in measured_sections:
            continue
        old, new = before.get(key, MISSING), after.get(key, MISSING)
        if not _alike(old, new, INTERVAL_TOLERANCE if "95 %" in column else TOLERANCE):
            found.append(Difference(section, row, column or "verdict", old, new))
    return found


def _cells(text: str) -> Iterator[tuple[_Key, str]]:
    section, table, header, seen = "", 0, [""], Counter[str]()
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("## "):
            section, table = line[3:], 0
        if not line.startswith("| ") or line.startswith("| :--"):
            continue
        cells = [cell.strip() for cell in line[1:].rstrip().removesuffix("|").split("|")]
        if lines[number + 1 : number + 2] and lines[number + 1].startswith("| :--"):
            header, seen, table = cells, Counter(), table + 1
            continue
        seen[cells[0]] += 1
        for column, cell in zip(header[1:], cells[1:], strict=False):
            yield (section, table, cells[0], seen[cells[0]], column), cell


def _alike(stored: str, measured: str, tolerance: float) -> bool:
    old, new = (text.replace("\N{MINUS SIGN}", "-") for text in (stored, measured))
    if old == new:
        return True
    if "`" in old or _NUMBER.sub("#", old) != _NUMBER.sub("#", new):
        return False
    pairs = zip(_NUMBER.findall(old), _NUMBER.findall(new), strict=True)
    return all(_close(one, other, tolerance) for one, other in pairs)


def _close(one: str, other: str, tolerance: float) -> bool:
    first, second = (float(text.replace(",", "")) for text in (one, other))
    unit = 10.0 ** -len(one.partition(".")[2])
    return abs(first - second) <= max(
        tolerance * max(abs(first), abs(second)), 2.001 * unit if unit < 1.0 else 0.0
    )
