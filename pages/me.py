"""The My account page: the user's rights, sessions, API tokens and password."""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.ui.common import guard, session, widgets
from spotlab.ui.own_account import view

principal = guard.require(Right.READ)

now, user = session.now(), view.user_of()
widgets.headline(view.headline(principal), view.small_print(principal))
view.show_outcome()
left, right = st.columns([3, 2], gap="large")
with right:
    view.show_rights(principal)
with left:
    if user is None:
        widgets.empty(
            "You are not signed in as a user, so you have no password, sessions or API tokens.",
            "sign in, if this server has sign-in.",
        )
    else:
        mine = session.desk().mine
        view.show_sessions(mine.sessions(), principal, now)
        view.show_tokens(mine.tokens(), principal, now)
        view.show_password(user)
