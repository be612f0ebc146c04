"""Changes of a version's state, each with its effect and a reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import streamlit as st

from spotlab.domain.access import Principal, Right
from spotlab.domain.policy import PolicyState, PolicyVersion
from spotlab.errors import SpotlabError
from spotlab.pipeline.policy_preview import PolicyPreview
from spotlab.ui.common import formatting, permissions, session
from spotlab.ui.policies import preview, shadow

LABELS: Final[Mapping[PolicyState, str]] = {
    PolicyState.SHADOW: "Shadow",
    PolicyState.ACTIVE: "Activate",
    PolicyState.DRAFT: "Back to draft",
    PolicyState.RETIRED: "Retire",
}
DONE: Final = "policies:done"
MIN_REASON_CHARS: Final = 3


def right_for(state: PolicyState) -> Right:
    """The right that a change to this state needs."""
    return Right.DECIDE_POLICIES if state is PolicyState.ACTIVE else Right.CHANGE_INSTANCES


def consequence(state: PolicyState, version: PolicyVersion, active: PolicyVersion) -> str:
    """What a change of state will do."""
    name = version.reference
    return {
        PolicyState.SHADOW: f"{name} decides alongside {active.reference} from the next evaluation "
        "on. No decision changes.",
        PolicyState.ACTIVE: f"{name} decides about every instance from the next evaluation on; "
        f"{active.reference} retires and can be activated again.",
        PolicyState.DRAFT: f"{name} no longer decides in shadow.",
        PolicyState.RETIRED: f"{name} is no longer used; it can be activated later.",
    }[state]


def show(
    version: PolicyVersion, active: PolicyVersion, result: PolicyPreview | None, user: Principal
) -> None:
    """Shows the allowed changes, their effect, and a field for the reason.

    Args:
        version: the version.
        active: the one that decides.
        result: its preview, without which it cannot be activated here; None: not made yet.
        user: only the changes that they may make are offered.
    """
    if version.state is PolicyState.ACTIVE:
        st.caption("This policy decides. To retire it, activate another one.")
        return
    everywhere = user.accounts is None
    allowed = {
        LABELS[state]: state
        for state in LABELS
        if state in version.moves and everywhere and user.may(right_for(state))
    }
    if not everywhere:
        st.caption(":material/lock: Policies concern every account; you see some of them.")
        return
    if not user.may(Right.DECIDE_POLICIES):
        permissions.caption(Right.DECIDE_POLICIES)
    if not allowed:
        return
    selected = st.pills("Action", [*allowed], key=f"policy move {version.reference}")
    if selected is not None:
        _show_form(allowed[selected], version, active, result)


def _show_form(
    state: PolicyState,
    version: PolicyVersion,
    active: PolicyVersion,
    result: PolicyPreview | None,
) -> None:
    reference = version.reference
    st.markdown(f"**What will change.** {formatting.plain(consequence(state, version, active))}")
    blocked = state is PolicyState.ACTIVE and result is None
    if blocked:
        st.caption("Preview it first: the tab “Last 30 days” shows what would have changed.")
    elif state is PolicyState.ACTIVE and result is not None:
        st.markdown(f"**Preview.** {formatting.plain(preview.summary(result))}")
    with st.form(f"decide {reference}", border=False, enter_to_submit=False):
        st.text_input(
            "Reason",
            key=f"policy reason {reference}",
            max_chars=500,
            placeholder="recorded in the history with your name and the time",
        )
        st.form_submit_button(
            LABELS[state],
            type="primary",
            on_click=_run,
            args=(state, version),
            disabled=blocked,
        )


def _run(state: PolicyState, version: PolicyVersion) -> None:
    reference = version.reference
    reason = str(st.session_state.get(f"policy reason {reference}", "")).strip()
    if len(reason) < MIN_REASON_CHARS:
        st.session_state[DONE] = (False, "Nothing was changed: enter a reason first.")
        return
    try:
        changed = session.services().policies.set_state(
            reference, state, reason, expected=version.state
        )
    except SpotlabError as exc:
        st.session_state[DONE] = (False, f"Nothing was changed. {exc}")
        return
    finally:
        shadow.forget()
    st.session_state[DONE] = (True, f"{reference} is {changed.state} now.")
    for key in (f"policy move {reference}", f"policy reason {reference}"):
        st.session_state.pop(key, None)


def show_outcome() -> None:
    """Shows what the last change did, once."""
    succeeded, message = st.session_state.pop(DONE, (True, ""))
    if message and succeeded:
        st.toast(formatting.plain(message), icon=":material/check:")
    elif message:
        st.warning(formatting.plain(message), icon=":material/edit:")
