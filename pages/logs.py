"""The Logs page: what is SpotLab doing, and what failed?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.errors import OnlineStoreDown
from spotlab.ui.common import errors, guard, live_updates, session, widgets
from spotlab.ui.common.theme import palette
from spotlab.ui.logs import log_table

user = guard.require(Right.READ_LOGS)
lab, colours = session.lab(), palette()
max_lines = lab.settings.log_lines


@st.fragment(run_every=log_table.REFRESH_S)
def show_tail() -> None:
    """The newest lines that match the filters; paused while a line is selected."""
    top = st.container()
    filters = log_table.show_filters()
    with st.container(horizontal=True, vertical_alignment="center"):
        pause = st.toggle("Pause", key="pause", help="New lines are not shown while this is on.")
        log_table.show_download(filters, max_lines)
    tail, now = log_table.last_tail(filters), lab.clock.now()
    paused = tail is not None and (pause or live_updates.has_selection("lines"))
    with top:
        try:
            if tail is None or not paused:
                tail = log_table.follow(filters)
            widgets.headline(
                log_table.headline(tail, now),
                log_table.small_print(user, max_lines, paused=paused),
            )
        except OnlineStoreDown as exc:
            widgets.headline("No new log lines: the online store does not respond")
            log_table.show_down(exc)
    if tail is not None and tail.lines:
        log_table.show(tail, now, colours)
    elif tail is not None:
        widgets.empty(
            "No log line matches the filters.",
            "remove a filter, or wait: new lines appear automatically.",
        )


with errors.boundary():
    show_tail()
