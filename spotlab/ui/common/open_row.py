"""The row of a table that is open, by its id in the URL.

A row opens when one of its cells is clicked or reached by keyboard, or when it is the only one
whose box is checked. Reloading the page, and going back to it, opens it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from spotlab.ui.common.formatting import plain


def selected(key: str) -> tuple[list[int], list[int]]:
    """Positions of a table's rows with a selected cell, and of those whose box is checked."""
    selection: Mapping[str, Any] = st.session_state.get(key, {}).get("selection", {})
    cells = [int(cell[0]) for cell in selection.get("cells", [])]
    return cells, [int(row) for row in selection.get("rows", [])]


def follow_rows(key: str, ids: Sequence[str]) -> None:
    """Let a table's selection follow its rows when they change; call it before the table is shown.

    Args:
        key: of the table.
        ids: of the rows that are about to be shown, in order.
    """
    before: list[str] = st.session_state.get(f"rows of {key}", [])
    st.session_state[f"rows of {key}"] = list(ids)
    if key not in st.session_state or before == list(ids):
        return
    _, rows = selected(key)
    position = {row: number for number, row in enumerate(ids)}
    kept = [position[before[row]] for row in rows if row < len(before) and before[row] in position]
    st.session_state[key] = {"selection": {"rows": kept, "columns": [], "cells": []}}


def open_id(key: str, ids: Sequence[str], parameter: str) -> str | None:
    """Id of the open row, which the URL then names; None: no row is open.

    Args:
        key: of the table.
        ids: of its rows, in order.
        parameter: of the URL.
    """
    if key not in st.session_state:  # the page was just opened
        st.session_state[f"clicked in {key}"] = None
        return st.query_params.get(parameter)
    cells, rows = selected(key)
    position = cells[0] if cells else rows[0] if len(rows) == 1 else None
    clicked = ids[position] if position is not None and position < len(ids) else None
    before = st.session_state.get(f"clicked in {key}")
    if clicked != before:
        st.session_state[f"clicked in {key}"] = clicked
        if clicked is not None:
            st.query_params[parameter] = clicked
        elif st.query_params.get(parameter) == before and not cells:
            st.query_params.pop(parameter, None)
    return st.query_params.get(parameter)


def show_header(title: str, key: str, parameter: str) -> None:
    """The header of an open row's details, with a button that closes them."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header(plain(title), anchor=False)
        st.button(
            "Close",
            icon=":material/close:",
            type="tertiary",
            on_click=_close,
            args=(key, parameter),
            key=f"close {key}",
        )


def _close(key: str, parameter: str) -> None:
    """Close the open row; a callback of a button. Several checked boxes remain checked."""
    _, rows = selected(key)
    kept = rows if len(rows) > 1 else []
    st.session_state[key] = {"selection": {"rows": kept, "columns": [], "cells": []}}
    st.session_state[f"clicked in {key}"] = None
    st.query_params.pop(parameter, None)
