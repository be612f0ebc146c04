"""The details of one instance: its last decision with the reason, and its settings."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.decision import Instance
from spotlab.domain.model_lifecycle import unusable_reason
from spotlab.domain.ports import ExperimentSummary
from spotlab.errors import SpotlabError
from spotlab.runtime.model_selection import RISK_TASK
from spotlab.telemetry.invisible_characters import visible
from spotlab.ui.common import errors, formatting, identity, links, open_row, permissions, session
from spotlab.ui.common.formatting import ago, decision_mark, moment
from spotlab.ui.experiments import preview
from spotlab.ui.workloads import applied as workload

TABLE: Final = "fleet"
PARAMETER: Final = "instance"
CHAMPION: Final = "champion"


def opened(shown: pd.DataFrame, fleet: pd.DataFrame) -> str | None:
    """Id of the instance whose details are open; the URL names it.

    Args:
        shown: rows of the table.
        fleet: rows of all instances that this user may see.
    """
    ids = shown["instance_id"].tolist()
    open_row.follow_rows(TABLE, ids)
    found = open_row.open_id(TABLE, ids, PARAMETER)
    return found if found in set(fleet["instance_id"]) else None


def position(shown: pd.DataFrame, instance_id: str | None) -> int | None:
    """Position of an instance's row; None: the filters exclude it."""
    ids = shown["instance_id"].tolist()
    return ids.index(instance_id) if instance_id in ids else None


def show(instance_id: str, last: ExperimentSummary | None, now: datetime) -> None:
    """The last decision about one instance with its reason, and its settings."""
    instance = session.services().instances.get(instance_id)
    open_row.show_header(instance.name or instance_id, TABLE, PARAMETER)
    st.caption(formatting.plain(_where(instance)))
    if last is None:
        st.write("Not evaluated yet.")
    else:
        _show_decision(last, now)
    links.of_instance(instance_id, last.experiment_id if last else None)
    workload.show(instance)
    _show_settings(instance_id, instance.model, instance.shadow)


def _where(instance: Instance) -> str:
    return (
        f"{instance.instance_id} · {instance.account} · {instance.pool.label} · "
        f"{instance.lifecycle.value}"
    )


def _show_decision(last: ExperimentSummary, now: datetime) -> None:
    st.write(f"**{decision_mark(last.decision)}** {formatting.plain(last.reason or last.error)}")
    st.caption(
        f"Decided {ago(last.created_at, now)} with {formatting.plain(last.model)}.",
        help=moment(last.created_at),
    )
    preview.show_figures(last)


def _show_settings(instance_id: str, model: str | None, shadow: bool) -> None:
    known = [
        record.reference
        for record in session.services().models.records()
        if record.task == RISK_TASK and not unusable_reason(record.state, record.enabled)
    ]
    options = list(dict.fromkeys([CHAMPION, *known, *([model] if model else [])]))
    may = identity.current().may(Right.CHANGE_INSTANCES)
    st.selectbox(
        "Model",
        options,
        index=options.index(model) if model else 0,
        format_func=visible,
        key=f"model {instance_id}",
        on_change=_assign,
        args=(instance_id,),
        help="The model whose risks the next evaluation uses.",
        disabled=not may,
    )
    st.toggle(
        "Shadow mode: decide and record only",
        value=shadow,
        key=f"shadow {instance_id}",
        on_change=_set_shadow,
        args=(instance_id,),
        help="Execution is off in this version: no decision is carried out, with or without it.",
        disabled=not may,
    )
    permissions.caption(Right.CHANGE_INSTANCES)


def _assign(instance_id: str) -> None:
    chosen = st.session_state[f"model {instance_id}"]
    try:
        reference = None if chosen == CHAMPION else chosen
        session.services().instances.assign(instance_id, reference)
    except SpotlabError as exc:
        errors.explain(exc)


def _set_shadow(instance_id: str) -> None:
    try:
        shadow = st.session_state[f"shadow {instance_id}"]
        session.services().instances.set_shadow(instance_id, shadow)
    except SpotlabError as exc:
        errors.explain(exc)
