"""Which users may sign in, and what may they do?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.ui.common import guard, session, widgets
from spotlab.ui.common.theme import palette
from spotlab.ui.users import view

guard.require(Right.CHANGE_USERS)

now, known = session.now(), session.services().users.list()
widgets.headline(view.headline(known, now), view.small_print())
view.show_outcome()
if not known:
    widgets.empty(
        "There are no users yet.",
        "add one below, with `spotlab users add`, or with the link that the server printed.",
    )
chosen = view.show(known, now, palette()) if known else None
if chosen is not None:
    view.show_details(chosen, now)
elif known:
    st.caption(
        "Select a row to change a user's role or accounts, or to unlock or disable the user."
    )
view.show_add()
