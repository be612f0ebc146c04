"""What may be done with a model version: said before it is done, and why it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import streamlit as st

from spotlab.domain.access import Principal, Right
from spotlab.domain.model_lifecycle import ModelAction
from spotlab.domain.ports import ModelRecord
from spotlab.errors import SpotlabError
from spotlab.runtime.model_selection import RISK_TASK
from spotlab.services import Desk
from spotlab.services.models import ModelEntry
from spotlab.telemetry.text import visible
from spotlab.ui.common import errors, formatting, permissions, session, widgets
from spotlab.ui.models import card_facts, queries

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
REASON_AT_LEAST: Final = 3


def offered(entry: ModelEntry) -> tuple[ModelAction, ...]:
    """The moves that this version may make now."""
    usable = entry.record.enabled and entry.record.state in ("candidate", "graduated", "champion")
    if entry.record.task == RISK_TASK and usable and not entry.refused:
        return (*entry.moves, ModelAction.ASSIGN)
    return entry.moves


def consequence(
    action: ModelAction, entry: ModelEntry, champion: ModelRecord | None, without_own: int
) -> str:
    """What a move will change, before it is made.

    Args:
        action: the move.
        entry: the version.
        champion: of its task now; None: none.
        without_own: instances that the champion evaluates.
    """
    name, task = entry.record.reference, card_facts.task_words(entry.record.task)
    decides = entry.record.task == RISK_TASK
    who = formatting.count(without_own, "instance")
    assigned = formatting.count(len(entry.instances), "instance")
    back = (
        f" {assigned} with this version will be evaluated by the champion, and say so."
        if entry.instances
        else ""
    )
    if action is ModelAction.CHAMPION:
        before = f" instead of {champion.reference}, which becomes graduated" if champion else ""
        effect = f" {who} without a model of their own will be evaluated by it." if decides else ""
        return f"{name} gives the forecast of {task}{before}.{effect}"
    if action is ModelAction.GRADUATE:
        shadow = " and runs in shadow beside the champion" if decides else ""
        where = " It leaves its own process and runs inside the server's." if entry.isolated else ""
        return f"{name} may become champion{shadow}. No decision changes.{where}"
    if action is ModelAction.REJECT:
        return f"No evaluation uses {name} any more; it can be graduated later.{back}"
    if action is ModelAction.ARCHIVE:
        return f"{name} is archived: no evaluation uses it; it can be graduated later.{back}"
    if action is ModelAction.DISABLE:
        return f"No evaluation uses {name} until it is enabled again.{back}"
    if action is ModelAction.ENABLE:
        return f"Evaluations may use {name} again, as its state allows."
    return f"From its next evaluation on, the instance is decided about by {name}."


def show(entry: ModelEntry, user: Principal) -> None:
    """The moves that are allowed, what each would change, and a field for the reason."""
    st.header("Decide", anchor=False)
    if entry.refused:
        st.warning(formatting.plain(entry.refused), title="Its files cannot be used")
    moves = {LABELS[action]: action for action in offered(entry) if user.may(RIGHT_FOR[action])}
    if not user.may(Right.DECIDE_MODELS):
        permissions.caption(Right.DECIDE_MODELS)
    if entry.record.state == "champion":
        st.caption(
            "It is the champion: make another version champion first; then it can be rejected, "
            "archived or disabled."
        )
    if not moves:
        return
    picked = st.pills("What to do", [*moves], key=f"move {entry.record.reference}")
    if picked is not None:
        _ask(moves[picked], entry)


def _ask(action: ModelAction, entry: ModelEntry) -> None:
    """What will change, why, and the button."""
    reference = entry.record.reference
    fleet = session.fleet()
    without_own = sum(instance.model is None for instance in fleet)
    champion = session.desk().models.champion(entry.record.task)
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
            placeholder="kept in the history, with your name and the time",
        )
        st.form_submit_button(
            LABELS[action],
            type="primary",
            on_click=_do,
            args=(action, reference, instance_id),
            disabled=action is ModelAction.ASSIGN and instance_id is None,
        )


def _do(action: ModelAction, reference: str, instance_id: str | None) -> None:
    reason = str(st.session_state.get(f"reason {reference}", "")).strip()
    if len(reason) < REASON_AT_LEAST:
        st.session_state[DONE] = (False, "Nothing was changed: say why first, in a few words.")
        return
    done = f"{reference} {PAST[action]}."

    def move(desk: Desk) -> None:
        if action is ModelAction.ASSIGN:
            desk.instances.assign(instance_id or "", reference, reason)
        else:
            desk.models.act(action, reference, reason)

    if _tried(move):
        st.session_state[DONE] = (True, done)
        for key in (f"move {reference}", f"reason {reference}"):
            st.session_state.pop(key, None)


def _tried(move: Callable[[Desk], None]) -> bool:
    try:
        move(session.desk())
    except SpotlabError as exc:
        errors.explain(exc)
        return False
    finally:
        queries.forget()
    return True


def show_outcome() -> None:
    """What the last move did, once."""
    well, said = st.session_state.pop(DONE, (True, ""))
    if said and well:
        st.toast(formatting.plain(said), icon=":material/check:")
    elif said:
        st.warning(formatting.plain(said), icon=":material/edit:")
