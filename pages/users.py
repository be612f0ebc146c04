"""The Users page: who may sign in, and what may they do?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.ui.common import guard, session, widgets
from spotlab.ui.common.theme import palette
from spotlab.ui.users import view

guard.require(Right.CHANGE_USERS)

now, users = session.now(), session.desk().users.list()
widgets.headline(view.headline(users, now), view.small_print())
view.show_outcome()
if not users:
    widgets.empty(
        "There are no users yet.",
        "add one below, with `spotlab users add`, or with the link that the server printed.",
    )
selected = view.show(users, now, palette()) if users else None
if selected is not None:
    view.show_details(selected, now)
elif users:
    st.caption("Select a row to change a user's role or accounts, or to reset their password.")
view.show_add()
