"""The guards of switches: the three levels, limits and windows, autonomy, and the kill switch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.switch_autonomy import GOOD_MEANS, AutonomyFigures
from spotlab.domain.switch_guards import (
    ACCOUNT_LIMITS,
    INSTALLATION_LIMITS,
    AccountGuards,
    GuardVersion,
    InstallationGuards,
    Limit,
    SwitchingMode,
    TimeWindow,
)
from spotlab.errors import SpotlabError
from spotlab.services.switch_guards import SwitchingOverview
from spotlab.telemetry.invisible_characters import visible
from spotlab.ui.common import errors, formatting, permissions, session, tables
from spotlab.ui.common.formatting import plain
from spotlab.ui.common.tables import Column
from spotlab.ui.switches.actions import DONE

REASON: Final = "stop-reason"
INSTALLATION: Final = "the installation"
WINDOWS: Final = "windows"
_MODES: Final = {
    SwitchingMode.OFF: "off",
    SwitchingMode.DRY_RUN: "limited to dry runs",
    SwitchingMode.ON: "on",
}


def show_stop() -> None:
    """The kill switch, and what it has stopped until it is released."""
    stops = session.services().switch_guards.stops()
    for stop in stops:
        st.error(plain(stop.sentence), title="Switches are stopped", icon=":material/block:")
    right = Right.APPROVE_SWITCHES if stops else Right.STOP_SWITCHES
    label = "Release the stop" if stops else "Stop all switches"
    with st.popover(label, icon=":material/lock_open:" if stops else ":material/block:"):
        st.write(
            "Switches continue, and new ones may begin."
            if stops
            else "In every process, switches stop before the next step that cannot be undone."
        )
        st.text_input("Reason", key=REASON, max_chars=500)
        why_not = permissions.why_not(right)
        st.button(
            label,
            type="primary",
            on_click=_release if stops else _stop,
            disabled=why_not is not None,
            help=why_not,
            key="stop-or-release",
        )


def _stop() -> None:
    _change(
        lambda reason: session.services().switch_guards.stop_all(reason),
        REASON,
        "Switches stop before the next step that cannot be undone.",
    )


def _release() -> None:
    _change(
        lambda reason: session.services().switch_guards.release(reason),
        REASON,
        "The stop is released.",
    )


def _change(call: Any, key: str, outcome: str) -> None:
    try:
        call(str(st.session_state.get(key, "")).strip())
    except SpotlabError as exc:
        errors.explain(exc)
        return
    st.session_state[DONE] = outcome


def show() -> None:
    """Levels, limits with a form to change them, and figures of autonomy."""
    services = session.services().switch_guards
    overview = services.overview()
    st.markdown(f"**{plain(levels_sentence(overview))}**")
    versions = [services.installation(), *map(services.account, overview.accounts)]
    left, right = st.columns([3, 2], gap="large")
    with left:
        columns = {
            "guard": Column("guard", width=245),
            "value": Column("value", number=True, width=105),
            "scope": Column("of", width=130),
            "version": Column("version", str, "0: never set, the default.", number=True),
        }
        tables.show(limit_rows(versions), columns, name="Guards", key="guards", max_rows=24)
    with right:
        st.subheader("Change guards", anchor=False)
        if permissions.caption(Right.APPROVE_SWITCHES):
            _show_form(versions)
    st.subheader("Earned autonomy", anchor=False)
    st.caption(plain(GOOD_MEANS))
    show_autonomy(services.autonomy())


def levels_sentence(overview: SwitchingOverview) -> str:
    """`Switching is on for the installation and for 1 of 3 accounts: …`"""
    on = sum(mode is SwitchingMode.ON for mode in overview.accounts.values())
    counts = overview.instances
    return (
        f"Switching is {_MODES[overview.installation]} for the installation, and on for {on} of "
        f"{formatting.count(len(overview.accounts), 'account')}: "
        f"{formatting.count(counts[SwitchingMode.ON], 'instance')} may be switched, "
        f"{counts[SwitchingMode.DRY_RUN]} in dry runs only, {counts[SwitchingMode.OFF]} not at "
        "all; "
        f"{formatting.count(len(overview.started), 'switch', 'switches')} begun within an hour or "
        "under way."
    )


def limit_rows(versions: Sequence[GuardVersion]) -> pd.DataFrame:
    """One row per guard and scope."""
    return pd.DataFrame(
        [
            {
                "scope": version.scope or INSTALLATION,
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
        limits = INSTALLATION_LIMITS
        rows = [("the requester may not approve", "yes" if guards.four_eyes else "no")]
    else:
        limits = ACCOUNT_LIMITS
        count = len(guards.windows)
        windows = formatting.count(count, "time window") if count else "at any time"
        rows = [
            ("how far switches may go", guards.mode.value),
            ("SpotLab requests switches by itself", "yes" if guards.autonomy else "no"),
            ("when a switch may begin", windows),
        ]
    return rows + [
        (limit.meaning, _value(getattr(guards, name), limit)) for name, limit in limits.items()
    ]


def _value(value: float, limit: Limit) -> str:
    """With its unit; a number that its meaning counts has none."""
    if limit.unit == "share":
        return f"{100 * value:g} %"
    return f"{value:g}" if limit.unit in ("count", "1/h") else f"{value:g} {limit.unit}"


def _show_form(versions: Sequence[GuardVersion]) -> None:
    """The guards of one scope."""
    scopes = {version.scope or INSTALLATION: version for version in versions}
    scope = st.selectbox("Guards of", list(scopes), format_func=visible, key="guards-of")
    version = scopes[scope or INSTALLATION]
    guards, key = version.guards, f"guards {version.scope} {version.version}"
    with st.form(key, enter_to_submit=False):
        if isinstance(guards, AccountGuards):
            modes = list(SwitchingMode)
            st.selectbox(
                "How far switches may go",
                modes,
                modes.index(guards.mode),
                format_func=lambda mode: mode.value,
                key=f"{key} mode",
            )
            st.checkbox(
                "SpotLab requests switches by itself", guards.autonomy, key=f"{key} autonomy"
            )
            st.text_area(
                "When a switch may begin, one time window per line; empty: at any time",
                "\n".join(window.text for window in guards.windows),
                key=f"{key} {WINDOWS}",
                height=76,
                max_chars=2_000,
                placeholder="sat,sun 22:00-04:00 Europe/Berlin",
                help="Days, start and end, and a time zone (default: UTC). An end that is not "
                "after the start is on the next day.",
            )
        else:
            st.checkbox("The requester may not approve", guards.four_eyes, key=f"{key} four_eyes")
        for name, limit in _limits(guards).items():
            value = getattr(guards, name)
            whole = isinstance(value, int)
            st.number_input(
                f"{limit.meaning[:1].upper()}{limit.meaning[1:]}"
                + (f", {limit.unit}" if limit.unit not in ("count", "1/h") else ""),
                int(limit.low) if whole else float(limit.low),
                int(limit.high) if whole else float(limit.high),
                value,
                key=f"{key} {name}",
            )
        st.text_input("Reason", key=f"{key} reason", max_chars=500)
        st.form_submit_button("Save", on_click=_save, args=(version, key))


def _limits(guards: InstallationGuards | AccountGuards) -> Any:
    return INSTALLATION_LIMITS if isinstance(guards, InstallationGuards) else ACCOUNT_LIMITS


def _save(version: GuardVersion, key: str) -> None:
    names = [*_limits(version.guards), "mode", "autonomy", "four_eyes"]
    entered = {name: st.session_state.get(f"{key} {name}") for name in names}
    changes: dict[str, Any] = {
        name: value
        for name, value in entered.items()
        if value is not None and value != getattr(version.guards, name)
    }
    services = session.services().switch_guards

    def save(reason: str) -> None:
        if isinstance(version.guards, AccountGuards):
            windows = _windows(str(st.session_state.get(f"{key} {WINDOWS}", "")))
            if windows != version.guards.windows:
                changes[WINDOWS] = windows
        if version.scope:
            services.set_account(version.scope, changes, reason, version.version)
        else:
            services.set_installation(changes, reason, version.version)

    _change(save, f"{key} reason", f"The guards of {version.scope or INSTALLATION} are saved.")


def _windows(text: str) -> tuple[TimeWindow, ...]:
    """The time windows of a text, one per line. Raises InvalidInput."""
    return tuple(TimeWindow.parse(line) for line in text.splitlines() if line.strip())


def show_autonomy(figures: Sequence[AutonomyFigures]) -> None:
    """Known outcomes by account, policy and workload, and what is required."""
    if not figures:
        st.caption("No decision to switch has been made yet, so nothing is known.")
        return
    frame = pd.DataFrame(
        [
            {
                "account": each.account,
                "policy": each.policy,
                "workload": each.workload,
                "good": each.good,
                "known": each.known,
                "pending": each.pending,
                "low": each.share.low if each.share else None,
                "required": f"{each.wanted_decisions}, {100 * each.wanted_share:g} %",
                "state": "acts alone" if each.earned else "waits for approval",
            }
            for each in figures
        ]
    ).astype({"low": "float64"})
    columns = {
        "account": Column("account"),
        "policy": Column("policy"),
        "workload": Column("workload"),
        "state": Column("its switches"),
        "good": Column("good", number=True),
        "known": Column("known outcomes", number=True),
        "pending": Column("not known yet", number=True),
        "low": Column("share, lower limit", formatting.percent, "95 % Wilson.", number=True),
        "required": Column("required", number=True),
    }
    tables.show(frame, columns, name="Earned autonomy", key="autonomy", max_rows=8)
