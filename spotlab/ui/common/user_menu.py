"""The user's menu at the top of every page: name, role, own account, sign out."""

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


def show(user: Principal) -> None:
    """A button with the user's name, and the menu."""
    with st.popover(user.name, icon=":material/account_circle:", type="tertiary", key="menu"):
        st.markdown(f"**{formatting.plain(user.name)}**")
        st.caption(
            f"{ROLE_WORDS[user.role].capitalize()}, {formatting.plain(visible_accounts(user))}"
        )
        links.to("me", "My account", ":material/manage_accounts:")
        if user.session_id:
            st.html(links.OUTSIDE.format(href="/sign-out", text="Sign out"))
        elif session.settings().auth != "off":
            links.to_sign_in()
        else:
            st.caption("This server has no sign-in: anyone who can reach it is its administrator.")


def visible_accounts(user: Principal) -> str:
    """The accounts that a user sees, in words."""
    if user.accounts is None:
        return "sees all accounts"
    return f"sees {', '.join(user.accounts)}" if user.accounts else "sees no accounts"
