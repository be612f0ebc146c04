"""Figures, targets and tables of docs/results.md as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Target:
    """Target of a figure.

    Args:
        number: the limit, which itself counts as reached.
        at_least: True: a lower limit; False: an upper limit.
    """

    number: float
    at_least: bool = True

    def reached(self, value: float) -> bool:
        """Whether a value reaches the target, rounded as it is shown, to three or four digits."""
        digits = max(3, len(f"{self.number:.10g}".partition(".")[2]))
        shown = round(value, digits)
        return shown >= self.number if self.at_least else shown <= self.number

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.number:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    Args:
        what: task and split.
        measure: such as "AUC".
        value: None if undefined.
        low, high: 95 % interval; None if there is none.
        target: None if there is none.
    """

    what: str
    measure: str
    value: float | None
    low: float | None = None
    high: float | None = None
    target: Target | None = None

    @property
    def verdict(self) -> str:
        """Whether the target was reached, in words; "—" without target or value."""
        if self.target is None or self.value is None:
            return "—"
        return "reached" if self.target.reached(self.value) else "not reached"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts.

    Args:
        header: of each column; the first column is left-aligned, the others right-aligned.
        rows: one text per column.
        caption: a sentence above the table.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the document.

    Args:
        title: heading.
        description: sentences about the measurement.
        figures: with or without target.
        tables: details.
        skipped: why nothing was measured; "" if it was measured.
    """

    title: str
    description: str
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Results:
    """The whole document.

    Args:
        date: ISO date of the measurement.
        versions: of the software, by name.
        files: (file, SHA-256 of the un-gzipped content, licence).
        sections: in order.
        notes: paragraphs at the top.
    """

    date: str
    versions: dict[str, str]
    files: Sequence[tuple[str, str, str]]
    sections: Sequence[Section]
    notes: Sequence[str] = field(default_factory=tuple)

    def as_markdown(self) -> str:
        """The document as Markdown."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        figures = [f for section in self.sections for f in section.figures if f.target]
        parts = [
            "# Results",
            "Written by `spotlab results --write`: do not edit. `make results` checks it.",
            f"Measured on {self.date} with {versions}.",
            *self.notes,
            "## Targets",
            markdown(_targets_table(figures)) if figures else "None was measured.",
            *(text for section in self.sections for text in _section_parts(section)),
            "## Data",
            markdown(Table(("file", "SHA-256 (start)", "licence"), _file_rows(self.files))),
        ]
        return "\n\n".join(parts) + "\n"


def number(value: float | None, digits: int = 3) -> str:
    """The number as text, or a dash if it is None or not finite.

    >>> number(0.12345), number(None)
    ('0.123', '—')
    """
    if value is None or not math.isfinite(value):
        return "—"
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """The interval as text, or a dash if it is None."""
    return (
        "—" if low is None or high is None else f"{number(low, digits)} to {number(high, digits)}"
    )


def markdown(table: Table) -> str:
    """The table as Markdown, below its caption."""
    marks = [":--", *(["--:"] * (len(table.header) - 1))]
    lines = [_line(table.header), _line(marks), *(_line(row) for row in table.rows)]
    return "\n".join([*([table.caption, ""] if table.caption else []), *lines])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _targets_table(figures: Sequence[Figure]) -> Table:
    rows = [
        (
            f"{figure.what}: {figure.measure}",
            number(figure.value, 4),
            interval(figure.low, figure.high, 4),
            str(figure.target),
            figure.verdict,
        )
        for figure in figures
    ]
    return Table(("what", "measured", "95 % interval", "to reach", ""), rows)


def _section_parts(section: Section) -> list[str]:
    parts = [f"## {section.title}", section.description]
    if section.skipped:
        parts.append(f"Skipped: {section.skipped}")
    others = [figure for figure in section.figures if figure.target is None]
    if others:
        rows = [
            (f"{f.what}: {f.measure}", number(f.value, 4), interval(f.low, f.high, 4))
            for f in others
        ]
        parts.append(markdown(Table(("what", "measured", "95 % interval"), rows)))
    return [*parts, *(markdown(table) for table in section.tables)]


def _file_rows(files: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    return [(f"`{name}`", f"`{digest[:16]}`", licence) for name, digest, licence in files]
