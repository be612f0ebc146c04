"""Who may sign in, and what may they do?"""

import streamlit as st

from spotlab.ui import guard, session, widgets
from spotlab.ui.people import users
from spotlab.ui.theme import palette

guard.require(guard.Right.CHANGE_USERS)

now, known = session.now(), session.desk().users.list()
widgets.headline(users.headline(known, now), users.small_print())
users.show_outcome()
if not known:
    widgets.empty(
        "There is no user yet.",
        "add one below, with `spotlab users add`, or by the link that the server printed.",
    )
chosen = users.show(known, now, palette()) if known else None
if chosen is not None:
    users.show_details(chosen, now)
elif known:
    st.caption("Select a row to change somebody's role or accounts, or to help them in.")
users.show_add()
