"""Actions on AWS accounts: list, add, change, stop managing, remove."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.ports import Account
from spotlab.errors import SpotlabError
from spotlab.services.accounts import AccountStatus
from spotlab.ui.accounts import role, table, validation
from spotlab.ui.common import (
    background_tasks,
    errors,
    formatting,
    permissions,
    session,
    tables,
    widgets,
)
from spotlab.ui.common.theme import palette

LIST: Final = "list-accounts"
DONE: Final = "account-done"


def show_list_now() -> None:
    """Shows the button that lists every account's instances again."""
    running, reason = background_tasks.current(LIST), permissions.why_not(Right.COLLECT)
    st.button(
        "List now",
        type="primary",
        icon=":material/sync:",
        on_click=_list_now,
        disabled=reason is not None or (running is not None and not running.finished),
        help=reason,
        width="stretch",
    )


def _list_now() -> None:
    accounts = session.services().accounts

    def work(tell: background_tasks.Progress, _stopped: object) -> Sequence[str]:
        tell("listing every account's instances in EC2", 0.3)
        return accounts.list_now()

    background_tasks.begin(LIST, "Listing", work)


def show_outcome() -> None:
    """Shows the outcome of the last action once, or the progress of the current one."""
    done = background_tasks.take(LIST)
    if done is not None and done.result is not None:
        if done.result:
            st.warning(
                "\n\n".join(map(formatting.plain, done.result)),
                title="Not every account could be listed",
            )
        else:
            st.toast("All accounts were listed.")
    background_tasks.watch(LIST)
    if message := st.session_state.pop(DONE, ""):
        st.toast(formatting.plain(message), icon=":material/check:")


def show_details(standing: AccountStatus, now: datetime) -> None:
    """Shows one account: its role and regions, its validation, and the form to change it."""
    account = standing.account
    with st.container(border=True):
        left, right = st.columns([3, 2], gap="large")
        with left:
            st.header(formatting.plain(account.name), anchor=False)
            st.write(formatting.plain(_description(standing, now)))
            if standing.listing.error:
                st.warning(
                    formatting.plain(standing.listing.error), title=table.failure_title(standing)
                )
            _show_regions(standing, now)
        with right:
            _show_changes(account)
        validation.show(account)
        if permissions.why_not(Right.CHANGE_ACCOUNTS) is None:
            role.show_role(account)


def _show_changes(account: Account) -> None:
    """Shows what a user with the right may change."""
    if not permissions.caption(Right.CHANGE_ACCOUNTS):
        return
    _show_switch(account)
    role.show_rotation(account)
    if account.from_settings:
        st.caption("This account is defined in the settings: change its role and regions there.")
        return
    with st.expander("Edit account", icon=":material/edit:"):
        show_form(account)
    with st.expander("Remove account", icon=":material/delete:"):
        _show_removal(account)


def _description(standing: AccountStatus, now: datetime) -> str:
    account = standing.account
    role = f"assumes `{account.role_arn}`" if account.role_arn else "uses its own credentials"
    external = ", with an external id" if account.external_id else ""
    at = standing.listing.at
    listed = f"last listed {formatting.ago(at, now)}" if at else "never listed"
    return (
        f"AWS account {account.aws_account_id}; regions: "
        f"{formatting.listed(account.regions) or 'none'}. SpotLab {role}{external}. "
        f"{formatting.count(standing.instances, 'instance')}, {listed}."
    )


def _show_regions(standing: AccountStatus, now: datetime) -> None:
    """Shows when each region was last listed, if one could not be."""
    if standing.listing.failed_regions:
        tables.show(
            table.region_rows(standing),
            table.region_columns(now, palette()),
            name="Regions",
            key=f"regions {standing.account.name}",
        )


def _show_switch(account: Account) -> None:
    label = "Stop managing" if account.active else "Manage again"
    with st.form(f"active {account.name}", border=False, enter_to_submit=False):
        st.text_input("Reason", key=f"active-reason {account.name}", max_chars=500)
        st.form_submit_button(
            label,
            icon=":material/pause_circle:" if account.active else ":material/play_circle:",
            on_click=_set_active,
            args=(account.name, not account.active),
            help="Its instances are no longer listed or evaluated; its decisions remain stored."
            if account.active
            else "Its instances appear at the next listing.",
        )


def _set_active(name: str, active: bool) -> None:
    reason = str(st.session_state.get(f"active-reason {name}", "")).strip()
    try:
        session.services().accounts.set_active(name, active, reason)
    except SpotlabError as exc:
        errors.explain(exc)
        return
    st.session_state[DONE] = f"{name} is {'managed' if active else 'no longer managed'}."


def _show_removal(account: Account) -> None:
    """Shows what a removal does, and its button behind a confirmation."""
    name = account.name
    st.write(
        "SpotLab forgets the account and its external id. Decisions and switches remain recorded. "
        "The role in AWS is not deleted."
    )
    with st.form(f"remove {name}", border=False, enter_to_submit=False):
        st.checkbox(formatting.plain(f"Yes, remove {name}"), key=f"remove-sure {name}")
        st.text_input("Reason", key=f"remove-reason {name}", max_chars=500)
        st.form_submit_button("Remove", icon=":material/delete:", on_click=_remove, args=(name,))


def _remove(name: str) -> None:
    if not st.session_state.get(f"remove-sure {name}"):
        st.session_state[DONE] = f"{name} was not removed: confirm it first."
        return
    reason = str(st.session_state.get(f"remove-reason {name}", "")).strip()
    try:
        session.services().onboarding.remove(name, reason)
    except SpotlabError as exc:
        errors.explain(exc)
        return
    st.session_state[DONE] = f"{name} is removed."


def show_form(account: Account | None) -> None:
    """Shows an account's fields; None: those of a new account."""
    key = key_of(account) if account is not None else "new"
    with st.form(f"account {key}", border=False, enter_to_submit=False):
        name, number = st.columns(2)
        name.text_input(
            "Name",
            account.name if account is not None else "",
            key=f"account-name {key}",
            disabled=account is not None,
            max_chars=63,
        )
        number.text_input(
            "AWS account id, 12 digits",
            account.aws_account_id if account is not None else "",
            key=f"account-id {key}",
            max_chars=12,
        )
        st.text_input(
            "Role to assume (ARN); leave empty to use SpotLab's own credentials",
            account.role_arn if account is not None else "",
            key=f"account-role {key}",
        )
        has_external_id = account is not None and account.external_id
        st.text_input(
            f"External id; {'empty: unchanged' if has_external_id else 'optional'}",
            key=f"account-external {key}",
            type="password",
            autocomplete="off",
            help="Sent with AssumeRole; stored and never shown again.",
        )
        st.multiselect(
            "Regions",
            sorted({*known_regions(), *(account.regions if account is not None else ())}),
            list(account.regions) if account is not None else [],
            key=f"account-regions {key}",
            accept_new_options=True,
            placeholder="e.g. us-east-1",
        )
        st.text_input("Reason", key=f"account-reason {key}", max_chars=500)
        st.form_submit_button(
            "Save" if account is not None else "Add",
            type="primary",
            on_click=_save,
            args=(key, account),
        )


def key_of(account: Account) -> str:
    """Key suffix of a form's fields; a changed account gets a new one, so the form shows it."""
    shown = (account.aws_account_id, account.role_arn, account.external_id, account.regions)
    return tables.key_of(account.name, [repr(shown)])


def known_regions() -> list[str]:
    """The regions of the active market; none without a market."""
    data, _ = session.market_if_any()
    return sorted(data.prices["region"].unique()) if data is not None else []


def _save(key: str, account: Account | None) -> None:
    def value(field: str) -> str:
        return str(st.session_state.get(f"account-{field} {key}", "")).strip()

    services, regions = (
        session.services().accounts,
        st.session_state.get(f"account-regions {key}", []),
    )
    role, external, reason = value("role"), value("external"), value("reason")
    try:
        if account is None:
            new = Account(value("name"), value("id"), role, external, tuple(regions))
            saved = services.add(new, reason)
        else:
            saved = services.save(
                account.name,
                value("id"),
                regions,
                role_arn=role,
                external_id=external or None,
                active=account.active,
                reason=reason,
                expected=account,
            )
    except SpotlabError as exc:
        errors.explain(exc)
        return
    for field in ("name", "id", "role", "external", "regions", "reason"):
        st.session_state.pop(f"account-{field} {key}", None)
    st.session_state[DONE] = f"{saved.name} is saved; press “List now” to see its instances."


def show_none() -> None:
    """Shows the empty state."""
    widgets.empty(
        "There is no account that you may see.",
        "ask an administrator to assign accounts to your user, or to add one below.",
    )
