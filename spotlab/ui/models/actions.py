"""Actions on a model version, each with its effect and a reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import streamlit as st

from spotlab.domain.access import Principal, Right
from spotlab.domain.model_lifecycle import ModelAction
from spotlab.domain.ports import ModelRecord
from spotlab.errors import SpotlabError
from spotlab.runtime.model_selection import RISK_TASK
from spotlab.services import card_facts
from spotlab.services.models import ModelEntry
from spotlab.telemetry.invisible_characters import visible
from spotlab.ui.common import errors, formatting, permissions, session, widgets
from spotlab.ui.models import queries

LABELS: Final[Mapping[ModelAction, str]] = {
    ModelAction.GRADUATE: "Graduate",
    ModelAction.CHAMPION: "Make champion",
    ModelAction.REJECT: "Reject",
    ModelAction.ARCHIVE: "Archive",
    ModelAction.ENABLE: "Enable",
    ModelAction.DISABLE: "Disable",
    ModelAction.ASSIGN: "Assign to an instance",
}
PAST: Final[Mapping[ModelAction, str]] = {
    ModelAction.GRADUATE: "is graduated",
    ModelAction.CHAMPION: "is the champion",
    ModelAction.REJECT: "is rejected",
    ModelAction.ARCHIVE: "is archived",
    ModelAction.ENABLE: "is enabled",
    ModelAction.DISABLE: "is disabled",
    ModelAction.ASSIGN: "is assigned",
}
RIGHT_FOR: Final[Mapping[ModelAction, Right]] = {
    action: Right.CHANGE_INSTANCES if action is ModelAction.ASSIGN else Right.DECIDE_MODELS
    for action in ModelAction
}
DONE: Final = "models:done"
MIN_REASON_CHARS: Final = 3


def offered(entry: ModelEntry) -> tuple[ModelAction, ...]:
    """The actions that the version allows now."""
    usable = entry.record.enabled and entry.record.state in ("candidate", "graduated", "champion")
    if entry.record.task == RISK_TASK and usable and not entry.refused:
        return (*entry.moves, ModelAction.ASSIGN)
    return entry.moves


def consequence(
    action: ModelAction, entry: ModelEntry, champion: ModelRecord | None, without_own: int
) -> str:
    """What an action will change.

    Args:
        action: the action.
        entry: the version.
        champion: the current champion of its task; None: there is none.
        without_own: number of instances that the champion evaluates.
    """
    name, task = entry.record.reference, card_facts.task_words(entry.record.task)
    decides = entry.record.task == RISK_TASK
    assigned = (
        f" {formatting.count(len(entry.instances), 'instance')} assigned to this version will be "
        "evaluated by the champion, and their decisions marked as degraded."
        if entry.instances
        else ""
    )
    if action is ModelAction.CHAMPION:
        replaced = f", replacing {champion.reference}, which becomes graduated" if champion else ""
        instances = formatting.count(without_own, "instance")
        effect = f" {instances} without an assigned model will use it." if decides else ""
        return f"{name} becomes the champion for {task}{replaced}.{effect}"
    if action is ModelAction.GRADUATE:
        shadow = " and runs in shadow alongside the champion" if decides else ""
        process = " It moves from its separate process into the server's." if entry.isolated else ""
        return f"{name} may become champion{shadow}. No decision changes.{process}"
    if action is ModelAction.REJECT:
        return f"No evaluation uses {name} any more; it can be graduated later.{assigned}"
    if action is ModelAction.ARCHIVE:
        return f"{name} is archived: no evaluation uses it; it can be graduated later.{assigned}"
    if action is ModelAction.DISABLE:
        return f"No evaluation uses {name} until it is enabled again.{assigned}"
    if action is ModelAction.ENABLE:
        return f"Evaluations may use {name} again, as its state allows."
    return f"The instance is evaluated by {name} from its next evaluation on."


def show(entry: ModelEntry, user: Principal) -> None:
    """Shows the allowed actions, their effect, and a field for the reason."""
    st.header("Actions", anchor=False)
    if entry.refused:
        st.warning(formatting.plain(entry.refused), title="Its files cannot be used")
    allowed = {LABELS[action]: action for action in offered(entry) if user.may(RIGHT_FOR[action])}
    if not user.may(Right.DECIDE_MODELS):
        permissions.caption(Right.DECIDE_MODELS)
    if entry.record.state == "champion":
        st.caption(
            "This is the champion. To reject, archive or disable it, make another version "
            "champion first."
        )
    if not allowed:
        return
    selected = st.pills("Action", [*allowed], key=f"move {entry.record.reference}")
    if selected is not None:
        _show_form(allowed[selected], entry)


def _show_form(action: ModelAction, entry: ModelEntry) -> None:
    """Shows the effect of an action, a field for the reason, and the button."""
    reference = entry.record.reference
    fleet = session.fleet()
    without_own = sum(instance.model is None for instance in fleet)
    champion = session.services().models.champion(entry.record.task)
    instance_id = None
    if action is ModelAction.ASSIGN:
        names = {i.instance_id: widgets.instance_name(i) for i in fleet}
        instance_id = st.selectbox(
            "Instance",
            [*names],
            format_func=lambda each: visible(names[each]),
            index=None,
            placeholder="choose one",
            key=f"assign {reference}",
        )
    st.markdown(
        "**What will change.** "
        f"{formatting.plain(consequence(action, entry, champion, without_own))}"
    )
    with st.form(f"decide {reference}", border=False, enter_to_submit=False):
        st.text_input(
            "Reason",
            key=f"reason {reference}",
            max_chars=500,
            placeholder="recorded in the history with your name and the time",
        )
        st.form_submit_button(
            LABELS[action],
            type="primary",
            on_click=_run,
            args=(action, reference, instance_id),
            disabled=action is ModelAction.ASSIGN and instance_id is None,
        )


def _run(action: ModelAction, reference: str, instance_id: str | None) -> None:
    reason = str(st.session_state.get(f"reason {reference}", "")).strip()
    if len(reason) < MIN_REASON_CHARS:
        st.session_state[DONE] = (False, "Nothing was changed: enter a reason first.")
        return
    services = session.services()
    try:
        if action is ModelAction.ASSIGN:
            services.instances.assign(instance_id or "", reference, reason)
        else:
            services.models.act(action, reference, reason)
    except SpotlabError as exc:
        errors.explain(exc)
        return
    finally:
        queries.forget()
    st.session_state[DONE] = (True, f"{reference} {PAST[action]}.")
    for key in (f"move {reference}", f"reason {reference}"):
        st.session_state.pop(key, None)


def show_outcome() -> None:
    """Shows what the last action did, once."""
    succeeded, message = st.session_state.pop(DONE, (True, ""))
    if message and succeeded:
        st.toast(formatting.plain(message), icon=":material/check:")
    elif message:
        st.warning(formatting.plain(message), icon=":material/edit:")
