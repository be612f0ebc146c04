"""The signed-in user's rights, password, sessions and API tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import streamlit as st

from spotlab.domain.access import MEANINGS, Principal, Right
from spotlab.domain.ports import ApiToken, User, UserSession
from spotlab.errors import Forbidden, SpotlabError
from spotlab.services.own_account import OwnAccountService
from spotlab.ui.common import errors, formatting, one_time_secret, permissions, session
from spotlab.ui.common.user_menu import ROLE_WORDS

SLOT: Final = "new-token"
DONE: Final = "me-done"
BROWSERS: Final = {
    "Edg/": "Edge",
    "Firefox/": "Firefox",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
SYSTEMS: Final = {
    "Windows": "Windows",
    "iPhone": "iPhone",
    "Macintosh": "macOS",
    "Android": "Android",
    "Linux": "Linux",
}
EXPIRIES: Final = {
    "a week": timedelta(days=7),
    "30 days": timedelta(days=30),
    "90 days": timedelta(days=90),
    "a year": timedelta(days=365),
}


def headline(who: Principal) -> str:
    """Name, role, and how many rights the user has."""
    return (
        f"{who.name}: {ROLE_WORDS[who.role]} with {len(who.rights)} of "
        f"{formatting.count(len(Right), 'right')}"
    )


def small_print(who: Principal) -> str:
    """Which accounts the user sees, and how the request was authenticated."""
    if who.accounts is None:
        accounts = "You see all accounts."
    else:
        accounts = f"You see {', '.join(who.accounts) or 'no account'}."
    return f"{accounts} Access: {who.via or 'no sign-in'}."


def user_of() -> User | None:
    """The signed-in user; None: a visitor, or sign-in is off."""
    try:
        return session.services().own_account.user()
    except Forbidden:
        return None


def show_outcome() -> None:
    """Shows what the last change did, once."""
    if message := st.session_state.pop(DONE, ""):
        st.toast(formatting.plain(message), icon=":material/check:")


def show_rights(who: Principal) -> None:
    """Shows the user's rights, and which role has each of the others."""
    st.header("Your rights", anchor=False)
    granted = [MEANINGS[right] for right in Right if who.may(right)]
    st.markdown("  \n".join(f":green[✓] {meaning}" for meaning in granted))
    missing = [permissions.who_may(right) for right in Right if not who.may(right)]
    if missing:
        with st.expander(f"{formatting.count(len(missing), 'right')} you do not have"):
            st.markdown("\n".join(f"- {reason}" for reason in missing))


def show_password(user: User) -> None:
    """Shows the form that changes the password, unless an identity provider has it."""
    st.header("Password", anchor=False)
    if user.subject is not None or session.settings().auth == "oidc":
        st.caption("Your identity provider authenticates you: SpotLab does not store a password.")
        return
    with st.form("password", clear_on_submit=True, enter_to_submit=False):
        for label, key, autocomplete in (
            ("Current password", "password-old", "current-password"),
            ("New password", "password-new", "new-password"),
            ("Repeat the new password", "password-again", "new-password"),
        ):
            st.text_input(label, type="password", key=key, autocomplete=autocomplete, max_chars=256)
        st.form_submit_button("Change password", type="primary", on_click=_change_password)
    st.caption(
        "At least 12 characters. This signs you out in your other browsers; API tokens stay valid "
        "until you revoke them above."
    )


def _change_password() -> None:
    state = st.session_state
    if state["password-new"] != state["password-again"]:
        st.warning("The two new passwords differ; nothing was changed.")
        return
    old, new = state["password-old"], state["password-new"]
    _try("Your password is changed.", lambda mine: mine.change_password(old, new))


def show_sessions(sessions: Sequence[UserSession], who: Principal, now: datetime) -> None:
    """Shows the user's sessions, each with a button that ends it."""
    st.header(f"Signed in on {formatting.count(len(sessions), 'browser')}", anchor=False)
    for each in sessions:
        here = each.session_id == who.session_id
        row = st.columns([5, 2], vertical_alignment="center")
        row[0].markdown(
            f"{'**This browser** · ' if here else ''}{formatting.plain(_browser(each.agent))} · "
            f"{formatting.plain(each.address)} · since {formatting.ago(each.created_at, now)}, "
            f"used {formatting.ago(each.seen_at, now)}",
            help=f"Expires {formatting.moment(each.expires_at)}.",
        )
        if here:
            row[1].caption("Use the menu above to sign out.")
            continue
        row[1].button(
            "End session",
            icon=":material/logout:",
            key=f"end {each.session_id}",
            on_click=_try,
            args=("The session is ended.", _end_session(each.session_id)),
        )


def _browser(agent: str) -> str:
    """`Firefox on Windows`, from the User-Agent header; else the header itself, shortened."""
    name = next((name for mark, name in BROWSERS.items() if mark in agent), "")
    system = next((name for mark, name in SYSTEMS.items() if mark in agent), "")
    known = " on ".join(part for part in (name, system) if part)
    return known or safe_text(agent) or "unknown browser"


def safe_text(text: str) -> str:
    """Text of a user or browser without special characters, at most 70 characters."""
    plain = "".join(c if c.isalnum() or c in " ./;()-_," else " " for c in text)
    return plain[:70].strip()


def _end_session(session_id: str) -> Callable[[OwnAccountService], object]:
    return lambda mine: mine.end_session(session_id)


def show_tokens(tokens: Sequence[ApiToken], who: Principal, now: datetime) -> None:
    """Shows the user's API tokens, each with a button that revokes it, and a form for a new one."""
    valid = [each for each in tokens if each.revoked_at is None and each.expires_at > now]
    st.header(formatting.count(len(valid), "API token"), anchor=False)
    one_time_secret.show(SLOT)
    for each in valid:
        row = st.columns([5, 2], vertical_alignment="center")
        used = (
            f"used {formatting.ago(each.last_used_at, now)}" if each.last_used_at else "never used"
        )
        row[0].markdown(
            f"**{formatting.plain(safe_text(each.name))}** `spl_{each.token_id}_…` · "
            f"{', '.join(sorted(each.scopes))} · {used}",
            help=f"Expires {formatting.moment(each.expires_at)}.",
        )
        row[1].button(
            "Revoke",
            icon=":material/key_off:",
            key=f"revoke {each.token_id}",
            on_click=_try,
            args=(f"The token {each.name} is revoked.", _revoke_token(each.token_id)),
        )
    with st.form("token", enter_to_submit=False):
        name, scopes, expiry = st.columns([2, 3, 1])
        name.text_input("Purpose", key="token-name", max_chars=80)
        scopes.multiselect(
            "Scopes",
            [right for right in Right if who.may(right)],
            [Right.READ],
            format_func=MEANINGS.__getitem__,
            key="token-scopes",
        )
        expiry.selectbox("Valid for", [*EXPIRIES], index=1, key="token-expiry")
        st.form_submit_button("Create token", type="primary", on_click=_create_token)
    if warning := scope_warning(who):
        st.caption(warning)


def scope_warning(who: Principal) -> str:
    """A warning about the scope that can grant all others; "" if the user cannot grant it."""
    if not who.may(Right.CHANGE_USERS):
        return ""
    return (
        f"A token that may {MEANINGS[Right.CHANGE_USERS]} can grant others every right that it has "
        "itself. Protect it like a password."
    )


def _revoke_token(token_id: str) -> Callable[[OwnAccountService], object]:
    return lambda mine: mine.revoke_token(token_id)


def _create_token() -> None:
    state = st.session_state

    def act(mine: OwnAccountService) -> None:
        token, secret = mine.create_token(
            state["token-name"], state["token-scopes"], EXPIRIES[state["token-expiry"]]
        )
        one_time_secret.save(SLOT, f"The token “{token.name}”.", secret)
        state.pop("token-name", None)

    _try("The token is created.", act)


def _try(done: str, act: Callable[[OwnAccountService], object]) -> None:
    """Runs an action; the next run shows `done` if it succeeded."""
    try:
        act(session.services().own_account)
    except SpotlabError as exc:
        errors.explain(exc)
    else:
        st.session_state[DONE] = done
