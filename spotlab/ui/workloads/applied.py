"""The workload of one instance, with the rule that chose it, and a way to change it."""

from __future__ import annotations

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.decision import Instance
from spotlab.domain.workload import AppliedWorkload, AssignmentScope, describe_cost
from spotlab.errors import SpotlabError
from spotlab.ui.common import errors, formatting, identity, links, session

INHERITED = "— by tag, account or default —"


def sentence(applied: AppliedWorkload) -> str:
    """Which workload applies and why: `Workload queue-worker@2, assigned by tag role=worker.`"""
    workload, cost = applied.workload, describe_cost(applied.workload)
    if applied.scope is AssignmentScope.DEFAULT:
        rule = "assumed: no rule is about this instance"
    elif applied.scope is AssignmentScope.INSTANCE:
        rule = "assigned to this instance"
    else:
        rule = f"assigned by {applied.scope.value} {applied.key}"
    return f"Workload {workload.reference}, {rule}. {cost}"


def show(instance: Instance) -> None:
    """Shows the workload of an instance, a link to it, and a menu that assigns another."""
    applied = session.applied_workload(instance)
    st.caption(formatting.plain(sentence(applied)))
    with st.container(horizontal=True, vertical_alignment="center"):
        links.to("workloads", "Workload", ":material/work:", workload=applied.workload.name)
        if identity.current().may(Right.CHANGE_INSTANCES):
            with st.popover("Assign another", type="tertiary"):
                _show_choice(instance, applied)


def _show_choice(instance: Instance, applied: AppliedWorkload) -> None:
    key = f"workload of {instance.instance_id}"
    names = list(
        dict.fromkeys(each.workload.name for each in session.services().workloads.versions())
    )
    own = applied.scope is AssignmentScope.INSTANCE
    options = [INHERITED, *names]
    with st.form(key, border=False, enter_to_submit=False):
        st.selectbox(
            "Workload of this instance",
            options,
            options.index(applied.workload.name) if own else 0,
            key=f"{key} name",
        )
        st.text_input("Reason", max_chars=500, key=f"{key} reason")
        st.form_submit_button("Assign", on_click=_assign, args=(instance.instance_id, key, own))


def _assign(instance_id: str, key: str, own: bool) -> None:
    name, reason = st.session_state[f"{key} name"], st.session_state[f"{key} reason"]
    chosen = None if name == INHERITED else name
    if chosen is None and not own:
        return
    try:
        session.services().workloads.assign(
            AssignmentScope.INSTANCE, instance_id, chosen, reason.strip()
        )
    except SpotlabError as exc:
        errors.explain(exc)
