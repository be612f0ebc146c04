"""Actions on the Instances page: evaluate, assign a model, set shadow mode."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.decision import Experiment
from spotlab.domain.model_lifecycle import unusable_reason
from spotlab.domain.ports import ExperimentSummary
from spotlab.errors import SpotlabError
from spotlab.runtime.model_selection import RISK_TASK
from spotlab.telemetry.invisible_characters import visible
from spotlab.ui.common import (
    background_tasks,
    errors,
    formatting,
    identity,
    links,
    permissions,
    session,
)
from spotlab.ui.common.formatting import ago, count, decision_mark, moment
from spotlab.ui.workloads import applied as workload

SLOT: Final = "evaluate"
CHAMPION: Final = "champion"


def show_button(ids: Sequence[str]) -> None:
    """The page's main action: evaluate the selected instances, or all."""
    background_tasks.start_button(
        f"Evaluate {len(ids)} selected" if ids else "Evaluate all",
        SLOT,
        Right.EVALUATE,
        _evaluate,
        (list(ids) or None,),
        icon=":material/play_arrow:",
        key="evaluate-now",
    )


def _evaluate(ids: list[str] | None) -> None:
    services = session.services().instances
    background_tasks.begin(
        SLOT,
        "Evaluating",
        lambda tell, stopped: services.evaluate(ids, progress=tell, cancelled=stopped),
    )


def show_outcome() -> None:
    """A toast with the result of the last evaluation, once."""
    run = background_tasks.take(SLOT)
    if run is None:
        return
    session.forget_market()
    experiments: list[Experiment] | None = run.result
    if experiments is not None:
        failed = sum(bool(experiment.error) for experiment in experiments)
        text = f"{count(len(experiments), 'decision')} recorded"
        st.toast(text + (f"; {failed} failed." if failed else "."))


def show_details(instance_id: str, last: ExperimentSummary | None, now: datetime) -> None:
    """The last decision about one instance with its reason, and its settings."""
    instance = session.services().instances.get(instance_id)
    with st.container(border=True):
        why, settings = st.columns([3, 2], gap="large")
        with why:
            st.header(formatting.plain(instance.name or instance_id), anchor=False)
            if last is None:
                st.write("Not evaluated yet.")
            else:
                st.write(
                    f"**{decision_mark(last.decision)}** "
                    f"{formatting.plain(last.reason or last.error)}"
                )
                st.caption(
                    f"{instance_id} · evaluated {ago(last.created_at, now)} with {last.model}, "
                    f"{count(last.candidates_evaluated, 'candidate')}",
                    help=moment(last.created_at),
                )
            links.of_instance(instance_id, last.experiment_id if last else None)
            workload.show(instance)
        with settings:
            _show_settings(instance_id, instance.model, instance.shadow)


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
