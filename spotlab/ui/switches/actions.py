"""Actions on switches: approve, reject, pause, resume, roll back, and the kill switch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.switches import Switch, SwitchState
from spotlab.errors import SpotlabError
from spotlab.services.switches import SwitchService
from spotlab.ui.common import errors, formatting, permissions, session

DONE: Final = "switch-done"


class Action(NamedTuple):
    """Something a user may do to a switch.

    Args:
        label: of the button.
        right: that it needs.
        states: in which it is possible.
        call: of the service, with the switch's id and the reason.
        outcome: what the toast says.
        primary: the page's main action in this state.
    """

    label: str
    icon: str
    right: Right
    states: tuple[SwitchState, ...]
    call: Callable[[SwitchService, str, str], Any]
    outcome: str
    primary: bool = False


_MOVING: Final = (SwitchState.APPROVED, SwitchState.RUNNING)
ACTIONS: Final = (
    Action(
        "Approve",
        ":material/check:",
        Right.APPROVE_SWITCHES,
        (SwitchState.REQUESTED,),
        lambda service, switch_id, reason: service.approve(switch_id, reason),
        "Approved: a driver starts it.",
        primary=True,
    ),
    Action(
        "Reject",
        ":material/close:",
        Right.APPROVE_SWITCHES,
        (SwitchState.REQUESTED,),
        lambda service, switch_id, reason: service.reject(switch_id, reason),
        "Rejected: nothing was changed.",
    ),
    Action(
        "Pause",
        ":material/pause:",
        Right.STOP_SWITCHES,
        _MOVING,
        lambda service, switch_id, reason: service.pause(switch_id, reason),
        "It stops before the next step that cannot be undone.",
    ),
    Action(
        "Resume",
        ":material/play_arrow:",
        Right.APPROVE_SWITCHES,
        (SwitchState.PAUSED,),
        lambda service, switch_id, reason: service.resume(switch_id, reason),
        "It continues.",
        primary=True,
    ),
    Action(
        "Roll back",
        ":material/undo:",
        Right.STOP_SWITCHES,
        (*_MOVING, SwitchState.PAUSED, SwitchState.NEEDS_ATTENTION),
        lambda service, switch_id, reason: service.roll_back(switch_id, reason),
        "What was done is undone.",
    ),
)


def possible(switch: Switch) -> list[Action]:
    """The actions that its state allows."""
    return [
        each
        for each in ACTIONS
        if switch.state in each.states
        and not (each.label == "Roll back" and switch.progress.terminate_begun)
        and not (each.label == "Pause" and switch.pause_requested)
    ]


def show(switch: Switch) -> None:
    """A button for each possible action, with a field for the reason; who may not is told who."""
    found = possible(switch)
    if not found:
        return
    key = f"switch-reason {switch.switch_id}"
    st.text_input("Reason", key=key, max_chars=500, placeholder="for the journal and the audit log")
    with st.container(horizontal=True):
        for action in found:
            why_not = permissions.why_not(action.right)
            st.button(
                action.label,
                icon=action.icon,
                type="primary" if action.primary else "secondary",
                on_click=_do,
                args=(action, switch.switch_id, key),
                disabled=why_not is not None,
                help=why_not,
                key=f"{action.label} {switch.switch_id}",
            )


def _do(action: Action, switch_id: str, key: str) -> None:
    reason = str(st.session_state.get(key, "")).strip()
    try:
        action.call(session.services().switches, switch_id, reason)
    except SpotlabError as exc:
        errors.explain(exc)
        return
    st.session_state[key] = ""
    st.session_state[DONE] = action.outcome


def show_outcome() -> None:
    """A toast with the outcome of the last action, once."""
    if message := st.session_state.pop(DONE, ""):
        st.toast(formatting.plain(message), icon=":material/check:")
