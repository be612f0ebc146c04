"""The subject of an explanation: a past decision, or an instance in the market now.

A past decision is explained from the features that were recorded with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import numpy as np
import streamlit as st

from spotlab.domain.decision import Candidate, Experiment, Instance
from spotlab.domain.features import FeatureFrame
from spotlab.domain.market import Pool
from spotlab.domain.ports import ExperimentFilter, RiskModel
from spotlab.errors import NotFound
from spotlab.inference import calibration
from spotlab.inference.card import CardSpec, with_kinds
from spotlab.inference.explain import Explanation, explain
from spotlab.services.explanations import frame_of
from spotlab.ui.candidates import table
from spotlab.ui.common import session, widgets
from spotlab.ui.common.formatting import ago, decision_mark, plain

NOW = "now"
MAX_POOLS = 100
MAX_DECISIONS = 20


@dataclass(frozen=True, slots=True)
class Subject:
    """What explanations are computed from.

    Args:
        instance_id: the instance.
        title: for a person, such as "decision #7 of 5 min ago (● STAY)".
        frame: features of the pools at that time.
        model: "name@version".
        horizon_h: of the risks, hours.
        current: the instance's pool; None if it was not scored.
        chosen: the chosen pool of the decision, or the best candidate now.
        pools: the pools to choose from, best first.
        candidates: the same pools as they were decided about, by pool.
        at: the time of the market or the decision.
        experiment_id: of the decision; None: the market now.
    """

    instance_id: str
    title: str
    frame: FeatureFrame
    model: str
    horizon_h: float
    current: Pool | None
    chosen: Pool | None
    pools: tuple[Pool, ...]
    candidates: Mapping[Pool, Candidate]
    at: datetime
    experiment_id: int | None = None


def of_experiment(experiment: Experiment, now: datetime) -> Subject:
    """A past decision.

    Args:
        experiment: the decision.
        now: for its age.
    Raises:
        NotFound: no candidate was recorded with it.
    """
    if not experiment.candidates:
        raise NotFound(
            f"Decision #{experiment.experiment_id} has no candidates to explain.",
            remedy="Evaluate the instance again, or choose another decision.",
        )
    verdict = experiment.verdict
    ranked = sorted(experiment.candidates, key=lambda c: (c.rank == 0, c.rank))
    current = verdict.current.pool if verdict and verdict.current else None
    chosen = verdict.chosen.pool if verdict and verdict.chosen else None
    decision = decision_mark(verdict.decision if verdict else None)
    return Subject(
        instance_id=experiment.instance.instance_id,
        title=f"decision #{experiment.experiment_id} of {ago(experiment.created_at, now)} "
        f"({decision}), with the features recorded then",
        frame=frame_of(experiment),
        model=experiment.model,
        horizon_h=experiment.workload.workload.horizon_h,
        current=current,
        chosen=chosen,
        pools=_options([candidate.pool for candidate in ranked], current, chosen),
        candidates={each.pool: each for each in experiment.candidates},
        at=experiment.created_at,
        experiment_id=experiment.experiment_id,
    )


def of_now(instance: Instance) -> Subject:
    """An instance in the market now.

    Raises:
        NoMarketData: no market has been collected.
    """
    _, problem = session.services().market.deciding_model(instance)
    widgets.degraded([problem] if problem else [], "The champion's risks are explained instead.")
    _, ranking = session.decided(instance, session.applied_workload(instance))
    scored = table.current_of(ranking, instance)
    current = scored.pool if scored else None
    best = ranking.take(range(min(MAX_POOLS, len(ranking.candidates))))
    pools = [candidate.pool for candidate in best]
    return Subject(
        instance_id=instance.instance_id,
        title="the market now",
        frame=ranking.scored.frame,
        model=ranking.scored.model,
        horizon_h=ranking.workload.horizon_h,
        current=current,
        chosen=next((pool for pool in pools if pool != current), None),
        pools=_options(pools, current, None),
        candidates={each.pool: each for each in (*best, *([scored] if scored else []))},
        at=ranking.scored.data.as_of,
    )


def explained(model: RiskModel, frame: FeatureFrame, pool: Pool, horizon_h: float) -> Explanation:
    """As `explain`; remembered by the pool's features. Raises NotFound, InvalidInput."""
    try:
        row = frame.values[frame.position(pool)]
    except KeyError:
        return explain(model, frame, pool, horizon_h)
    return _explained(
        f"{model.name}@{model.version}", pool, horizon_h, row.tobytes(), frame.names, model, frame
    )


@st.cache_resource(show_spinner=False, ttl=timedelta(minutes=10), max_entries=64)
def _explained(
    reference: str,  # noqa: ARG001  stands for the model
    pool: Pool,
    horizon_h: float,
    features: bytes,  # noqa: ARG001  stand for the frame
    names: tuple[str, ...],  # noqa: ARG001
    _model: RiskModel,
    _frame: FeatureFrame,
) -> Explanation:
    return explain(_model, _frame, pool, horizon_h)


def base_rate(model: RiskModel, explanation: Explanation) -> float:
    """The monthly interruption rate that corresponds to an explanation's base value."""
    spec = msgspec.convert(with_kinds(dict(model.card)), CardSpec)
    return float(calibration.monthly_rate(spec, np.array([explanation.base]))[0])


def pick() -> tuple[Subject, Pool]:
    """One row of selections, in the URL: an instance, now or one of its decisions, and a pool.

    Raises:
        NotFound: there is no instance, or no such decision.
    """
    _follow_decision()
    fleet = session.fleet()
    left, middle, right = st.columns(3)
    with left:
        instance_id = widgets.pick_instance(fleet)
    if instance_id is None:
        raise NotFound("There are no instances yet.", remedy="Evaluate the fleet first.")
    with middle:
        options = _decisions(instance_id) | {NOW: "the market now"}
        when = widgets.pick_one("Based on", options, "decision")
    if when is not None and when != NOW:
        subject = of_experiment(session.experiment(int(when)), session.now())
    else:
        subject = of_now(session.services().instances.get(instance_id))
    with right:
        return subject, _pick_pool(subject)


def _pick_pool(subject: Subject) -> Pool:
    """The pool to explain; by default the chosen one."""
    roles = {subject.chosen: " (best)", subject.current: " (current)"}
    names = {pool.key: pool.label + roles.get(pool, "") for pool in subject.pools}
    key = widgets.pick_one("Pool", names, "pool")
    return next((pool for pool in subject.pools if pool.key == key), subject.pools[0])


def _follow_decision() -> None:
    """Selects the instance of a link that names only a decision."""
    experiment_id = widgets.number_asked("decision")
    if experiment_id is not None and "instance" not in st.query_params:
        instance = session.experiment(experiment_id).instance
        st.query_params["instance"] = instance.instance_id


def _decisions(instance_id: str) -> dict[str, str]:
    """Labels of an instance's recent decisions by id, newest first, and of the one in the URL."""
    now = session.now()
    filters = ExperimentFilter(instance_id=instance_id)
    labels = {
        str(e.experiment_id): f"decision #{e.experiment_id}, {ago(e.created_at, now)}: "
        f"{decision_mark(e.decision)}"
        for e in session.services().experiments.list(filters, limit=MAX_DECISIONS)
    }
    experiment_id = widgets.number_asked("decision")
    if experiment_id is not None and str(experiment_id) not in labels:
        older = session.experiment(experiment_id)
        if older.instance.instance_id == instance_id:
            labels[str(experiment_id)] = f"decision #{experiment_id}, {ago(older.created_at, now)}"
    return labels


def show_notes(model: RiskModel, log_odds_note: str) -> None:
    """The limits of the risk, and the model card."""
    st.caption(
        f"{plain(log_odds_note)} The risk is a model's estimate of how often AWS reclaims "
        "capacity. The model is trained on the advisor's monthly buckets; the risk is spread "
        "evenly over the month. It does not predict the next hours, and a contribution shows what "
        "influenced the model, not what causes interruptions."
    )
    with st.expander(f"Model card of {model.name}@{model.version}", icon=":material/description:"):
        st.json(dict(model.card), expanded=1)


def _options(pools: Sequence[Pool], current: Pool | None, chosen: Pool | None) -> tuple[Pool, ...]:
    first = [pool for pool in (chosen, current) if pool is not None]
    return tuple(dict.fromkeys([*first, *pools[:MAX_POOLS]]))
