"""Who looks, at the end of the line above every page: name, role, own account, sign out."""

from __future__ import annotations

from typing import Final

import streamlit as st

from spotlab.domain.access import Principal, Role
from spotlab.ui.common import formatting, links, session

ROLE_WORDS: Final[dict[Role, str]] = {
    Role.DEMO: "visitor",
    Role.VIEWER: "viewer",
    Role.RESEARCHER: "researcher",
    Role.OPERATOR: "operator",
    Role.ADMIN: "administrator",
}


def show(who: Principal) -> None:
    """A quiet button with the name, and what is behind it."""
    with st.popover(who.name, icon=":material/account_circle:", type="tertiary", key="menu"):
        st.markdown(f"**{formatting.plain(who.name)}**")
        st.caption(f"{ROLE_WORDS[who.role].capitalize()}, {formatting.plain(seen(who))}")
        links.to("me", "My account", ":material/manage_accounts:")
        if who.session_id:
            st.html(links.OUTSIDE.format(href="/sign-out", text="Sign out"))
        elif session.settings().auth != "off":
            links.to_sign_in()
        else:
            st.caption("This server has no sign-in: whoever reaches it is administrator.")


def seen(who: Principal) -> str:
    """Whose instances they see."""
    if who.accounts is None:
        return "sees every account"
    return f"sees {', '.join(who.accounts)}" if who.accounts else "sees no account"
