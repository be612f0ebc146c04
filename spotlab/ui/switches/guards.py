"""The guards of switches: the three levels, limits and windows, autonomy, and the kill switch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.switch_guards import (
    ACCOUNT_LIMITS,
    EVERYWHERE,
    INSTALLATION_LIMITS,
    AccountGuards,
    GuardVersion,
    InstallationGuards,
    Stop,
    SwitchingMode,
)
from spotlab.errors import SpotlabError
from spotlab.ui.common import errors, formatting, permissions, session, tables
from spotlab.ui.common.formatting import plain
from spotlab.ui.common.tables import Column
from spotlab.ui.switches.actions import DONE

REASON: Final = "stop-reason"


def show_stop(stops: Sequence[Stop]) -> None:
    """The kill switch, and what it has stopped until it is released."""
    for stop in stops:
        st.error(plain(stop.sentence), title="All switches are stopped", icon=":material/block:")
    stopped = any(stop.scope == EVERYWHERE for stop in stops)
    right = Right.APPROVE_SWITCHES if stopped else Right.STOP_SWITCHES
    why_not = permissions.why_not(right)
    label = "Release the stop" if stopped else "Stop all switches"
    with st.popover(label, icon=":material/lock_open:" if stopped else ":material/block:"):
        st.write(
            "Switches continue, and new ones may begin."
            if stopped
            else "In every process, switches stop before the next step that cannot be undone."
        )
        st.text_input("Reason", key=REASON, max_chars=500)
        st.button(
            label,
            type="primary",
            on_click=_release if stopped else _stop,
            disabled=why_not is not None,
            help=why_not,
            key="stop-or-release",
        )


def _stop() -> None:
    _call("stop_all", "All switches stop before the next step that cannot be undone.")


def _release() -> None:
    _call("release", "The stop is released.")


def _call(name: str, outcome: str) -> None:
    reason = str(st.session_state.get(REASON, "")).strip()
    try:
        getattr(session.services().switches, name)(reason=reason)
    except SpotlabError as exc:
        errors.explain(exc)
        return
    st.session_state[DONE] = outcome


def levels_sentence(installation: SwitchingMode, accounts: Sequence[GuardVersion]) -> str:
    """`Switching is on for the installation, and for 1 of 3 accounts; …`"""
    on = sum(
        isinstance(each.guards, AccountGuards) and each.guards.mode is SwitchingMode.ON
        for each in accounts
    )
    words = {
        SwitchingMode.OFF: "off",
        SwitchingMode.DRY_RUN: "limited to dry runs",
        SwitchingMode.ON: "on",
    }
    return (
        f"Switching is {words[installation]} for the installation, and on for {on} of "
        f"{formatting.count(len(accounts), 'account')}; an instance must have left shadow mode."
    )


def show_limits(versions: Sequence[GuardVersion]) -> None:
    """Every limit by scope, with unit and meaning."""
    frame = limit_rows(versions)
    columns = {
        "scope": Column("of"),
        "guard": Column("guard", width=330),
        "value": Column("value", number=True),
        "version": Column("version", str, "0: never set, the default.", number=True),
    }
    tables.show(frame, columns, name="Guards", key="guards", max_rows=24)


def limit_rows(versions: Sequence[GuardVersion]) -> pd.DataFrame:
    """One row per guard and scope."""
    return pd.DataFrame(
        [
            {
                "scope": version.scope or "the installation",
                "guard": meaning,
                "value": text,
                "version": version.version,
            }
            for version in versions
            for meaning, text in _guards(version.guards)
        ],
        columns=["scope", "guard", "value", "version"],
    )


def _guards(guards: InstallationGuards | AccountGuards) -> list[tuple[str, str]]:
    if isinstance(guards, InstallationGuards):
        limits: Any = INSTALLATION_LIMITS
        rows = [("the requester may not approve", "yes" if guards.four_eyes else "no")]
    else:
        limits = ACCOUNT_LIMITS
        windows = "; ".join(window.label for window in guards.windows) or "at any time"
        rows = [
            ("how far switches may go", guards.mode.value),
            ("SpotLab requests switches by itself", "yes" if guards.autonomy else "no"),
            ("when a switch may begin", windows),
        ]
    return rows + [
        (limit.meaning, f"{getattr(guards, name):g} {limit.unit}") for name, limit in limits.items()
    ]
