"""Decisions as they were made."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query

from spotlab.api.operation import Operation, about
from spotlab.api.paging import AskedPage, Page, PageAsked, read
from spotlab.api.request_state import AskedDesk
from spotlab.api.routes.instances import Id
from spotlab.api.views.base import MOST_ID, POOL, REFERENCE, Moment, pool_of, possible
from spotlab.api.views.experiments import (
    CandidateView,
    ExperimentView,
    OutcomeView,
    StageView,
    SummaryView,
    VerdictView,
    candidate_view,
)
from spotlab.api.views.explanations import ExplanationView, explained
from spotlab.domain.decision import Candidate, Decision, Experiment
from spotlab.domain.ports import ExperimentFilter, Topic
from spotlab.errors import NotFound
from spotlab.services import Desk

router = APIRouter(route_class=Operation, tags=["experiments"])

UNCHANGING = about(for_s=60.0)
"""A decision is never changed."""

Number = Annotated[
    int, Path(ge=1, le=MOST_ID, description="The experiment's number.", examples=[1])
]
Shadow = Annotated[bool | None, Query(description="Recorded only, or to be carried out.")]
Degraded = Annotated[bool | None, Query(description="Decided with less than there should be.")]
Failed = Annotated[bool | None, Query(description="Without a decision, or with one.")]
Since = Annotated[
    Moment | None, Query(description="Not before.", examples=["2026-11-01T00:00:00Z"])
]
Until = Annotated[Moment | None, Query(description="Not after.", examples=["2999-01-01T00:00:00Z"])]
Text = Annotated[str | None, Query(min_length=1, max_length=100)]


def listed(desk: Desk, where: ExperimentFilter, page: PageAsked) -> Page[SummaryView]:
    """A page of decisions, newest first.

    Raises:
        NotFound: a cursor that no page gave.
    """
    total = desk.decisions.count(where)
    if page.cursor is not None:
        where = replace(where, before=_place(page.cursor))
    found = desk.decisions.list(where, limit=page.limit + 1)
    return page.stored(
        found,
        total,
        lambda each: [each.created_at.isoformat(), each.experiment_id],
        SummaryView.model_validate,
        Page[SummaryView],
    )


def _number(numbered: tuple[int, object]) -> list[int]:
    return [numbered[0]]


def _place(cursor: str) -> tuple[datetime, int]:
    place = read(cursor, ["", 0])
    try:
        at = possible(datetime.fromisoformat(place[0]))
        if at.tzinfo is None or not 0 < place[1] <= MOST_ID:
            raise ValueError("no place in the ledger")
    except ValueError:
        raise NotFound("There is no such page.", remedy="Use the `next` of a page.") from None
    return at, place[1]


@router.get(
    "/experiments",
    operation_id="list_experiments",
    summary="Decisions about the instances that you see",
    response_model=Page[SummaryView],
    openapi_extra=about(Topic.EXPERIMENTS),
)
def list_experiments(
    desk: AskedDesk,
    page: AskedPage,
    instance_id: Annotated[Text, Query(description="About this instance.")] = None,
    account: Annotated[Text, Query(description="Of this account.")] = None,
    model: Annotated[
        str | None, Query(pattern=REFERENCE, max_length=120, description="By this model.")
    ] = None,
    decision: Annotated[Decision | None, Query(description="Decided like this.")] = None,
    since: Since = None,
    until: Until = None,
    shadow: Shadow = None,
    degraded: Degraded = None,
    failed: Failed = None,
) -> Page[SummaryView]:
    """Newest first."""
    where = ExperimentFilter(
        instance_id=instance_id,
        decision=decision,
        model=model,
        since=since,
        until=until,
        shadow=shadow,
        degraded=degraded,
        failed=failed,
        accounts=None if account is None else (account,),
    )
    return listed(desk, where, page)


@router.get(
    "/instances/{instance_id}/experiments",
    operation_id="list_instance_experiments",
    summary="Decisions about one instance",
    response_model=Page[SummaryView],
    openapi_extra=about(Topic.EXPERIMENTS, Topic.FLEET),
)
def list_instance_experiments(
    desk: AskedDesk,
    instance_id: Id,
    page: AskedPage,
) -> Page[SummaryView]:
    """Newest first."""
    desk.instances.get(instance_id)
    return listed(desk, ExperimentFilter(instance_id=instance_id), page)


@router.get(
    "/experiments/{experiment_id}",
    operation_id="get_experiment",
    summary="One decision, whole",
    response_model=ExperimentView,
    openapi_extra=UNCHANGING,
)
def get_experiment(
    desk: AskedDesk,
    experiment_id: Number,
    candidates: Annotated[
        int, Query(ge=0, le=500, description="How many candidates to tell.", examples=[10])
    ] = 20,
    features: Annotated[bool, Query(description="With each candidate's features.")] = False,
) -> ExperimentView:
    """Everything it was made from. Its further candidates are listed by `…/candidates`."""
    return whole(desk.decisions.get(experiment_id), candidates, features)


@router.get(
    "/experiments/{experiment_id}/candidates",
    operation_id="list_experiment_candidates",
    summary="Every pool that a decision scored",
    response_model=Page[CandidateView],
    openapi_extra=UNCHANGING,
)
def list_experiment_candidates(
    desk: AskedDesk,
    experiment_id: Number,
    page: AskedPage,
    features: Annotated[bool, Query(description="With their features.")] = False,
) -> Page[CandidateView]:
    """Ranked ones first."""
    found = list(enumerate(ranked(desk.decisions.get(experiment_id).candidates)))
    return page.of(
        found, _number, lambda each: candidate_view(each[1], features), Page[CandidateView]
    )


@router.get(
    "/experiments/{experiment_id}/outcomes",
    operation_id="list_experiment_outcomes",
    summary="What became of a decision's predictions",
    response_model=Page[OutcomeView],
)
def list_experiment_outcomes(
    desk: AskedDesk,
    experiment_id: Number,
    page: AskedPage,
) -> Page[OutcomeView]:
    """Those that are settled; none while nothing is known yet."""
    desk.decisions.get(experiment_id)
    found = list(enumerate(desk.performance.of_experiments([experiment_id])[experiment_id]))
    return page.of(
        found, _number, lambda each: OutcomeView.model_validate(each[1]), Page[OutcomeView]
    )


@router.get(
    "/experiments/{experiment_id}/explanation",
    operation_id="explain_experiment",
    summary="Why a pool's risk was what it was in a decision",
    response_model=ExplanationView,
    openapi_extra=UNCHANGING,
)
def explain_experiment(
    desk: AskedDesk,
    experiment_id: Number,
    pool: Annotated[
        str,
        Query(
            pattern=POOL,
            max_length=120,
            description="A candidate's pool key.",
            examples=["us-east-1:us-east-1a:m6i.large:Linux"],
        ),
    ],
) -> ExplanationView:
    """From the features that the decision stored, by the model that made it."""
    found = desk.explaining.then(experiment_id, pool_of(pool))
    return explained(found, f"experiment {experiment_id}")


def ranked(candidates: tuple[Candidate, ...]) -> list[Candidate]:
    """Ranked ones first."""
    return sorted(candidates, key=lambda candidate: (candidate.rank == 0, candidate.rank))


def whole(experiment: Experiment, most: int, features: bool) -> ExperimentView:
    """A decision as it is answered."""
    verdict = experiment.verdict
    return ExperimentView(
        experiment_id=experiment.experiment_id,
        created_at=experiment.created_at,
        instance=msgspec.to_builtins(experiment.instance),
        market=experiment.market,
        model=experiment.model,
        policy=experiment.policy.as_dict(),
        requirements=msgspec.to_builtins(experiment.requirements),
        verdict=None
        if verdict is None
        else VerdictView(
            decision=verdict.decision,
            reason=verdict.reason,
            current=_shown(verdict.current, features),
            chosen=_shown(verdict.chosen, features),
            saving_usd_per_hour=verdict.saving_usd_per_hour,
        ),
        candidates=[
            candidate_view(each, features) for each in ranked(experiment.candidates)[:most]
        ],
        candidates_total=len(experiment.candidates),
        dropped=dict(experiment.dropped),
        feature_names=list(experiment.feature_names),
        stages=[StageView.model_validate(stage) for stage in experiment.stages],
        degraded=list(experiment.degraded),
        shadow=experiment.shadow,
        error=experiment.error,
        duration_ms=experiment.duration_ms,
    )


def _shown(candidate: Candidate | None, features: bool) -> CandidateView | None:
    return None if candidate is None else candidate_view(candidate, features)
