"""Tables with right-aligned numbers, units in the header, and sorting by value.

A cell has a text and a value, so that the shown text (a minus sign, sensible digits, a relative
time) and the sorted value (the number, the time) can differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Any, Final, Literal
from zlib import crc32

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from spotlab.telemetry.invisible_characters import visible
from spotlab.ui.common import streamlit_internals
from spotlab.ui.common.formatting import UNKNOWN
from spotlab.ui.common.theme import palette

ROW_PX: Final = 33
HEADER_PX: Final = 35
MARK: Final = "▸"
"""Marks the open row in its first column, and its background."""


@dataclass(frozen=True, slots=True)
class Column:
    """How a column is shown.

    Args:
        label: header, with the unit.
        show: value to text; not called for an unknown one.
        help: on hover over the header: meaning, source, and what "—" means.
        colour: value to #RRGGBB, if the colour carries meaning.
        width: pixels, or one of Streamlit's names.
        number: right-aligned; None: depends on the values.
        link: the values are URLs of other sites.
    """

    label: str
    show: Callable[[Any], str] = str
    help: str = ""
    colour: Callable[[Any], str] | None = None
    width: int | Literal["small", "medium", "large"] | None = None
    number: bool | None = None
    link: bool = False


def show(
    frame: pd.DataFrame,
    columns: Mapping[str, Column],
    *,
    name: str,
    key: str,
    select: Sequence[Literal["multi-row", "single-row", "single-cell"]] = (),
    max_rows: int = 14,
    rows: Sequence[str] = (),
    marked: int | None = None,
) -> list[int]:
    """Show a table.

    Args:
        frame: has at least the columns in `columns`; only those are shown, in that order.
        columns: by name.
        name: accessible name of the table.
        key: of the widget.
        select: what can be selected; empty: nothing.
        max_rows: a longer table scrolls.
        rows: ids of the rows, if there are actions on a selected row: when the rows change, the
            selection is cleared instead of moving to another row.
        marked: position of the row that is open.
    Returns:
        Positions of the selected rows; a clicked cell counts as its row, first.
    """
    shown = frame[list(columns)]
    state = st.dataframe(
        styled(shown, columns, marked),
        hide_index=True,
        height="content" if len(shown) <= max_rows else HEADER_PX + ROW_PX * max_rows,
        column_config={column: _config(spec) for column, spec in columns.items()},
        on_select="rerun" if select else "ignore",
        selection_mode=list(select) or "single-row",
        placeholder=UNKNOWN,
        alt=name,
        key=key_of(key, rows),
    )
    return _selected(state, len(shown)) if select else []


def choose(
    frame: pd.DataFrame,
    columns: Mapping[str, Column],
    *,
    name: str,
    key: str,
    rows: Sequence[str],
    parameter: str,
    max_rows: int = 14,
) -> str | None:
    """Show a table of which one row can be chosen; the URL names it, so that Back returns to it.

    Args:
        frame, columns, name, key, max_rows: as in `show`.
        rows: ids of the rows.
        parameter: of the URL, with the chosen row's id.
    Returns:
        The id in the URL, which may be of no row of this table; None: none is chosen.
    """
    chosen = st.query_params.get(parameter)
    widget = key_of(key, rows)
    marked = _selection([rows.index(chosen)] if chosen in rows else [])
    shown = frame[list(columns)]
    st.dataframe(
        styled(shown, columns),
        hide_index=True,
        height="content" if len(shown) <= max_rows else HEADER_PX + ROW_PX * max_rows,
        column_config={column: _config(spec) for column, spec in columns.items()},
        on_select=partial(_write_choice, widget, tuple(rows), parameter),
        selection_mode=("single-row", "single-cell"),
        selection_default=marked,
        placeholder=UNKNOWN,
        alt=name,
        key=widget,
    )
    return chosen


def _write_choice(widget: str, rows: tuple[str, ...], parameter: str) -> None:
    """Write the chosen row to the URL, and mark it: by its box, or by any cell of it.

    The cell stays selected, so that the arrow keys go on from it.
    """
    selection, last = st.session_state[widget]["selection"], f"{widget} cells"
    marked, cells = list(selection.get("rows", [])), list(selection.get("cells", []))
    moved = cells != st.session_state.get(last, [])
    row = next(iter([cell[0] for cell in cells] if moved and cells else marked), None)
    cells = [cell for cell in cells if cell[0] == row]
    st.session_state[last] = cells
    if row is not None and row < len(rows):
        st.query_params[parameter] = rows[row]
        st.session_state[widget] = _selection([row], cells)
    else:
        st.query_params.pop(parameter, None)
        st.session_state[widget] = _selection([])


def _selection(rows: list[int], cells: Sequence[Any] = ()) -> Any:
    return {"selection": {"rows": rows, "columns": [], "cells": list(cells)}}


def key_of(key: str, rows: Sequence[str]) -> str:
    """A widget key that changes with the ids of a table's rows, or with a form's values."""
    return f"{key} {crc32('|'.join(rows).encode()):08x}" if rows else key


def styled(frame: pd.DataFrame, columns: Mapping[str, Column], marked: int | None = None) -> Styler:
    """The frame with the text and colour of each cell, and the marked row.

    Args:
        frame: only the columns in `columns`, in that order.
        columns: by name.
        marked: position of the row that is open.
    """
    seen = as_seen(frame)
    texts, css = dict[str, list[str]](), dict[tuple[int, int], list[str]]()
    for position, (name, spec) in enumerate(columns.items()):
        values = list(seen[name])
        texts[name] = [_text(value, spec.show) for value in values]
        if spec.colour is not None:
            for row, value in enumerate(values):
                css[row, position] = [f"color: {spec.colour(value)}", "font-weight: 600"]
        if marked is not None:
            css.setdefault((marked, position), []).append(f"background-color: {palette().scale[0]}")
    if marked is not None:
        first = next(iter(columns))
        texts[first][marked] = f"{MARK} {texts[first][marked]}"
    cells: dict[str, list[str]] = defaultdict(list)
    for (row, position), declarations in sorted(css.items()):
        cells["; ".join(declarations)].append(f"row{row}_col{position}")
    return streamlit_internals.with_cells(
        seen, pd.DataFrame(texts, index=seen.index, dtype=object), cells
    )


def _text(value: Any, show: Callable[[Any], str]) -> str:
    """The text of a cell. A column that says nothing else shows numbers with six digits."""
    if pd.isna(value) is True:
        return UNKNOWN
    if show is not str:
        return show(value)
    if isinstance(value, Enum):
        return str(value.value)
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def as_seen(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with invisible characters in its texts as escapes."""
    changed = {}
    for name in frame.columns:
        column = frame[name]
        if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
            changed[name] = column.map(
                lambda each: visible(each) if isinstance(each, str) else each
            )
    return frame.assign(**changed) if changed else frame


def at(now: datetime, text_of: Callable[[datetime, datetime], str]) -> Callable[[Any], str]:
    """A column's `show` for times relative to now."""
    return lambda value: text_of(pd.Timestamp(value).to_pydatetime(), now)


def _css(colour: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: f"color: {colour(value)}; font-weight: 600"


def _config(spec: Column) -> Any:
    if spec.link:
        return st.column_config.LinkColumn(spec.label, help=spec.help or None, width=spec.width)
    return st.column_config.Column(
        spec.label,
        help=spec.help or None,
        width=spec.width,
        alignment="right" if spec.number else None,
    )


def _selected(state: Any, length: int) -> list[int]:
    selection = state["selection"]
    cells = [int(cell[0]) for cell in selection.get("cells", [])]
    rows = [int(row) for row in selection.get("rows", [])]
    return [row for row in dict.fromkeys([*cells, *rows]) if row < length]
