"""Does every part work?"""

import streamlit as st

from spotlab.ui import errors, exports, guard, part_day, parts, session, widgets
from spotlab.ui.theme import palette

guard.require(guard.Right.READ)


@st.fragment(run_every=30)
def show_parts() -> None:
    """Every part, probed again every 30 s; the rest of the page stays."""
    with errors.boundary():
        health = session.health()
        widgets.headline(parts.headline(health), parts.small_print(health))
        parts.show(health, palette())
        exports.offer(lambda: parts.exported(health), "health", "health-file")
        if chosen := part_day.pick():
            part_day.show(chosen, health, palette())


show_parts()
