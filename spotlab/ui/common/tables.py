"""Tables with right-aligned numbers, units in the header, and sorting by value.

Cells are formatted by a Styler, so that the shown text (a minus sign, sensible digits, a relative
time) and the sorted value (the number, the time) can differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from zlib import crc32

import pandas as pd
import streamlit as st

from spotlab.telemetry.invisible_characters import visible
from spotlab.ui.common.formatting import UNKNOWN

ROW_PX: Final = 33
HEADER_PX: Final = 35


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
    Returns:
        Positions of the selected rows; a clicked cell counts as its row, first.
    """
    shown = frame[list(columns)]
    state = st.dataframe(
        styled(shown, columns),
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


def key_of(key: str, rows: Sequence[str]) -> str:
    """A widget key that changes with the ids of a table's rows, or with a form's values."""
    return f"{key} {crc32('|'.join(rows).encode()):08x}" if rows else key


def styled(frame: pd.DataFrame, columns: Mapping[str, Column]) -> Any:
    """The frame with the text and colour of each cell."""
    texts: dict[Any, Any] = {
        column: spec.show for column, spec in columns.items() if spec.show is not str
    }
    style = as_seen(frame).style.format(texts, na_rep=UNKNOWN)
    for column, spec in columns.items():
        if spec.colour is not None:
            style = style.map(_css(spec.colour), subset=[column])
    return style


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
