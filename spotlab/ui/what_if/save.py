"""Saving the settings of a what-if: as a workload, or as a draft of a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.what_if import KNOBS, Changes, Part
from spotlab.domain.workload import MAX_DESCRIPTION, Workload
from spotlab.errors import InvalidInput, SpotlabError
from spotlab.services.base import LONGEST_REASON
from spotlab.ui.common import errors, formatting, identity, permissions, session

DONE: Final = "what-if saved"


def show(changes: Changes, workloads: Sequence[Workload]) -> None:
    """What can be saved of these changes; nothing without changes.

    Args:
        changes: of the controls.
        workloads: that apply to the instances on the page.
    """
    if message := st.session_state.pop(DONE, ""):
        st.toast(formatting.plain(message), icon=":material/check:")
    of_workload = changes.as_dict(Part.WORKLOAD, Part.HARDWARE)
    of_policy = changes.as_dict(Part.POLICY)
    if not of_workload and not of_policy:
        return
    if not permissions.caption(Right.CHANGE_INSTANCES):
        return
    if identity.current().accounts is not None:
        st.caption(
            ":material/lock: Only a user who sees every account may save a workload or a policy."
        )
        return
    with st.container(horizontal=True):
        if of_workload and workloads:
            with st.popover("Save as workload", icon=":material/save:"):
                _show_workload_form(changes, workloads)
        if of_policy:
            with st.popover("Save as policy draft", icon=":material/policy:"):
                _show_policy_form(of_policy)


def _show_workload_form(changes: Changes, workloads: Sequence[Workload]) -> None:
    names = {each.name: each for each in workloads}
    help_text = "What is not changed here stays as in this workload."
    base = names[st.selectbox("Based on", [*names], key="what-if base", help=help_text)]
    with st.form(f"what-if workload {base.name}", border=False, enter_to_submit=False):
        name = st.text_input(
            "Name",
            base.name,
            key=f"what-if name {base.name}",
            help="The same name saves its next version, which applies wherever it is assigned. "
            "Another name saves a new workload, which you can assign.",
        )
        description = st.text_area(
            "Description",
            describe(base, changes),
            max_chars=MAX_DESCRIPTION,
            key=f"what-if description {base.name} {hash(changes):x}",
        )
        reason = st.text_input("Reason", max_chars=LONGEST_REASON, key="what-if reason")
        if st.form_submit_button("Save", type="primary"):
            with errors.boundary():
                _save_workload(changes, base, name.strip(), description.strip(), reason.strip())


def describe(base: Workload, changes: Changes) -> str:
    """The changes to a workload as a sentence."""
    parts = [
        f"{KNOBS[name].label.lower()}: {KNOBS[name].text(value)}"
        for name, value in changes.as_dict(Part.WORKLOAD, Part.HARDWARE).items()
    ]
    return f"As {base.reference}, but {', '.join(parts)}."


def _save_workload(
    changes: Changes, base: Workload, name: str, description: str, reason: str
) -> None:
    if not reason:
        raise InvalidInput("The reason is missing.", remedy="Say in a sentence why it changes.")

    workload = replace(changes.workload(base), name=name, description=description)
    saved = session.services().workloads.save(
        workload, reason, base.version if name == base.name else 0
    )
    st.session_state[DONE] = f"{saved.reference} is saved."
    for each in changes.as_dict(Part.WORKLOAD, Part.HARDWARE) if name == base.name else ():
        st.query_params.pop(each, None)
    st.rerun()


def _show_policy_form(changes: Mapping[str, float]) -> None:
    with st.form("what-if policy", border=False, enter_to_submit=False):
        name = st.text_input("Name", key="what-if policy name", help="Of a new or existing policy.")
        reason = st.text_input("Reason", max_chars=LONGEST_REASON, key="what-if policy reason")
        if st.form_submit_button("Save draft", type="primary"):
            try:
                policies = session.services().policies
                active = policies.get().policy.reference
                saved = policies.save(name.strip(), changes, base=active, reason=reason)
            except SpotlabError as exc:
                errors.explain(exc)
            else:
                st.session_state[DONE] = f"{saved.policy.reference} is saved as a draft."
                st.rerun()
