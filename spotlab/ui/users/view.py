"""Headline and table of the users, the form for a new one, and the actions on one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import pandas as pd
import streamlit as st

from spotlab.domain.access import Role
from spotlab.domain.ports import User
from spotlab.errors import SpotlabError
from spotlab.services.users import UserService
from spotlab.telemetry.invisible_characters import visible
from spotlab.ui.common import (
    access_labels,
    errors,
    formatting,
    one_time_secret,
    permissions,
    session,
    tables,
)
from spotlab.ui.common.tables import Column, at
from spotlab.ui.common.theme import Palette
from spotlab.ui.common.user_menu import ROLE_WORDS

LINK: Final = "password-link"
DONE: Final = "users-done"
STATES: Final = {
    "active": "healthy",
    "not signed in yet": "degraded",
    "must choose a password": "degraded",
    "locked": "down",
    "disabled": "unknown",
}


def headline(users: Sequence[User], now: datetime) -> str:
    """How many users and active administrators there are, and who is locked."""
    if not users:
        return "0 users: no one can sign in yet"
    admins = sum(user.role is Role.ADMIN and user.active for user in users)
    administrators = formatting.count(admins, "active administrator")
    sentence = f"{formatting.count(len(users), 'user')}, {administrators}"
    locked = [user.name for user in users if access_labels.sign_in_state(user, now) == "locked"]
    return f"{sentence}; {formatting.listed(locked)} locked" if locked else sentence


def small_print() -> str:
    """How these users sign in, by SPOTLAB_AUTH."""
    return {
        "off": "Sign-in is off. These users can sign in once SPOTLAB_AUTH is accounts or oidc.",
        "oidc": "The identity provider authenticates users; their rights are set here.",
        "accounts": "Users sign in with a password that only they know.",
    }[session.settings().auth]


def show_outcome() -> None:
    """Shows what the last change did, once, and a link that is shown once."""
    if message := st.session_state.pop(DONE, ""):
        st.toast(formatting.plain(message), icon=":material/check:")
    one_time_secret.show(LINK)


def show(users: Sequence[User], now: datetime, palette: Palette) -> User | None:
    """Shows every user and returns the selected one."""
    selected = tables.show(
        rows(users, now),
        columns(now, palette),
        name="Users",
        key="users",
        select=("single-row", "single-cell"),
        rows=[user.name for user in users],
    )
    return users[selected[0]] if selected else None


def rows(users: Sequence[User], now: datetime) -> pd.DataFrame:
    """One row per user."""
    return pd.DataFrame(
        [
            {
                "name": user.name,
                "role": ROLE_WORDS[user.role],
                "accounts": access_labels.accounts(user.accounts),
                "state": access_labels.sign_in_state(user, now),
                "seen": user.last_sign_in_at,
                "email": user.email or None,
                "by": "provider" if user.subject else "password",
                "since": user.created_at,
            }
            for user in users
        ],
        columns=["name", "role", "accounts", "state", "seen", "email", "by", "since"],
    )


def columns(now: datetime, palette: Palette) -> dict[str, Column]:
    """The columns of the table."""
    return {
        "name": Column("user"),
        "role": Column("role"),
        "accounts": Column("accounts", help="The accounts whose instances the user may see."),
        "state": Column(
            "state", colour=lambda state: palette.of_state(STATES[str(state)]), width=160
        ),
        "seen": Column("last sign-in", at(now, formatting.ago), "“—”: never."),
        "email": Column("email", help="“—”: unknown."),
        "by": Column("signs in with"),
        "since": Column("added", at(now, formatting.ago)),
    }


def show_details(user: User, now: datetime) -> None:
    """Shows one user: role and accounts, and actions such as unlocking or disabling."""
    with st.container(border=True):
        left, right = st.columns([3, 2], gap="large")
        with left:
            st.header(formatting.plain(user.name), anchor=False)
            st.caption(
                f"{permissions.A_ROLE[user.role]} may {access_labels.rights_of_role(user.role)}."
            )
            _show_form(user)
        with right:
            _show_actions(user, now)


def _show_form(user: User) -> None:
    key = key_of(user)
    with st.form(f"user {key}", border=False, enter_to_submit=False):
        role, accounts = st.columns([1, 2])
        role.selectbox(
            "Role",
            access_labels.ASSIGNABLE_ROLES,
            index=access_labels.ASSIGNABLE_ROLES.index(user.role)
            if user.role in access_labels.ASSIGNABLE_ROLES
            else 0,
            format_func=ROLE_WORDS.__getitem__,
            key=f"user-role {key}",
        )
        _select_accounts(accounts, f"user-accounts {key}", user.accounts)
        st.text_input("Email", user.email, key=f"user-email {key}", max_chars=200)
        st.text_input("Reason", key=f"user-reason {key}", max_chars=500)
        st.form_submit_button("Save", type="primary", on_click=_save, args=(user,))


def _select_accounts(place: Any, key: str, selected: Sequence[str] | None) -> None:
    known = [account.name for account in session.services().accounts.list()]
    if_empty = "all accounts" if selected is None or selected else "no account"
    place.multiselect(
        "Accounts",
        sorted({*known, *(selected or ())}),
        list(selected or ()),
        format_func=visible,
        key=key,
        placeholder=if_empty,
        help=f"The accounts whose instances the user may see. Empty: {if_empty}.",
    )


def key_of(user: User) -> str:
    """Key suffix of a form's fields; a changed user gets a new one, so that the form shows it."""
    return tables.key_of(user.name, [repr((user.role, user.accounts, user.email))])


def _save(user: User) -> None:
    """Saves only the fields that changed here, so another administrator's changes survive."""
    state, key = st.session_state, key_of(user)
    role, email = state[f"user-role {key}"], state[f"user-email {key}"]
    accounts = state[f"user-accounts {key}"]
    _try(
        f"{user.name} is changed.",
        lambda users: users.set(
            user.name,
            role=None if role == user.role else role,
            accounts=... if set(accounts) == set(user.accounts or ()) else accounts or None,
            email=None if email == user.email else email,
            reason=state[f"user-reason {key}"].strip(),
        ),
    )


def _show_actions(user: User, now: datetime) -> None:
    open_sessions = session.services().users.sessions(user.name)
    st.caption(f"Signed in on {formatting.count(len(open_sessions), 'browser')}.")
    name, standing = user.name, access_labels.sign_in_state(user, now)
    if standing == "locked":
        _button("Unlock", "lock_open", f"{name} is unlocked.", lambda users: users.unlock(name))
    if open_sessions:
        _button(
            "Sign out everywhere",
            "logout",
            f"{name} is signed out.",
            lambda users: users.sign_out(name),
        )
    if session.settings().auth != "oidc" and user.active:
        st.button(
            "Reset password",
            icon=":material/lock_reset:",
            on_click=_reset,
            args=(name,),
            key=f"reset {name}",
            help="Ends the user's sessions, revokes their API tokens, and creates a link with "
            "which they choose a new password.",
        )
    if user.active:
        _button(
            "Disable",
            "person_off",
            f"{name} is disabled.",
            lambda users: users.set(name, active=False),
        )
    else:
        _button(
            "Enable", "person", f"{name} is enabled.", lambda users: users.set(name, active=True)
        )


def _button(label: str, icon: str, done: str, act: Callable[[UserService], object]) -> None:
    st.button(
        label, icon=f":material/{icon}:", on_click=_try, args=(done, act), key=f"{label} user"
    )


def _reset(name: str) -> None:
    def act(users: UserService) -> None:
        path = users.reset_password(name)
        one_time_secret.save(
            LINK, f"Send {name} this link; it is valid for a day.", one_time_secret.address(path)
        )

    _try(f"{name} must choose a new password.", act)


def show_add() -> None:
    """Shows the form for a new user."""
    st.header("Add a user", anchor=False)
    with st.form("user new", enter_to_submit=False):
        name, role, accounts, email = st.columns([2, 1.3, 2, 2])
        name.text_input("Name", key="new-user-name", max_chars=64)
        role.selectbox(
            "Role",
            access_labels.ASSIGNABLE_ROLES,
            format_func=ROLE_WORDS.__getitem__,
            key="new-user-role",
        )
        _select_accounts(accounts, "new-user-accounts", session.services().principal.accounts)
        email.text_input("Email", key="new-user-email", max_chars=200)
        st.form_submit_button("Add", type="primary", on_click=_add)


def _add() -> None:
    state = st.session_state
    name = str(state["new-user-name"]).strip()

    def act(users: UserService) -> None:
        user, path = users.add(
            name,
            state["new-user-role"],
            accounts=state["new-user-accounts"] or None,
            email=state["new-user-email"],
        )
        if path:
            link = one_time_secret.address(path)
            one_time_secret.save(LINK, f"Send {user.name} this link; it is valid for a day.", link)
        for key in ("new-user-name", "new-user-email", "new-user-accounts"):
            state.pop(key, None)

    _try(f"{name} is added.", act)


def _try(done: str, act: Callable[[UserService], object]) -> None:
    """Runs an action; the next run shows `done` if it succeeded."""
    one_time_secret.forget(LINK)
    try:
        act(session.services().users)
    except SpotlabError as exc:
        errors.explain(exc)
    else:
        st.session_state[DONE] = done
