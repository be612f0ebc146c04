"""Onboarding of an account in five numbered steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from spotlab.aws.permissions import Access
from spotlab.domain.access import Right
from spotlab.domain.ports import Account
from spotlab.errors import SpotlabError
from spotlab.services.accounts import AccountStatus
from spotlab.ui.accounts import actions, role, validation
from spotlab.ui.common import errors, formatting, permissions, session

STARTED: Final = "onboarding"


def show(standings: Sequence[AccountStatus]) -> None:
    """Shows the steps for a new account, or which role may add one."""
    st.header("Add an account", anchor=False)
    if not permissions.caption(Right.CHANGE_ACCOUNTS):
        return
    name, access = st.session_state.get(STARTED, ("", Access.READ_ONLY))
    found = next((each for each in standings if each.account.name == name), None)
    with st.container(border=True):
        if found is None:
            _show_start()
        else:
            _show_steps(found, access)
    with st.expander("Add an account that already has a role", icon=":material/add:"):
        actions.show_form(None)


def covers(standing: AccountStatus) -> bool:
    """Whether an account is the one whose steps are shown, so that its details are not."""
    return bool(st.session_state.get(STARTED, ("",))[0] == standing.account.name)


def _show_start() -> None:
    st.subheader("1. Name the account", anchor=False)
    with st.form("onboarding", border=False, enter_to_submit=False):
        name, number = st.columns(2)
        name.text_input("Name", key="onboarding-name", max_chars=63)
        number.text_input("AWS account id, 12 digits", key="onboarding-id", max_chars=12)
        st.multiselect(
            "Regions",
            actions.known_regions(),
            key="onboarding-regions",
            accept_new_options=True,
            placeholder="e.g. us-east-1",
        )
        validation.pick_access("onboarding-access")
        st.form_submit_button("Next: create the role", type="primary", on_click=_start)
    st.caption(
        "Then: 2. create the role in the account from a template · 3. enter its ARN · "
        "4. validate it · 5. list its instances."
    )


def _start() -> None:
    state = st.session_state
    name = str(state.get("onboarding-name", "")).strip()
    access = state.get("onboarding-access", Access.READ_ONLY)
    try:
        started = session.services().onboarding.start(
            name, str(state.get("onboarding-id", "")), state.get("onboarding-regions", [])
        )
    except SpotlabError as exc:
        errors.explain(exc)
        return
    state[STARTED] = (name, access)
    state[validation.access_key(name)] = access
    role.keep_external_id(name, started.external_id)
    role.load(name, access)


def _show_steps(standing: AccountStatus, access: Access) -> None:
    account = standing.account
    st.subheader(f"1. {formatting.plain(account.name)} ✓", anchor=False)
    st.caption(
        f"AWS account {account.aws_account_id}; {', '.join(account.regions)}; "
        f"{validation.ACCESS_LABELS[access].lower()}."
    )
    st.subheader("2. Create the role in the account", anchor=False)
    role.show_external_id(account.name)
    role.show_templates(account.name, access)
    st.subheader(f"3. Enter the role's ARN{' ✓' if account.active else ''}", anchor=False)
    _show_arn(account)
    st.subheader("4. Validate", anchor=False)
    validation.show(account)
    st.subheader("5. List its instances", anchor=False)
    at = standing.listing.at
    listed = f"{formatting.count(standing.instances, 'instance')}." if at else "Not listed yet."
    st.write(f"{listed} The button “List now” is above; SpotLab also lists by itself.")
    st.button("Finish", key="onboarding-finish", on_click=_leave)


def _show_arn(account: Account) -> None:
    with st.form("onboarding-role", border=False, enter_to_submit=False):
        st.text_input(
            "Role to assume (ARN), as the template's output shows it",
            account.role_arn,
            key=f"onboarding-arn {account.name}",
        )
        st.form_submit_button("Save and manage the account", on_click=_finish, args=(account.name,))


def _finish(name: str) -> None:
    arn = str(st.session_state.get(f"onboarding-arn {name}", "")).strip()
    try:
        session.services().onboarding.finish(name, arn)
    except SpotlabError as exc:
        errors.explain(exc)
        return
    st.session_state[actions.DONE] = f"{name} is managed; press “List now” to see its instances."


def _leave() -> None:
    st.session_state.pop(STARTED, None)
