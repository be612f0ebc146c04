"""Who looks, and whether a page is for them: the first statement of each one. Screens floor.

It is a lock of its own. Middleware in front of Streamlit refuses whoever is not signed in; this
asks again, at every run of a page, so that neither a deep link nor a connection that stays open
outlives a session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from spotlab.access.authentication import LOCAL_ADMINISTRATOR, SESSION_COOKIE, Gate
from spotlab.access.loopback import is_loopback
from spotlab.domain.access import MEANINGS, RIGHTS, Principal, Right, Role
from spotlab.errors import NotSignedIn, SpotlabError
from spotlab.runtime import app_process
from spotlab.ui.common import errors, screen_files

__all__ = ["LOCAL_ADMINISTRATOR", "Right", "current", "is_loopback", "require"]

BY_ITSELF: Final = "run by itself"
"""In the session's state while a page runs because of news: nobody did something, so a screen that
is left open does not keep its session alive."""

WHOSE: Final = "whose screen this is"


def require(right: Right) -> Principal:
    """Who looks, if the page is for them; else the page stops here with the reason."""
    try:
        who = reader(used=BY_ITSELF not in st.session_state)
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


def current() -> Principal:
    """Who looks.

    Raises:
        NotSignedIn: nobody any more.
    """
    return reader(used=False)


def reader(*, used: bool) -> Principal:
    """Who looks, by the cookie of this browser's connection; tests put another in its place.

    Args:
        used: whether they do something now, which keeps their session from idling.
    Raises:
        NotSignedIn: nobody that is known.
        DatabaseDown: that cannot be looked up now.
    """
    return _of(st.context.cookies.get(SESSION_COOKIE), used=used)


def later() -> Callable[[], Principal]:
    """Who looks, to be asked when a file is made that is clicked on: that happens outside of a
    page's run, where no cookie is seen, and maybe after the session has ended. Raises as `reader`
    when it is called.
    """
    cookie = st.context.cookies.get(SESSION_COOKIE)
    return lambda: _of(cookie, used=True)


def _of(cookie: str | None, *, used: bool) -> Principal:
    lab = app_process.lab()
    gate = Gate(lab)
    if cookie is not None and lab.settings.auth != "off":
        return gate.session(cookie, expired_too=True, used=used)
    if lab.settings.auth == "off" and not is_loopback(st.get_option("server.address")):
        raise NotSignedIn(
            f"The server listens on {st.get_option('server.address') or 'every address'}, and "
            "there is no sign-in: anyone who reaches it would be administrator.",
            remedy="Set SPOTLAB_AUTH=accounts, or start it with `spotlab serve`, which listens on "
            "127.0.0.1.",
        )
    visitor = gate.visitor()
    if visitor is None:
        raise NotSignedIn("Nobody is signed in.", remedy="Sign in.")
    return visitor
