"""The rules that give instances a workload: listed, added and removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.decision import Instance
from spotlab.domain.workload import Assignment, AssignmentScope, Workload, applied_workload
from spotlab.errors import SpotlabError
from spotlab.telemetry.invisible_characters import visible
from spotlab.ui.common import errors, formatting, identity, permissions, session, tables, widgets
from spotlab.ui.common.tables import Column

DONE: Final = "workloads-done"
SCOPES: Final = {
    AssignmentScope.TAG: "Tag",
    AssignmentScope.INSTANCE: "Instance",
    AssignmentScope.ACCOUNT: "Account",
}
ORDER: Final = (
    "A rule about the instance wins over one about a tag, and that over one about its account."
)


def show(workload: Workload, fleet: Sequence[Instance]) -> None:
    """Shows the rules of a workload, and the form of a new one."""
    rules = [r for r in session.services().workloads.assignments() if r.workload == workload.name]
    _show_rules(rules, fleet)
    if permissions.caption(Right.CHANGE_INSTANCES):
        with st.columns([3, 2])[0]:
            _show_form(workload, fleet)


def _show_rules(rules: Sequence[Assignment], fleet: Sequence[Instance]) -> None:
    if not rules:
        st.caption(f"No rule assigns it. {ORDER}")
        return
    names = {each.instance_id: widgets.instance_name(each) for each in fleet}
    frame = pd.DataFrame(
        [
            (SCOPES[rule.scope], names.get(rule.key, rule.key), len(_matching(rule, fleet)))
            for rule in rules
        ],
        columns=["scope", "key", "matching"],
    )
    columns = {
        "scope": Column("rule about"),
        "key": Column("which", width=320),
        "matching": Column(
            "instances", "{:,}".format, "That match; another rule may win.", number=True
        ),
    }
    chosen = tables.show(
        frame,
        columns,
        name="Assignments",
        key="assignments",
        select=("single-row", "single-cell"),
        rows=[f"{rule.scope} {rule.key}" for rule in rules],
    )
    st.caption(ORDER)
    if chosen and identity.current().may(Right.CHANGE_INSTANCES):
        rule = rules[chosen[0]]
        with st.form(f"remove {rule.scope} {rule.key}", border=False, enter_to_submit=False):
            st.text_input("Reason for removing it", max_chars=500, key="unassign-reason")
            label = formatting.plain(f"Remove the rule about {rule.scope.value} {rule.key}")
            st.form_submit_button(label, on_click=_remove, args=(rule,))


def _matching(rule: Assignment, fleet: Sequence[Instance]) -> list[Instance]:
    named = {rule.workload: Workload(rule.workload, 1, "", work_lost_h=0.0, recovery_h=0.0)}
    return [each for each in fleet if applied_workload(each, [rule], named).scope is rule.scope]


def _show_form(workload: Workload, fleet: Sequence[Instance]) -> None:
    st.markdown("**Assign it**")
    scope = st.segmented_control(
        "Rule about",
        [*SCOPES],
        default=AssignmentScope.TAG,
        format_func=SCOPES.__getitem__,
        required=True,
        key="assign-scope",
    )
    keys = _keys(scope, fleet)
    key = st.selectbox(
        {
            AssignmentScope.TAG: "Tag, as name=value",
            AssignmentScope.INSTANCE: "Instance",
            AssignmentScope.ACCOUNT: "Account",
        }[scope],
        [*keys],
        index=None,
        format_func=lambda each: visible(keys.get(each) or each),
        accept_new_options=scope is AssignmentScope.TAG,
        placeholder="role=worker" if scope is AssignmentScope.TAG else "choose one",
        key=f"assign-key {scope}",
    )
    if key is not None:
        number = len(_matching(Assignment(scope, key, workload.name), fleet))
        st.caption(
            f"{formatting.count(number, 'instance')} that you may see "
            f"{'matches' if number == 1 else 'match'} this rule."
        )
    st.text_input("Reason", max_chars=500, key="assign-reason")
    st.button(
        f"Assign {workload.name}",
        icon=":material/assignment_turned_in:",
        disabled=key is None,
        on_click=_assign,
        args=(scope, key, workload.name),
    )


def _keys(scope: AssignmentScope, fleet: Sequence[Instance]) -> dict[str, str]:
    """Keys to choose from, with their labels."""
    if scope is AssignmentScope.INSTANCE:
        return {each.instance_id: widgets.instance_name(each) for each in fleet}
    if scope is AssignmentScope.ACCOUNT:
        return {name: name for name in sorted({each.account for each in fleet})}
    tags = {f"{name}={value}" for each in fleet for name, value in each.tags.items()}
    return {tag: tag for tag in sorted(tags) if not tag.startswith("Name=")}


def _assign(scope: AssignmentScope, key: str, name: str) -> None:
    _change(scope, key, name, "assign-reason", f"{name} is assigned by {scope.value} {key}.")


def _remove(rule: Assignment) -> None:
    said = f"The rule about {rule.scope.value} {rule.key} is removed."
    _change(rule.scope, rule.key, None, "unassign-reason", said)


def _change(scope: AssignmentScope, key: str, name: str | None, reason_key: str, said: str) -> None:
    reason = str(st.session_state.get(reason_key, "")).strip()
    try:
        session.services().workloads.assign(scope, key, name, reason)
    except SpotlabError as exc:
        errors.explain(exc)
        return
    st.session_state[DONE] = said
    st.session_state.pop(reason_key, None)
