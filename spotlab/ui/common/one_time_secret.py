"""A secret that is shown once: until it is archived, or its page is left."""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st

from spotlab.ui.common import formatting


def keep(slot: str, title: str, secret: str) -> None:
    """Have it shown from the next run on."""
    st.session_state[f"once:{slot}"] = (title, secret)


def show(slot: str) -> None:
    """The secret of a slot, if there is one, and a button that puts it away."""
    title, secret = st.session_state.get(f"once:{slot}", ("", ""))
    if not secret:
        return
    with st.container(border=True):
        st.markdown(
            f"**{formatting.plain(title)}** It is kept as a hash only, and never shown again."
        )
        st.code(secret, language=None, wrap_lines=True)
        st.button("I have it: hide it", on_click=forget, args=(slot,), key=f"put away {slot}")


def forget(slot: str) -> None:
    """Put it away."""
    st.session_state.pop(f"once:{slot}", None)


def address(path: str) -> str:
    """A path of this server as the reader's browser would open it."""
    at = urlsplit(st.context.url or "")
    return f"{at.scheme}://{at.netloc}{path}" if at.netloc else path
