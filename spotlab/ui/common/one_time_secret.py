"""A secret that is shown once: until the user hides it, or leaves the page."""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st

from spotlab.ui.common import formatting

_NOTE = "Only its hash is stored; it cannot be shown again."


def save(slot: str, title: str, secret: str, note: str = _NOTE) -> None:
    """Show a secret, and what happens to it, from the next run on."""
    st.session_state[f"once:{slot}"] = (title, secret, note)


def show(slot: str) -> None:
    """The secret of a slot, if there is one, with a button that hides it."""
    title, secret, note = st.session_state.get(f"once:{slot}", ("", "", ""))
    if not secret:
        return
    with st.container(border=True):
        st.markdown(f"**{formatting.plain(title)}** {note}")
        st.code(secret, language=None, wrap_lines=True)
        st.button("I have copied it: hide", on_click=forget, args=(slot,), key=f"hide {slot}")


def forget(slot: str) -> None:
    """Remove the secret of a slot."""
    st.session_state.pop(f"once:{slot}", None)


def address(path: str) -> str:
    """The full address of a path of this server, as the user's browser reaches it."""
    at = urlsplit(st.context.url or "")
    return f"{at.scheme}://{at.netloc}{path}" if at.netloc else path
