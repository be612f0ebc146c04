"""The guard of a page, its first statement: is a user signed in, and do they have the right?

The middleware in front of Streamlit already rejects requests without a session. The guard checks
again at every run of a page, so that neither a deep link nor an open connection outlives a session.
"""

from __future__ import annotations

from typing import Final

import streamlit as st

from spotlab.domain.access import MEANINGS, RIGHTS, Principal, Right, Role
from spotlab.errors import SpotlabError
from spotlab.ui.common import errors, file_owners, identity, streamlit_internals

USER: Final = "user of this screen"


def require(right: Right) -> Principal:
    """The user, if they have this right; else the page stops here and shows the reason."""
    try:
        user = identity.reader(used=identity.AUTOMATIC_RERUN not in st.session_state)
    except SpotlabError as exc:
        errors.show(exc)
        st.stop()
    _bind_screen(user)
    if not user.may(right):
        roles = ", ".join(role for role in Role if right in RIGHTS[role])
        st.title("Your role does not allow this page", anchor=False)
        st.error(
            f"This page requires the right to {MEANINGS[right]}. Roles with this right: {roles}. "
            f"You are signed in as {user.name} ({user.role}).",
            title="Access denied",
            icon=":material/lock:",
        )
        st.stop()
    return user


def _bind_screen(user: Principal) -> None:
    """Clears the state of a screen that another user left open in the same browser."""
    if st.session_state.get(USER, user.name) != user.name:
        st.session_state.clear()
        st.session_state[USER] = user.name
        st.rerun()
    st.session_state[USER] = user.name
    file_owners.KNOWN.opened(streamlit_internals.session_id(), user.name)
