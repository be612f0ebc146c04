"""A workload opened: its form with the consequence beside it, its rules and its versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.decision import Instance
from spotlab.domain.workload import Workload, WorkloadVersion
from spotlab.errors import InvalidInput, SpotlabError
from spotlab.ui.common import errors, formatting, identity, permissions, session, tables
from spotlab.ui.workloads import assignments, consequence, form, table
from spotlab.ui.workloads.assignments import DONE


def show_outcome() -> None:
    """A toast with the result of the last change, once."""
    if message := st.session_state.pop(DONE, ""):
        st.toast(formatting.plain(message), icon=":material/check:")


def show(versions: Sequence[WorkloadVersion], fleet: Sequence[Instance], now: datetime) -> None:
    """Shows one workload.

    Args:
        versions: of it, newest first.
        fleet: the instances that the user may see.
        now: aware UTC.
    """
    newest = versions[0].workload
    st.header(formatting.plain(newest.reference), anchor=False)
    edit, assign, history = st.tabs(["Edit", "Assign", f"Versions ({len(versions)})"])
    with edit:
        _show_form(newest)
    with assign:
        assignments.show(newest, fleet)
    with history:
        tables.show(
            table.versions(versions), table.version_columns(now), name="Versions", key="versions"
        )


@st.fragment
def _show_form(newest: Workload) -> None:
    """The form, and beside it what the edited workload would change; each change reruns this."""
    fields, effect = st.columns([3, 2], gap="large")
    with errors.boundary():
        regions, zones = _places()
        with fields:
            try:
                draft: Workload | None = form.show(newest, regions, zones)
            except InvalidInput as exc:
                draft = None
                st.error(formatting.plain(form.explained(exc)))
        with effect, st.container(border=True):
            if draft is None:
                st.caption("No consequence can be computed until the form is valid.")
            else:
                consequence.show(draft)
                _show_save(newest, draft)


def _show_save(newest: Workload, draft: Workload) -> None:
    who = identity.current()
    if not permissions.caption(Right.CHANGE_INSTANCES):
        return
    if who.accounts is not None:
        st.caption(
            ":material/lock: A workload may apply to instances of every account: a user who sees "
            "all of them may save it."
        )
        return
    same = draft == newest
    key = form.key_of(newest)
    with st.form(f"{key} save", border=False, enter_to_submit=False):
        st.text_input("Reason for the change", max_chars=500, key=f"{key} reason")
        is_new = draft.name != newest.name
        label = "Save as a new workload" if is_new else f"Save version {newest.version + 1}"
        if st.form_submit_button(label, type="primary", disabled=same):
            _save(draft, newest, str(st.session_state[f"{key} reason"]).strip())
    if same:
        st.caption("Nothing is changed yet. Another name saves a new workload.")


def _save(draft: Workload, newest: Workload, reason: str) -> None:
    if not reason:
        st.error("The reason is missing. Say in a sentence why you change it.")
        return
    expected = newest.version if draft.name == newest.name else 0
    try:
        saved = session.services().workloads.save(draft, reason, expected)
    except SpotlabError as exc:
        errors.explain(exc)
        return
    st.session_state[DONE] = f"{saved.reference} is saved; the next evaluation uses it."
    st.query_params["workload"] = saved.name
    st.rerun()


def _places() -> tuple[list[str], list[str]]:
    """Known regions, and the zones of the market."""
    data, _ = session.market_if_any()
    regions = set(session.services().workloads.known_regions())
    if data is None:
        return sorted(regions), []
    regions |= set(data.prices["region"].unique())
    return sorted(regions), sorted(data.prices["availability_zone"].dropna().unique())


def newest_of(every: Sequence[WorkloadVersion]) -> Mapping[str, list[WorkloadVersion]]:
    """The versions by name, newest first."""
    found: dict[str, list[WorkloadVersion]] = {}
    for each in every:
        found.setdefault(each.workload.name, []).append(each)
    return found
