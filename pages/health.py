"""Does every part work?"""

import streamlit as st

from spotlab.domain.ports import Topic
from spotlab.ui import errors, exports, guard, live, part_day, parts, session, widgets
from spotlab.ui.theme import palette

guard.require(guard.Right.READ)


@st.fragment(run_every=30)
def show_parts() -> None:
    """Every part, probed again every 30 s and when a state changed; the rest of the page stays."""
    with errors.boundary():
        news = live.seen(Topic.HEALTH)
        health = session.health()
        widgets.headline(parts.headline(health), parts.small_print(health))
        parts.show(health, palette())
        exports.offer(lambda: parts.exported(health), "health", "health-file")
        if chosen := part_day.pick():
            part_day.show(chosen, health, palette())
        live.follow_here(news, lambda: parts.states(session.health()) != parts.states(health))


show_parts()
