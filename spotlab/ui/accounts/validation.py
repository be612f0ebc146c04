"""Validation of an account: its checks, and each permission by region."""

from __future__ import annotations

from typing import Final

import pandas as pd
import streamlit as st

from spotlab.aws.permission_checks import State
from spotlab.aws.permissions import Access
from spotlab.domain.access import Right
from spotlab.domain.ports import Account
from spotlab.services.accounts import Validation
from spotlab.ui.common import background_tasks, formatting, permissions, session, tables
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import palette

VALIDATE: Final = "validate-account"
VALIDATION: Final = "account-checks"
ACCESS_LABELS: Final = {Access.READ_ONLY: "Read-only", Access.SWITCHING: "With switching"}
_MARKS: Final = {True: ":green[✓ passed]", False: ":red[✗ failed]"}
_STATES: Final = {State.DENIED: "down", State.UNKNOWN: "unknown", State.ALLOWED: "healthy"}
"""In the order of the table, worst first, with the colour's state."""


def show(account: Account) -> None:
    """Shows the button that tries the account in AWS, and what was found; needs the full width."""
    done = background_tasks.take(VALIDATE)
    if done is not None and done.result is not None:
        st.session_state[VALIDATION] = done.result
    access = pick_access(access_key(account.name))
    running, reason = background_tasks.current(VALIDATE), permissions.why_not(Right.CHANGE_ACCOUNTS)
    busy = running is not None and not running.finished
    st.button(
        "Validate",
        icon=":material/fact_check:",
        key=f"validate-now {account.name}",
        on_click=_validate,
        args=(account.name, access),
        disabled=busy or reason is not None,
        help=reason or "Assumes the role and tries each permission by a dry run; changes nothing.",
    )
    background_tasks.watch(VALIDATE)
    validation: Validation | None = st.session_state.get(VALIDATION)
    if validation is not None and validation.account == account.name:
        _show_result(validation)


def access_key(name: str) -> str:
    """Key of the choice of the permissions to validate."""
    return f"validate-access {name}"


def pick_access(key: str) -> Access:
    """Shows the choice of what SpotLab may do in an account."""
    return st.radio(
        "Permissions",
        [*ACCESS_LABELS],
        format_func=ACCESS_LABELS.__getitem__,
        horizontal=True,
        key=key,
        help="Read-only: lists instances, prices and events. With switching: also replaces "
        "instances that you tag for it.",
    )


def _validate(name: str, access: Access) -> None:
    accounts = session.services().accounts

    def work(tell: background_tasks.Progress, _stopped: object) -> Validation:
        tell("assuming the role, then trying each permission in each region", 0.3)
        return accounts.validate(name, access)

    background_tasks.begin(VALIDATE, "Validating", work)


def _show_result(validation: Validation) -> None:
    for check in validation.checks:
        st.markdown(
            f"**{formatting.plain(check.name)}** {_MARKS[check.ok]}: "
            f"{formatting.plain(check.reason)}"
        )
    if not validation.permissions:
        return
    counts = ", ".join(f"{validation.count(state)} {state.value}" for state in State)
    st.markdown(f"**Permissions by region:** {counts}.")
    tables.show(
        rows(validation),
        columns(),
        name="Permissions",
        key=f"permissions {validation.account}",
    )


def rows(validation: Validation) -> pd.DataFrame:
    """One row per permission and result, denied ones first, then unknown ones; regions with the
    same result share a row."""
    order, regions = [*_STATES], dict[tuple[str, str, State, str], list[str]]()
    for each in sorted(validation.permissions, key=lambda each: order.index(each.state)):
        result = (each.permission, each.purpose, each.state, each.reason)
        regions.setdefault(result, []).append(each.region)
    return pd.DataFrame(
        [
            {
                "state": state.value,
                "permission": permission,
                "regions": ", ".join(found),
                "purpose": purpose,
                "reason": reason,
            }
            for (permission, purpose, state, reason), found in regions.items()
        ],
        columns=["state", "permission", "regions", "purpose", "reason"],
    )


def columns() -> dict[str, Column]:
    """The columns of the table of permissions."""
    colours = palette()
    return {
        "state": Column(
            "state",
            help="Unknown: it could not be tried without changing something, or on no resource.",
            colour=lambda state: colours.of_state(_STATES[State(state)]),
            width=90,
        ),
        "permission": Column("permission", width=300),
        "regions": Column("regions", width=200),
        "purpose": Column("with it, SpotLab", width=260),
        "reason": Column("result of the dry run", width="large"),
    }
