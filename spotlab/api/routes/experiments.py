"""Decisions as they were made."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query

from spotlab.api.operation import Operation, cacheable
from spotlab.api.paging import Page, PageDep, PageRequest, decode_cursor
from spotlab.api.request_state import DeskDep
from spotlab.api.routes.instances import InstanceId
from spotlab.api.views.base import (
    MAX_ID,
    MODEL_REFERENCE,
    POOL_KEY,
    Moment,
    pool_of,
    require_supported_year,
)
from spotlab.api.views.experiments import (
    CandidateView,
    ExperimentView,
    OutcomeView,
    StageView,
    SummaryView,
    VerdictView,
    candidate_view,
)
from spotlab.api.views.explanations import ExplanationView, explanation_view
from spotlab.domain.decision import Candidate, Decision, Experiment
from spotlab.domain.ports import ExperimentFilter, Topic
from spotlab.errors import NotFound
from spotlab.services import Desk

router = APIRouter(route_class=Operation, tags=["experiments"])

IMMUTABLE = cacheable(for_s=60.0)
"""A decision is never changed."""

Number = Annotated[int, Path(ge=1, le=MAX_ID, description="The experiment's number.", examples=[1])]
Shadow = Annotated[bool | None, Query(description="Recorded only, or to be carried out.")]
Degraded = Annotated[bool | None, Query(description="Decided with less than there should be.")]
Failed = Annotated[bool | None, Query(description="Without a decision, or with one.")]
Since = Annotated[
    Moment | None, Query(description="Not before.", examples=["2026-11-01T00:00:00Z"])
]
Until = Annotated[Moment | None, Query(description="Not after.", examples=["2999-01-01T00:00:00Z"])]
Text = Annotated[str | None, Query(min_length=1, max_length=100)]


def experiment_page(desk: Desk, where: ExperimentFilter, page: PageRequest) -> Page[SummaryView]:
    """A page of decisions, newest first.

    Raises:
        NotFound: a cursor that no page gave.
    """
    total = desk.decisions.count(where)
    if page.cursor is not None:
        where = replace(where, before=_position(page.cursor))
    found = desk.decisions.list(where, limit=page.limit + 1)
    return page.from_store(
        found,
        total,
        lambda each: [each.created_at.isoformat(), each.experiment_id],
        SummaryView.model_validate,
        Page[SummaryView],
    )


def _index(numbered: tuple[int, object]) -> list[int]:
    return [numbered[0]]


def _position(cursor: str) -> tuple[datetime, int]:
    place = decode_cursor(cursor, ["", 0])
    try:
        at = require_supported_year(datetime.fromisoformat(place[0]))
        if at.tzinfo is None or not 0 < place[1] <= MAX_ID:
            raise ValueError("no place in the ledger")
    except ValueError:
        raise NotFound("There is no such page.", remedy="Use the `next` of a page.") from None
    return at, place[1]


@router.get(
    "/experiments",
    operation_id="list_experiments",
    summary="Decisions about the instances that you see",
    response_model=Page[SummaryView],
    openapi_extra=cacheable(Topic.EXPERIMENTS),
)
def list_experiments(
    desk: DeskDep,
    page: PageDep,
    instance_id: Annotated[Text, Query(description="About this instance.")] = None,
    account: Annotated[Text, Query(description="Of this account.")] = None,
    model: Annotated[
        str | None, Query(pattern=MODEL_REFERENCE, max_length=120, description="By this model.")
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
    return experiment_page(desk, where, page)


@router.get(
    "/instances/{instance_id}/experiments",
    operation_id="list_instance_experiments",
    summary="Decisions about one instance",
    response_model=Page[SummaryView],
    openapi_extra=cacheable(Topic.EXPERIMENTS, Topic.FLEET),
)
def list_instance_experiments(
    desk: DeskDep,
    instance_id: InstanceId,
    page: PageDep,
) -> Page[SummaryView]:
    """Newest first."""
    desk.instances.get(instance_id)
    return experiment_page(desk, ExperimentFilter(instance_id=instance_id), page)


@router.get(
    "/experiments/{experiment_id}",
    operation_id="get_experiment",
    summary="One decision, whole",
    response_model=ExperimentView,
    openapi_extra=IMMUTABLE,
)
def get_experiment(
    desk: DeskDep,
    experiment_id: Number,
    candidates: Annotated[
        int, Query(ge=0, le=500, description="How many candidates to tell.", examples=[10])
    ] = 20,
    features: Annotated[bool, Query(description="With each candidate's features.")] = False,
) -> ExperimentView:
    """Everything it was made from. Its further candidates are listed by `…/candidates`."""
    return experiment_view(desk.decisions.get(experiment_id), candidates, features)


@router.get(
    "/experiments/{experiment_id}/candidates",
    operation_id="list_experiment_candidates",
    summary="Every pool that a decision scored",
    response_model=Page[CandidateView],
    openapi_extra=IMMUTABLE,
)
def list_experiment_candidates(
    desk: DeskDep,
    experiment_id: Number,
    page: PageDep,
    features: Annotated[bool, Query(description="With their features.")] = False,
) -> Page[CandidateView]:
    """Ranked ones first."""
    found = list(enumerate(ranked(desk.decisions.get(experiment_id).candidates)))
    return page.from_list(
        found, _index, lambda each: candidate_view(each[1], features), Page[CandidateView]
    )


@router.get(
    "/experiments/{experiment_id}/outcomes",
    operation_id="list_experiment_outcomes",
    summary="What became of a decision's predictions",
    response_model=Page[OutcomeView],
)
def list_experiment_outcomes(
    desk: DeskDep,
    experiment_id: Number,
    page: PageDep,
) -> Page[OutcomeView]:
    """Those that are settled; none while nothing is known yet."""
    desk.decisions.get(experiment_id)
    found = list(enumerate(desk.performance.of_experiments([experiment_id])[experiment_id]))
    return page.from_list(
        found, _index, lambda each: OutcomeView.model_validate(each[1]), Page[OutcomeView]
    )


@router.get(
    "/experiments/{experiment_id}/explanation",
    operation_id="explain_experiment",
    summary="Why a pool's risk was what it was in a decision",
    response_model=ExplanationView,
    openapi_extra=IMMUTABLE,
)
def explain_experiment(
    desk: DeskDep,
    experiment_id: Number,
    pool: Annotated[
        str,
        Query(
            pattern=POOL_KEY,
            max_length=120,
            description="A candidate's pool key.",
            examples=["us-east-1:us-east-1a:m6i.large:Linux"],
        ),
    ],
) -> ExplanationView:
    """From the features that the decision stored, by the model that made it."""
    found = desk.explaining.then(experiment_id, pool_of(pool))
    return explanation_view(found, f"experiment {experiment_id}")


def ranked(candidates: tuple[Candidate, ...]) -> list[Candidate]:
    """Ranked ones first."""
    return sorted(candidates, key=lambda candidate: (candidate.rank == 0, candidate.rank))


def experiment_view(experiment: Experiment, most: int, features: bool) -> ExperimentView:
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
            current=_candidate_or_none(verdict.current, features),
            chosen=_candidate_or_none(verdict.chosen, features),
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


def _candidate_or_none(candidate: Candidate | None, features: bool) -> CandidateView | None:
    return None if candidate is None else candidate_view(candidate, features)
