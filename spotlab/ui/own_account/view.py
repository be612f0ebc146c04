"""What is a reader's own: rights, password, sessions, API tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import streamlit as st

from spotlab.domain.access import MEANINGS, Principal, Right
from spotlab.domain.ports import ApiToken, User, UserSession
from spotlab.errors import Forbidden, SpotlabError
from spotlab.services.own_account import MyDesk
from spotlab.ui.common import errors, formatting, one_time_secret, permissions, session
from spotlab.ui.common.user_menu import ROLE_WORDS, seen

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
    """Who looks, and how much they may."""
    return (
        f"You are {who.name}, {ROLE_WORDS[who.role]}: {len(who.rights)} of "
        f"{formatting.count(len(Right), 'right')}"
    )


def small_print(who: Principal) -> str:
    """Whose instances they see, and how they came."""
    told = seen(who)
    return f"{told[:1].upper()}{told[1:]}. You came by {who.via or 'no sign-in'}."


def user_of() -> User | None:
    """The reader as a user; None: they are none."""
    try:
        return session.desk().mine.user()
    except Forbidden:
        return None


def show_outcome() -> None:
    """What the last change did, once."""
    if said := st.session_state.pop(DONE, ""):
        st.toast(formatting.plain(said), icon=":material/check:")


def show_rights(who: Principal) -> None:
    """Each right, and who has those that this reader lacks."""
    st.header("What you may do", anchor=False)
    may = [MEANINGS[right] for right in Right if who.may(right)]
    st.markdown("  \n".join(f":green[✓] {meaning}" for meaning in may))
    lacking = [permissions.who_may(right) for right in Right if not who.may(right)]
    if lacking:
        with st.expander(f"{formatting.count(len(lacking), 'right')} you do not have"):
            st.markdown("\n".join(f"- {reason}" for reason in lacking))


def show_password(user: User) -> None:
    """A form for another password, where there is one."""
    st.header("Password", anchor=False)
    if user.subject is not None or session.settings().auth == "oidc":
        st.caption("Your provider vouches for you: there is no password here.")
        return
    with st.form("password", clear_on_submit=True, enter_to_submit=False):
        for label, key, auto in (
            ("Present password", "password-old", "current-password"),
            ("New password", "password-new", "new-password"),
            ("The new one again", "password-again", "new-password"),
        ):
            st.text_input(label, type="password", key=key, autocomplete=auto, max_chars=256)
        st.form_submit_button("Change the password", type="primary", on_click=_change_password)
    st.caption(
        "12 characters at least. Your other browsers are signed out; API tokens stay until you "
        "revoke them above."
    )


def _change_password() -> None:
    state = st.session_state
    if state["password-new"] != state["password-again"]:
        st.warning("The new password was not typed twice the same; nothing was changed.")
        return
    old, new = state["password-old"], state["password-new"]
    _tried("Your password is changed.", lambda mine: mine.change_password(old, new))


def show_sessions(sessions: Sequence[UserSession], who: Principal, now: datetime) -> None:
    """Where they are signed in, each with a way to end it."""
    st.header(f"Signed in on {formatting.count(len(sessions), 'browser')}", anchor=False)
    for each in sessions:
        here = each.session_id == who.session_id
        row = st.columns([5, 2], vertical_alignment="center")
        row[0].markdown(
            f"{'**This browser** · ' if here else ''}{formatting.plain(_agent(each.agent))} · "
            f"{formatting.plain(each.address)} · since {formatting.ago(each.created_at, now)}, "
            f"used {formatting.ago(each.seen_at, now)}",
            help=f"Ends by itself {formatting.moment(each.expires_at)}.",
        )
        if here:
            row[1].caption("Sign out in the menu above.")
            continue
        row[1].button(
            "End it",
            icon=":material/logout:",
            key=f"end {each.session_id}",
            on_click=_do,
            args=("That session is ended.", _ending(each.session_id)),
        )


def _agent(agent: str) -> str:
    """`Firefox on Windows`; a browser that is not known by its own words."""
    name = next((name for mark, name in BROWSERS.items() if mark in agent), "")
    system = next((name for mark, name in SYSTEMS.items() if mark in agent), "")
    told = " on ".join(part for part in (name, system) if part)
    return told or words_of(agent) or "unknown browser"


def words_of(text: str) -> str:
    """A browser's own words as plain text, cut short."""
    plain = "".join(c if c.isalnum() or c in " ./;()-_," else " " for c in text)
    return plain[:70].strip()


def _ending(session_id: str) -> Callable[[MyDesk], object]:
    return lambda mine: mine.end_session(session_id)


def show_tokens(tokens: Sequence[ApiToken], who: Principal, now: datetime) -> None:
    """Their API tokens, each with a way to revoke it, and a form for a new one."""
    valid = [each for each in tokens if each.revoked_at is None and each.expires_at > now]
    st.header(formatting.count(len(valid), "API token"), anchor=False)
    one_time_secret.show(SLOT)
    for each in valid:
        row = st.columns([5, 2], vertical_alignment="center")
        used = (
            f"used {formatting.ago(each.last_used_at, now)}" if each.last_used_at else "never used"
        )
        row[0].markdown(
            f"**{formatting.plain(words_of(each.name))}** `spl_{each.token_id}_…` · "
            f"{', '.join(sorted(each.scopes))} · {used}",
            help=f"Expires {formatting.moment(each.expires_at)}.",
        )
        row[1].button(
            "Revoke",
            icon=":material/key_off:",
            key=f"revoke {each.token_id}",
            on_click=_do,
            args=(f"The token {each.name} is revoked.", _revoking(each.token_id)),
        )
    with st.form("token", enter_to_submit=False):
        name, scopes, expiry = st.columns([2, 3, 1])
        name.text_input("What it is for", key="token-name", max_chars=80)
        scopes.multiselect(
            "It may",
            [right for right in Right if who.may(right)],
            [Right.READ],
            format_func=MEANINGS.__getitem__,
            key="token-scopes",
        )
        expiry.selectbox("Valid for", [*EXPIRIES], index=1, key="token-expiry")
        st.form_submit_button("Create a token", type="primary", on_click=_create_token)
    if told := mighty_scope(who):
        st.caption(told)


def mighty_scope(who: Principal) -> str:
    """What is to be known of the scope that is as good as all; "" for whoever cannot give it."""
    if not who.may(Right.CHANGE_USERS):
        return ""
    return (
        f"A token that may {MEANINGS[Right.CHANGE_USERS]} can give others all that it may do "
        "itself. Keep it like a password."
    )


def _revoking(token_id: str) -> Callable[[MyDesk], object]:
    return lambda mine: mine.revoke_token(token_id)


def _create_token() -> None:
    state = st.session_state

    def act(mine: MyDesk) -> None:
        made, shown = mine.create_token(
            state["token-name"], state["token-scopes"], EXPIRIES[state["token-expiry"]]
        )
        one_time_secret.keep(SLOT, f"The token “{made.name}”.", shown)

    if _tried("The token is created.", act):
        state.pop("token-name", None)


def _do(done: str, act: Callable[[MyDesk], object]) -> None:
    _tried(done, act)


def _tried(done: str, act: Callable[[MyDesk], object]) -> bool:
    try:
        act(session.desk().mine)
    except SpotlabError as exc:
        errors.explain(exc)
        return False
    st.session_state[DONE] = done
    return True
