"""Does every part work?"""

import streamlit as st

from spotlab.ui import components, errors, guard, session, widgets

guard.require(guard.Right.READ)


@st.fragment(run_every=30)
def show_components() -> None:
    """Every component, probed again every 30 s."""
    with errors.boundary():
        states = session.health()
        now = session.now()
        widgets.headline(components.headline(states), "Checked just now, and again every 30 s.")
        components.show(states, now)


show_components()
