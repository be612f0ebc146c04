"""The user of this browser connection, from its session cookie.

Streamlit keeps a connection open for hours, so the session is looked up for every action.
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

AUTOMATIC_RERUN: Final = "automatic rerun"
"""In the session state while a page reruns after a live update: without an action of the user, an
open screen must not keep its session alive."""


def current() -> Principal:
    """The user; does not count as an action of theirs.

    Raises:
        NotSignedIn: no user, or their session has ended.
    """
    return reader(used=False)


def reader(*, used: bool) -> Principal:
    """The user, from the cookie of this browser's connection; replaced in tests.

    Args:
        used: whether this is an action of the user, which keeps their session from idling.
    Raises:
        NotSignedIn: no user, or their session has ended.
        DatabaseDown: the session cannot be looked up now.
    """
    return _from_cookie(st.context.cookies.get(SESSION_COOKIE), used=used)


def deferred_reader() -> Callable[[], Principal]:
    """A function that returns the user when a deferred file is built.

    That happens outside of a page's run, where there are no cookies, and possibly after the session
    has ended. The function raises the errors of `reader`.
    """
    cookie = st.context.cookies.get(SESSION_COOKIE)
    return lambda: _from_cookie(cookie, used=True)


def _from_cookie(cookie: str | None, *, used: bool) -> Principal:
    lab = app_process.lab()
    gate = Gate(lab)
    if cookie is not None and lab.settings.auth != "off":
        return gate.session(cookie, expired_too=True, used=used)
    if lab.settings.auth == "off" and not is_loopback(st.get_option("server.address")):
        raise NotSignedIn(
            f"The server listens on {st.get_option('server.address') or 'every address'} without "
            "sign-in: anyone who can reach it would be its administrator.",
            remedy="Set SPOTLAB_AUTH=accounts, or start the server with `spotlab serve`, which "
            "listens on 127.0.0.1.",
        )
    visitor = gate.visitor()
    if visitor is None:
        raise NotSignedIn("You are not signed in.", remedy="Sign in.")
    return visitor
