"""Tables: their cells, and those of which one row can be chosen and is in the URL."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.io.formats.style import Styler
from streamlit.elements import arrow
from streamlit.proto.ArrowData_pb2 import ArrowData
from streamlit.testing.v1 import AppTest

from spotlab.ui.common.tables import Column, as_seen, styled
from spotlab.ui.common.theme import palette


def table() -> None:
    import pandas as pd
    import streamlit as st

    from spotlab.ui.common import tables
    from spotlab.ui.common.tables import Column

    frame = pd.DataFrame({"name": ["a", "b", "c"]})
    st.session_state["widget"] = tables.key_of("pools", ["a", "b", "c"])
    chosen = tables.choose(
        frame,
        {"name": Column("name")},
        name="Pools",
        key="pools",
        rows=["a", "b", "c"],
        parameter="pool",
    )
    st.write(f"chosen: {chosen}")


def event() -> None:
    import streamlit as st

    from spotlab.ui.common import tables

    for selection in st.session_state["events"]:
        st.session_state["pools"] = {"selection": selection}
        tables._write_choice("pools", ("a", "b", "c"), "pool")
        st.session_state["marked"] = st.session_state["pools"]["selection"]


@pytest.mark.parametrize(("asked", "said"), [({}, "chosen: None"), ({"pool": "b"}, "chosen: b")])
def test_the_url_names_the_chosen_row(asked: dict[str, str], said: str) -> None:
    app = AppTest.from_function(table)
    app.query_params.update(asked)
    app.run()
    assert not app.exception
    assert app.markdown[0].value == said
    rows = app.session_state[app.session_state["widget"]]["selection"]["rows"]
    assert rows == ([1] if asked else [])


@pytest.mark.parametrize(
    ("events", "chosen", "marked"),
    [
        ([{"rows": [1], "cells": []}], "b", [1]),
        ([{"rows": [], "cells": [(2, "name")]}], "c", [2]),
        ([{"rows": [1], "cells": []}, {"rows": [1], "cells": [(2, "name")]}], "c", [2]),
        ([{"rows": [], "cells": [(2, "name")]}, {"rows": [0], "cells": [(2, "name")]}], "a", [0]),
        ([{"rows": [], "cells": [(2, "name")]}, {"rows": [], "cells": [(2, "name")]}], None, []),
        ([{"rows": [1], "cells": []}, {"rows": [], "cells": []}], None, []),
        ([{"rows": [9], "cells": []}], None, []),
    ],
    ids=["box", "cell", "cell after box", "box after cell", "box off", "off", "gone"],
)
def test_a_box_and_a_cell_choose_their_row(
    events: list[dict[str, Any]], chosen: str | None, marked: list[int]
) -> None:
    app = AppTest.from_function(event)
    app.session_state["events"] = events
    app.run()
    assert not app.exception
    assert dict(app.query_params).get("pool") == chosen
    assert app.session_state["marked"]["rows"] == marked


class State(Enum):
    GOOD = "good"


CELLS = {
    "number": st.floats(allow_nan=True, allow_infinity=False, width=32),
    "count": st.integers(0, 10**6),
    "name": st.one_of(st.none(), st.text(max_size=5)),
    "state": st.sampled_from([State.GOOD, None]),
}


@settings(max_examples=25)
@given(data=st.data(), length=st.integers(1, 4))
def test_cells_look_as_pandas_would_render_them(data: st.DataObject, length: int) -> None:
    """Rendered by us ten times faster; a plain Styler is the reference."""
    frame = pd.DataFrame(
        {
            name: data.draw(st.lists(cells, min_size=length, max_size=length))
            for name, cells in CELLS.items()
        }
    )
    frame["at"] = pd.Timestamp("2026-05-01", tz="UTC")
    columns = {
        "name": Column("Name"),
        "number": Column("USD/h", lambda value: f"{value:.2f}", colour=red_if_negative),
        "count": Column("Count", colour=lambda _value: "#010101"),
        "state": Column("State"),
        "at": Column("At", lambda value: value.isoformat()),
    }
    marked = data.draw(st.one_of(st.none(), st.integers(0, length - 1)))
    shown = frame[list(columns)]

    rendered, reference = ArrowData(), ArrowData()
    arrow.marshall_styler(rendered, styled(shown, columns, marked), "7")
    arrow.marshall_styler(reference, styled_by_pandas(shown, columns, marked), "7")

    assert rendered.styler.styles == reference.styler.styles
    assert texts_of(rendered) == texts_of(reference)


def red_if_negative(value: float) -> str:
    return "#ff0000" if value < 0 else "#00ff00"


def styled_by_pandas(
    frame: pd.DataFrame, columns: Mapping[str, Column], marked: int | None
) -> Styler:
    shows = {name: spec.show for name, spec in columns.items() if spec.show is not str}
    style = as_seen(frame).style.set_uuid("7").format(shows, na_rep="—")
    for name, spec in columns.items():
        if spec.colour is not None:
            style = style.map(
                lambda value, colour=spec.colour: f"color: {colour(value)}; font-weight: 600",
                subset=[name],
            )
    if marked is None:
        return style
    first, row = next(iter(columns)), frame.index[marked]
    style = style.format(lambda value: f"▸ {value}", na_rep="▸ —", subset=(row, [first]))
    colour = palette().scale[0]
    return style.set_properties(subset=(row, list(columns)), **{"background-color": colour})


def texts_of(table: ArrowData) -> dict[str, list[str]]:
    return pa.ipc.open_stream(table.styler.display_values).read_all().to_pydict()
