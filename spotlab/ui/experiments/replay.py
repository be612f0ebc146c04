"""A recorded decision made again: is it identical, and what would something else have decided?"""

from __future__ import annotations

import json

import pandas as pd
import streamlit as st

from spotlab.domain.decision import Experiment
from spotlab.errors import SpotlabError
from spotlab.pipeline.cost_since import CostSince
from spotlab.runtime.replay import Replay
from spotlab.ui.common import errors, formatting, session, tables
from spotlab.ui.common.tables import Column

_AS_RECORDED = "as recorded"


@st.fragment
def show(experiment: Experiment) -> None:
    """The form, and the result of the last replay."""
    services = session.services()
    st.caption(
        "The decision is made again on the market of its run, with the recorded predictions. "
        "Change something to see what would have been decided instead."
    )
    with st.form("replay", border=False):
        columns = st.columns(3, vertical_alignment="bottom")
        models = [
            record.reference
            for record in services.models.records()
            if record.task == _task_of(experiment)
        ]
        model = columns[0].selectbox("Model", [_AS_RECORDED, *models], key="replay-model")
        names = [each.workload.reference for each in services.workloads.versions()]
        workload = columns[1].selectbox("Workload", [_AS_RECORDED, *names], key="replay-workload")
        with columns[2], st.popover("Policy parameters", width="stretch"):
            policy = _changed_parameters(experiment)
        asked = st.form_submit_button("Replay", icon=":material/replay:", type="primary")
    if not asked:
        return
    try:
        replay = services.experiments.replay(
            experiment.experiment_id,
            None if model == _AS_RECORDED else model,
            json.dumps(policy) if policy else None,
            None if workload == _AS_RECORDED else workload,
        )
    except SpotlabError as exc:
        errors.show(exc)
        return
    _show_result(replay)


def _task_of(experiment: Experiment) -> str:
    """The task of the model that decided: only such models can be asked instead."""
    records = session.services().models.records()
    return next(
        (record.task for record in records if record.reference == experiment.model), "advisor"
    )


def _changed_parameters(experiment: Experiment) -> dict[str, float]:
    """Number inputs for all parameters; those that differ from the recorded ones."""
    changed = {}
    for name, value in experiment.policy.as_dict().items():
        given = st.number_input(
            name, min_value=0.0, value=value, format="%g", key=f"replay-policy-{name}"
        )
        if given is not None and given != value:
            changed[name] = float(given)
    return changed


def _show_result(replay: Replay) -> None:
    if not replay.changed:
        if replay.identical:
            st.success(
                "Every number of the decision and of its candidates is the same, bit for bit.",
                title="Identical",
                icon=":material/check_circle:",
            )
        else:
            count = formatting.count(len(replay.differences), "value")
            st.warning(
                "This version of SpotLab decides differently on the same market.",
                title=f"{count} differ",
                icon=":material/difference:",
            )
            _show_differences(replay)
        return
    same = _decision(replay.recorded) == _decision(replay.replayed)
    changed = " and ".join(replay.changed)
    st.markdown(f"**With another {changed}, the decision is {'the same' if same else 'another'}.**")
    frame = pd.DataFrame(
        {
            "what": ["decision", "saving", "cost since"],
            "recorded": _column(replay.recorded, replay.recorded_cost),
            "replayed": _column(replay.replayed, replay.replayed_cost),
        }
    )
    columns = {
        "what": Column(""),
        "recorded": Column("recorded"),
        "replayed": Column(f"with another {changed}"),
    }
    tables.show(frame, columns, name="Recorded and replayed decision", key="replay-sides")
    for title, experiment in (("Recorded", replay.recorded), ("Replayed", replay.replayed)):
        st.caption(f"**{title}.** {formatting.plain(_reason(experiment))}")


def _show_differences(replay: Replay) -> None:
    frame = pd.DataFrame(
        [(each.field, str(each.recorded), str(each.replayed)) for each in replay.differences],
        columns=["value", "recorded", "replayed"],
    )
    columns = {name: Column(name) for name in ("value", "recorded", "replayed")}
    tables.show(frame, columns, name="Differences", key="replay-differences", max_rows=15)


def _column(experiment: Experiment, cost: CostSince | None) -> list[str]:
    verdict = experiment.verdict
    saving = verdict.saving_usd_per_hour if verdict is not None else None
    return [
        _decision(experiment),
        formatting.usd_per_hour(saving),
        _cost(cost),
    ]


def _decision(experiment: Experiment) -> str:
    verdict = experiment.verdict
    if verdict is None:
        return formatting.NOT_DECIDED
    mark = formatting.decision_mark(verdict.decision)
    return f"{mark} to {verdict.chosen.pool.label}" if verdict.chosen is not None else mark


def _reason(experiment: Experiment) -> str:
    return experiment.verdict.reason if experiment.verdict is not None else experiment.error


def _cost(cost: CostSince | None) -> str:
    if cost is None or cost.total_usd is None:
        return f"not known: {cost.unknown if cost is not None else ''}"
    return f"{cost.total_usd:,.4f} USD in {cost.hours:,.1f} h"
