"""What there is to explain: a past decision or the market now.

A past decision is explained from the features it stored, so that the explanation is of what was
decided then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import streamlit as st

from spotlab.domain.decision import Experiment, Instance
from spotlab.domain.features import FeatureFrame
from spotlab.domain.market import Pool
from spotlab.domain.ports import ExperimentFilter, RiskModel
from spotlab.errors import NotFound
from spotlab.inference import calibration
from spotlab.inference.card import CardSpec, with_kinds
from spotlab.inference.explain import Explanation
from spotlab.services.explanations import frame_of
from spotlab.ui.candidates import table
from spotlab.ui.common import session, widgets
from spotlab.ui.common.formatting import ago, decision_mark, plain

NOW = "now"
MOST_POOLS = 100
MOST_DECISIONS = 20


@dataclass(frozen=True, slots=True)
class Subject:
    """What the explanations are taken from.

    Args:
        instance_id: what it is about.
        title: in words.
        frame: features, as they were.
        model: "name@version".
        horizon_h: of the risks, hours.
        current: the pool it is (or was) on; None where it was not scored.
        chosen: the pool decided for, or the best candidate now.
        pools: what can be explained, best first.
    """

    instance_id: str
    title: str
    frame: FeatureFrame
    model: str
    horizon_h: float
    current: Pool | None
    chosen: Pool | None
    pools: tuple[Pool, ...]


def of_experiment(experiment: Experiment) -> Subject:
    """A past decision.

    Raises:
        NotFound: it stored no candidate.
    """
    if not experiment.candidates:
        raise NotFound(
            f"Decision #{experiment.experiment_id} has no candidates to explain.",
            remedy="Evaluate the instance again, or choose another decision.",
        )
    verdict = experiment.verdict
    ranked = sorted(experiment.candidates, key=lambda c: (c.rank == 0, c.rank))
    known = [candidate.pool for candidate in ranked]
    current = verdict.current.pool if verdict and verdict.current else None
    chosen = verdict.chosen.pool if verdict and verdict.chosen else None
    decision = decision_mark(verdict.decision if verdict else None)
    return Subject(
        instance_id=experiment.instance.instance_id,
        title=f"decision #{experiment.experiment_id} ({decision})",
        frame=frame_of(experiment),
        model=experiment.model,
        horizon_h=experiment.policy.horizon_h,
        current=current,
        chosen=chosen,
        pools=_offered(known, current, chosen),
    )


def of_now(instance: Instance) -> Subject:
    """An instance in the market now.

    Raises:
        NoMarketData: nothing was collected yet.
    """
    market = session.desk().market
    model, instead = market.in_force(instance)
    widgets.degraded([instead] if instead else [], "The champion's risks are explained.")
    ranking = session.ranking(market.requirements_of(instance), model, None)
    current = table.current_of(ranking, instance)
    best = ranking.take(range(min(MOST_POOLS, len(ranking.candidates))))
    known = [candidate.pool for candidate in best]
    here = current.pool if current else None
    return Subject(
        instance_id=instance.instance_id,
        title="the market now",
        frame=ranking.scored.frame,
        model=ranking.scored.model,
        horizon_h=ranking.policy.horizon_h,
        current=here,
        chosen=next((pool for pool in known if pool != here), None),
        pools=_offered(known, here, None),
    )


def base_rate(model: RiskModel, explanation: Explanation) -> float:
    """The monthly rate that an explanation's base stands for."""
    spec = msgspec.convert(with_kinds(dict(model.card)), CardSpec)
    return float(calibration.monthly_rate(spec, np.array([explanation.base]))[0])


def pick() -> tuple[Subject, Pool]:
    """One row of choices, in the URL: an instance, now or one of its decisions, and a pool.

    Raises:
        NotFound: there is no instance, or no such decision.
    """
    _follow_decision()
    fleet = session.fleet()
    left, middle, right = st.columns(3)
    with left:
        instance_id = widgets.pick_instance(fleet)
    if instance_id is None:
        raise NotFound("No instance is known yet.", remedy="Evaluate the fleet first.")
    with middle:
        when = widgets.pick_one("When", _recent(instance_id) | {NOW: "the market now"}, "decision")
    if when is not None and when != NOW:
        subject = of_experiment(session.experiment(int(when)))
    else:
        subject = of_now(session.desk().instances.get(instance_id))
    with right:
        return subject, _pick_pool(subject)


def _pick_pool(subject: Subject) -> Pool:
    """Which of its pools to explain; the chosen one first."""
    role = {subject.chosen: " (best)", subject.current: " (where it runs)"}
    names = {pool.key: pool.label + role.get(pool, "") for pool in subject.pools}
    key = widgets.pick_one("Pool", names, "pool")
    return next((pool for pool in subject.pools if pool.key == key), subject.pools[0])


def _follow_decision() -> None:
    """A link names a decision alone: its instance is picked with it."""
    asked = widgets.number_asked("decision")
    if asked is not None and "instance" not in st.query_params:
        about = session.experiment(asked).instance
        st.query_params["instance"] = about.instance_id


def _recent(instance_id: str) -> dict[str, str]:
    """An instance's recent decisions, id to words, newest first, and the one in the URL."""
    now = session.now()
    where = ExperimentFilter(instance_id=instance_id)
    found = {
        str(e.experiment_id): f"decision #{e.experiment_id}, {ago(e.created_at, now)}: "
        f"{decision_mark(e.decision)}"
        for e in session.desk().decisions.list(where, limit=MOST_DECISIONS)
    }
    asked = widgets.number_asked("decision")
    if asked is not None and str(asked) not in found:
        older = session.experiment(asked)
        if older.instance.instance_id == instance_id:
            found[str(asked)] = f"decision #{asked}, {ago(older.created_at, now)}"
    return found


def show_notes(model: RiskModel, in_log_odds: str) -> None:
    """What the risk is and is not, and the model card."""
    st.caption(
        f"{plain(in_log_odds)} The risk is a model's estimate of how often AWS reclaims capacity, "
        "learnt from the advisor's monthly buckets and spread evenly over the month. It is no "
        "promise for the next hours, and a contribution says what moved the model, not "
        "what causes it."
    )
    with st.expander(f"Model card of {model.name}@{model.version}", icon=":material/description:"):
        st.json(dict(model.card), expanded=1)


def _offered(known: Sequence[Pool], current: Pool | None, chosen: Pool | None) -> tuple[Pool, ...]:
    first = [pool for pool in (chosen, current) if pool is not None]
    return tuple(dict.fromkeys([*first, *known[:MOST_POOLS]]))
