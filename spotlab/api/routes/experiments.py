"""Operations on experiments: recorded decisions, their candidates and outcomes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query

from spotlab.api.operation import Operation, cacheable
from spotlab.api.paging import Page, PageDep, PageRequest, decode_cursor, no_such_page
from spotlab.api.request_state import ServicesDep
from spotlab.api.routes.candidates import PoolKey
from spotlab.api.routes.instances import InstanceId
from spotlab.api.views.base import (
    MAX_ID,
    MODEL_REFERENCE,
    Moment,
    pool_of,
    require_supported_year,
)
from spotlab.api.views.experiments import (
    CandidateView,
    ExperimentView,
    MarginView,
    OutcomeView,
    ReplayView,
    RunnerUpView,
    StageView,
    SummaryView,
    VerdictView,
    candidate_view,
    replay_view,
    workload_view,
)
from spotlab.api.views.explanations import (
    DecisionExplanationView,
    ExplanationView,
    decision_explanation_view,
    explanation_view,
)
from spotlab.domain.decision import Candidate, Decision, Experiment, alternative_saving, saving
from spotlab.domain.ports import ExperimentFilter, Topic
from spotlab.services import Services

router = APIRouter(route_class=Operation, tags=["experiments"])

IMMUTABLE = cacheable(max_age_s=60.0)
"""Recorded decisions never change."""

Number = Annotated[
    int, Path(ge=1, le=MAX_ID, description="Number of the experiment.", examples=[1])
]
Shadow = Annotated[
    bool | None, Query(description="true: only decisions in shadow mode; false: only others.")
]
Degraded = Annotated[
    bool | None, Query(description="true: only degraded decisions; false: only others.")
]
Failed = Annotated[
    bool | None, Query(description="true: only failed evaluations; false: only successful ones.")
]
Since = Annotated[
    Moment | None,
    Query(description="Only decisions at this time or later.", examples=["2026-11-01T00:00:00Z"]),
]
Until = Annotated[
    Moment | None,
    Query(description="Only decisions at this time or earlier.", examples=["2999-01-01T00:00:00Z"]),
]
Text = Annotated[str | None, Query(min_length=1, max_length=100)]


def experiment_page(
    services: Services, filters: ExperimentFilter, page: PageRequest
) -> Page[SummaryView]:
    """A page of decisions, newest first.

    Raises:
        NotFound: the cursor is not from this list.
    """
    total = services.experiments.count(filters)
    if page.cursor is not None:
        filters = replace(filters, before=_position(page.cursor))
    experiments = services.experiments.list(filters, limit=page.limit + 1)
    return page.from_store(
        experiments,
        total,
        lambda each: [each.created_at.isoformat(), each.experiment_id],
        SummaryView.model_validate,
        Page[SummaryView],
    )


def _index(indexed: tuple[int, object]) -> list[int]:
    return [indexed[0]]


def _position(cursor: str) -> tuple[datetime, int]:
    created_at, number = decode_cursor(cursor, ["", 0])
    try:
        at = require_supported_year(datetime.fromisoformat(created_at))
        if at.tzinfo is None or not 0 < number <= MAX_ID:
            raise ValueError("not a position in the ledger")
    except ValueError:
        raise no_such_page() from None
    return at, number


@router.get(
    "/experiments",
    summary="List decisions",
    openapi_extra=cacheable(Topic.EXPERIMENTS),
)
def list_experiments(
    services: ServicesDep,
    page: PageDep,
    instance_id: Annotated[Text, Query(description="Only decisions about this instance.")] = None,
    account: Annotated[
        Text, Query(description="Only decisions about instances of this account.")
    ] = None,
    model: Annotated[
        str | None,
        Query(
            pattern=MODEL_REFERENCE, max_length=120, description="Only decisions with this model."
        ),
    ] = None,
    decision: Annotated[Decision | None, Query(description="Only these decisions.")] = None,
    since: Since = None,
    until: Until = None,
    shadow: Shadow = None,
    degraded: Degraded = None,
    failed: Failed = None,
) -> Page[SummaryView]:
    """Decisions about instances that you may see, newest first."""
    filters = ExperimentFilter(
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
    return experiment_page(services, filters, page)


@router.get(
    "/instances/{instance_id}/experiments",
    summary="List the decisions about an instance",
    openapi_extra=cacheable(Topic.EXPERIMENTS, Topic.FLEET),
)
def list_instance_experiments(
    services: ServicesDep,
    instance_id: InstanceId,
    page: PageDep,
) -> Page[SummaryView]:
    """Newest first."""
    services.instances.get(instance_id)
    return experiment_page(services, ExperimentFilter(instance_id=instance_id), page)


@router.get(
    "/experiments/{experiment_id}",
    summary="Get a decision with its inputs",
    openapi_extra=IMMUTABLE,
)
def get_experiment(
    services: ServicesDep,
    experiment_id: Number,
    candidates: Annotated[
        int, Query(ge=0, le=500, description="Number of candidates to include.", examples=[10])
    ] = 20,
    features: Annotated[bool, Query(description="Include the features of each candidate.")] = False,
) -> ExperimentView:
    """All inputs of the decision. Use `…/candidates` to list further candidates."""
    return experiment_view(services.experiments.get(experiment_id), candidates, features)


@router.get(
    "/experiments/{experiment_id}/candidates",
    summary="List the pools that a decision scored",
    openapi_extra=IMMUTABLE,
)
def list_experiment_candidates(
    services: ServicesDep,
    experiment_id: Number,
    page: PageDep,
    features: Annotated[bool, Query(description="Include the features.")] = False,
) -> Page[CandidateView]:
    """In order of rank, then unranked pools."""
    candidates = list(enumerate(ranked(services.experiments.get(experiment_id).candidates)))
    return page.from_list(
        candidates, _index, lambda each: candidate_view(each[1], features), Page[CandidateView]
    )


@router.get(
    "/experiments/{experiment_id}/outcomes",
    summary="List the outcomes of a decision's predictions",
)
def list_experiment_outcomes(
    services: ServicesDep,
    experiment_id: Number,
    page: PageDep,
) -> Page[OutcomeView]:
    """Settled outcomes; empty if none is known yet."""
    services.experiments.get(experiment_id)
    outcomes = list(
        enumerate(services.model_performance.of_experiments([experiment_id])[experiment_id])
    )
    return page.from_list(
        outcomes, _index, lambda each: OutcomeView.model_validate(each[1]), Page[OutcomeView]
    )


@router.get(
    "/experiments/{experiment_id}/explanation",
    summary="Explain the risk of a pool in a decision",
    openapi_extra=IMMUTABLE,
)
def explain_experiment(
    services: ServicesDep, experiment_id: Number, pool: PoolKey
) -> ExplanationView:
    """Computed from the stored features, with the model of the decision."""
    explanation = services.explanations.then(experiment_id, pool_of(pool))
    return explanation_view(explanation, f"experiment {experiment_id}")


@router.get(
    "/experiments/{experiment_id}/decision-explanation",
    summary="Explain a decision: margin, runner-up and what would change it",
    openapi_extra=IMMUTABLE,
)
def explain_decision(services: ServicesDep, experiment_id: Number) -> DecisionExplanationView:
    """Decided again with what was recorded, and with every price and parameter changed."""
    return decision_explanation_view(services.explanations.of_decision(experiment_id))


@router.get(
    "/experiments/{experiment_id}/replay",
    summary="Make a recorded decision again",
)
def replay_experiment(
    services: ServicesDep,
    experiment_id: Number,
    model: Annotated[
        str | None,
        Query(
            pattern=MODEL_REFERENCE,
            max_length=120,
            description="Model to predict with; without it, the recorded predictions are used.",
        ),
    ] = None,
    policy: Annotated[
        str | None,
        Query(
            min_length=2,
            max_length=1000,
            description="Policy, as name or name@version; or parameters to change, as JSON.",
            examples=['{"risk_ceiling": 0.02}'],
        ),
    ] = None,
    workload: Annotated[
        Text, Query(description="Workload of the instance, as name or name@version.")
    ] = None,
) -> ReplayView:
    """On the market of then. With a change, also what each decision has cost since."""
    return replay_view(services.experiments.replay(experiment_id, model, policy, workload))


def ranked(candidates: tuple[Candidate, ...]) -> list[Candidate]:
    """Candidates in order of rank, then unranked pools."""
    return sorted(candidates, key=lambda candidate: (candidate.rank == 0, candidate.rank))


def experiment_view(experiment: Experiment, limit: int, features: bool) -> ExperimentView:
    """The response for a decision.

    Args:
        experiment: the recorded decision.
        limit: maximum candidates.
        features: whether candidates include their features.
    """
    verdict = experiment.verdict
    return ExperimentView(
        experiment_id=experiment.experiment_id,
        created_at=experiment.created_at,
        instance=msgspec.to_builtins(experiment.instance),
        market=experiment.market,
        model=experiment.model,
        policy_version=experiment.policy_version,
        policy=experiment.policy.as_dict(),
        workload=workload_view(experiment.workload),
        requirements=msgspec.to_builtins(experiment.requirements),
        verdict=None
        if verdict is None
        else VerdictView(
            decision=verdict.decision,
            reason=verdict.reason,
            current=_candidate_or_none(verdict.current, features),
            chosen=_candidate_or_none(verdict.chosen, features),
            margin=MarginView.model_validate(verdict.margin) if verdict.margin else None,
            runner_up=RunnerUpView.model_validate(verdict.runner_up) if verdict.runner_up else None,
            saving_usd_per_hour=saving(verdict.decision, verdict.saving_usd_per_hour),
            alternative_saving_usd_per_hour=alternative_saving(
                verdict.decision, verdict.saving_usd_per_hour
            ),
        ),
        candidates=[
            candidate_view(each, features) for each in ranked(experiment.candidates)[:limit]
        ],
        candidates_total=experiment.candidates_evaluated,
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
