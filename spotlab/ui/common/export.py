"""Export of a table: CSV for programs, LaTeX for papers, HTML for reports."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.access import Right
from spotlab.telemetry.invisible_characters import visible
from spotlab.ui.common import identity
from spotlab.ui.common.formatting import UNKNOWN
from spotlab.ui.common.tables import as_seen

STYLE: Final = (
    "body{font:15px/1.45 system-ui,sans-serif;margin:2rem;color:#101418}"
    "table{border-collapse:collapse}caption{text-align:left;font-weight:600;padding:.4rem 0}"
    "th,td{padding:.3rem .7rem;border-bottom:1px solid #DDE2E7;text-align:right}"
    "th{border-bottom:2px solid #535C67}th:first-child,td:first-child{text-align:left}"
    "footer{color:#535C67;margin-top:1rem}"
)


_FORMULA: Final = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Table:
    """A table to export.

    Args:
        frame: the rows; NaN and None are unknown.
        caption: what the table shows, with units and dates.
        headers: header by column name, in order; only these columns are exported.
        digits: decimals of a column's numbers in LaTeX and HTML; CSV has all digits.
        notes: sources and limits, one sentence each.
    """

    frame: pd.DataFrame
    caption: str
    headers: Mapping[str, str]
    digits: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def as_csv(table: Table) -> bytes:
    """CSV with all digits; unknown is an empty field; headers are the column names."""
    return csv_of(table.frame[list(table.headers)])


def csv_of(frame: pd.DataFrame) -> bytes:
    """A frame as CSV that is safe in a spreadsheet: no text in it is a formula.

    A text that begins like a formula gets an apostrophe, which spreadsheets read as "this is
    text"; a text that is a number, such as -0.5, is unchanged.
    """
    changed = frame.rename(columns=lambda name: _no_formula(str(name)))
    for number, name in enumerate(frame.columns):
        column = frame.iloc[:, number]
        if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
            texts = [_no_formula(each) if isinstance(each, str) else each for each in column]
            changed[_no_formula(str(name))] = pd.Series(texts, index=frame.index, dtype=object)
    return bytes(changed.to_csv(index=False).encode())


def _no_formula(text: str) -> str:
    escaped = visible(text)
    return f"'{escaped}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else escaped


def as_latex(table: Table) -> bytes:
    """A `table` environment in booktabs style, ready to include; text is escaped.

    The notes are below the rules, so that numbers are never without their source.
    """
    style = _styled(table, escape="latex").hide(axis="index")
    rows = style.to_latex(
        hrules=True,
        position="t",
        position_float="centering",
        caption=_latex(table.caption),
        label="tab:" + re.sub(r"[^a-z0-9]+", "-", table.caption.lower()).strip("-")[:40],
        column_format="".join("r" if number else "l" for number in _numbers(table)),
    )
    notes = "".join(f"\\\\[2pt]{{\\footnotesize {_latex(note)}}}\n" for note in table.notes)
    return rows.replace("\\end{table}", f"{notes}\\end{{table}}").encode()


def as_html(table: Table) -> bytes:
    """A self-contained document; text is escaped."""
    style = _styled(table, escape="html").hide(axis="index").set_caption(html.escape(table.caption))
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in table.notes)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(table.caption)}</title><style>{STYLE}</style></head><body>"
        f"{style.to_html(bold_headers=True)}<footer>{notes}</footer></body></html>"
    ).encode()


def offer(table: Callable[[], Table], file_name: str, key: str) -> None:
    """Three buttons that build their file when they are clicked.

    Args:
        table: builds the table.
        file_name: without suffix.
        key: of the widgets.
    """
    formats = (
        ("CSV", "csv", "text/csv", as_csv),
        ("LaTeX", "tex", "application/x-tex", as_latex),
        ("HTML", "html", "text/html", as_html),
    )
    with st.container(horizontal=True):
        for label, suffix, mime, write in formats:
            st.download_button(
                label,
                data=_deferred(write, table),
                file_name=f"{file_name}.{suffix}",
                mime=mime,
                icon=":material/download:",
                on_click="ignore",
                key=f"{key}-{suffix}",
            )


def _deferred(write: Callable[[Table], bytes], table: Callable[[], Table]) -> Callable[[], bytes]:
    reader = identity.deferred_reader()

    def build() -> bytes:
        reader().require(Right.READ)
        return write(table())

    return build


def _styled(table: Table, escape: str) -> pd.io.formats.style.Styler:
    """The rows as on the screen: header texts, sensible digits, unknown as a dash."""
    plain = _latex if escape == "latex" else html.escape
    shown = as_seen(table.frame[list(table.headers)]).rename(
        columns={name: plain(header) for name, header in table.headers.items()}
    )
    style = shown.style.format(na_rep=UNKNOWN, escape=escape, precision=3)
    for name, digits in table.digits.items():
        style = style.format(
            f"{{:,.{digits}f}}", subset=[plain(table.headers[name])], na_rep=UNKNOWN
        )
    return style


def _numbers(table: Table) -> list[bool]:
    return [pd.api.types.is_numeric_dtype(table.frame[name]) for name in table.headers]


_LATEX_SIGNS: Final = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def _latex(text: str) -> str:
    return "".join(_LATEX_SIGNS.get(sign, sign) for sign in visible(text))
