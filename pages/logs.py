"""What is SpotLab doing, and what went wrong?"""

import streamlit as st

from spotlab.errors import OnlineStoreDown
from spotlab.ui import errors, guard, lines, live, session, widgets
from spotlab.ui.theme import palette

who = guard.require(guard.Right.READ_LOGS)
lab, colours = session.lab(), palette()
cap = lab.settings.log_lines


@st.fragment(run_every=lines.LOOK_EVERY_S)
def show_tail() -> None:
    """The newest lines that the filters leave; one that is being read stays where it is."""
    answer = st.container()
    where = lines.ask()
    with st.container(horizontal=True, vertical_alignment="center"):
        paused = st.toggle("Pause", key="pause", help="New lines wait until it is off.")
        lines.show_download(where, cap)
    tail, now = lines.held(where), lab.clock.now()
    still = tail is not None and (paused or live.selected("lines"))
    with answer:
        try:
            if tail is None or not still:
                tail = lines.follow(where)
            widgets.headline(lines.headline(tail, now), lines.small_print(who, cap, still=still))
        except OnlineStoreDown as exc:
            widgets.headline("New log lines are not seen here: the online store does not answer")
            lines.show_down(exc)
    if tail is not None and tail.lines:
        lines.show(tail, now, colours)
    elif tail is not None:
        widgets.empty("No line fits.", "drop a filter, or wait: new lines appear by themselves.")


with errors.boundary():
    show_tail()
