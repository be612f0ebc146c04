"""Tables of which one row can be chosen: the row is marked and in the URL."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest


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
