"""Who am I here, what may I do, and where am I signed in?"""

import streamlit as st

from spotlab.ui import guard, session, widgets
from spotlab.ui.people import me

who = guard.require(guard.Right.READ)

now, user = session.now(), me.user_of()
widgets.headline(me.headline(who), me.small_print(who))
me.show_outcome()
left, right = st.columns([3, 2], gap="large")
with right:
    me.show_rights(who)
with left:
    if user is None:
        widgets.empty(
            "You are not signed in as a user, so there is no password, session or API token.",
            "sign in with an account of your own, where this server has sign-in.",
        )
    else:
        mine = session.desk().mine
        me.show_sessions(mine.sessions(), who, now)
        me.show_tokens(mine.tokens(), who, now)
        me.show_password(user)
