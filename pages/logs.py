"""What is SpotLab doing, and what went wrong?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.errors import OnlineStoreDown
from spotlab.ui.common import errors, guard, live_updates, session, widgets
from spotlab.ui.common.theme import palette
from spotlab.ui.logs import log_table

who = guard.require(Right.READ_LOGS)
lab, colours = session.lab(), palette()
cap = lab.settings.log_lines


@st.fragment(run_every=log_table.LOOK_EVERY_S)
def show_tail() -> None:
    """The newest lines that the filters leave; one that is being read stays where it is."""
    answer = st.container()
    where = log_table.ask()
    with st.container(horizontal=True, vertical_alignment="center"):
        paused = st.toggle("Pause", key="pause", help="New lines wait until it is off.")
        log_table.show_download(where, cap)
    tail, now = log_table.held(where), lab.clock.now()
    still = tail is not None and (paused or live_updates.selected("lines"))
    with answer:
        try:
            if tail is None or not still:
                tail = log_table.follow(where)
            widgets.headline(
                log_table.headline(tail, now), log_table.small_print(who, cap, still=still)
            )
        except OnlineStoreDown as exc:
            widgets.headline("New log lines are not seen here: the online store does not answer")
            log_table.show_down(exc)
    if tail is not None and tail.lines:
        log_table.show(tail, now, colours)
    elif tail is not None:
        widgets.empty("No line fits.", "drop a filter, or wait: new lines appear automatically.")


with errors.boundary():
    show_tail()
