"""Who looks, and whether a page is for them: the first statement of each one.

It is a lock of its own. Middleware in front of Streamlit refuses whoever is not signed in; this
asks again, at every run of a page, so that neither a deep link nor a connection that stays open
outlives a session.
"""

from __future__ import annotations

from typing import Final

import streamlit as st

from spotlab.domain.access import MEANINGS, RIGHTS, Principal, Right, Role
from spotlab.errors import SpotlabError
from spotlab.ui.common import errors, identity, screen_files

WHOSE: Final = "whose screen this is"


def require(right: Right) -> Principal:
    """Who looks, if the page is for them; else the page stops here with the reason."""
    try:
        who = identity.reader(used=identity.BY_ITSELF not in st.session_state)
    except SpotlabError as exc:
        errors.show(exc)
        st.stop()
    _keep_to(who)
    if not who.may(right):
        may = ", ".join(role for role in Role if right in RIGHTS[role])
        st.title("This page is not for your role", anchor=False)
        st.error(
            f"This page is for those who may {MEANINGS[right]}: {may}. You are signed in as "
            f"{who.name} ({who.role}).",
            title="Refused",
            icon=":material/lock:",
        )
        st.stop()
    return who


def _keep_to(who: Principal) -> None:
    """A screen's state is its user's: a tab that was left open and connects again as somebody else,
    who signed in in the same browser, begins anew."""
    if st.session_state.get(WHOSE, who.name) != who.name:
        st.session_state.clear()
        st.session_state[WHOSE] = who.name
        st.rerun()
    st.session_state[WHOSE] = who.name
    screen_files.KNOWN.opened(screen_files.this_screen(), who.name)
