"""Which user am I, what may I do, and where am I signed in?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.ui.common import guard, session, widgets
from spotlab.ui.own_account import view

who = guard.require(Right.READ)

now, user = session.now(), view.user_of()
widgets.headline(view.headline(who), view.small_print(who))
view.show_outcome()
left, right = st.columns([3, 2], gap="large")
with right:
    view.show_rights(who)
with left:
    if user is None:
        widgets.empty(
            "You are not signed in as a user, so there is no password, session or API token.",
            "sign in as a user, if this server has sign-in.",
        )
    else:
        mine = session.services().own_account
        view.show_sessions(mine.sessions(), who, now)
        view.show_tokens(mine.tokens(), who, now)
        view.show_password(user)
