"""Who uses this browser connection, by its session cookie.

Streamlit keeps a connection open for hours: the session is looked up each time somebody acts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from spotlab.access.authentication import SESSION_COOKIE, Gate
from spotlab.access.loopback import is_loopback
from spotlab.domain.access import Principal
from spotlab.errors import NotSignedIn
from spotlab.runtime import app_process

BY_ITSELF: Final = "run by itself"
"""In the session's state while a page runs because of news: nobody did something, so a screen that
is left open does not keep its session alive."""


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
        raise NotSignedIn("You are not signed in.", remedy="Sign in.")
    return visitor
