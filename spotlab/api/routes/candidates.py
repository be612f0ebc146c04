"""The active market: candidates for requirements, and why a pool is risky."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from spotlab.api.operation import Operation, cacheable
from spotlab.api.paging import Cursor, Limit, Page, decode_cursor, encode_cursor, set_link_header
from spotlab.api.request_state import DeskDep, ServiceDep
from spotlab.api.views.base import MODEL_REFERENCE, POOL_KEY, PlainName, field, pool_of
from spotlab.api.views.experiments import CandidateView, candidate_view
from spotlab.api.views.explanations import ExplanationView, explanation_view
from spotlab.api.views.instances import RequirementsView
from spotlab.domain.decision import Requirements
from spotlab.domain.market import MarketName
from spotlab.domain.ports import Topic
from spotlab.errors import InvalidInput, NotFound

router = APIRouter(route_class=Operation, tags=["candidates"])

RANKING_CACHE_S = 10.0
Model = Annotated[
    str | None,
    Query(
        pattern=MODEL_REFERENCE,
        max_length=120,
        description="Scored by this model; none: the champion.",
    ),
]
Size = Annotated[float | None, Query(ge=0, le=1e6, allow_inf_nan=False)]
Names = Annotated[list[PlainName], Query(max_length=50)]


class CandidatePage(Page[CandidateView]):
    """The pools that meet requirements, cheapest expected cost first."""

    market: MarketName = field("Which market their numbers belong to.", "simulated")
    as_of: datetime = field("When it was read.", "2026-11-03T09:30:00Z")
    model: str = field("Which model scored it.", "advisor-lgbm@1.2.0")
    pools: int = field("How many pools the market has.", 355, "count")
    dropped: dict[str, int] = field("How many were dropped, by reason.", {"another region": 340})
    degraded: list[str] = field("What is missing, in words.", [])
    requirements: RequirementsView = Field(description="What a pool had to offer.")


def requirements_from_query(
    region: Annotated[Names, Query(description="Allowed regions; repeat it for several.")] = [],  # noqa: B006
    zone: Annotated[Names, Query(description="Allowed zones.")] = [],  # noqa: B006
    family: Annotated[Names, Query(description="Allowed families.")] = [],  # noqa: B006
    vcpu_min: Annotated[Size, Query(description="Fewest virtual CPUs.", examples=[2])] = None,
    vcpu_max: Annotated[Size, Query(description="Most virtual CPUs.")] = None,
    memory_gb_min: Annotated[Size, Query(description="Least memory, GiB.", examples=[8])] = None,
    memory_gb_max: Annotated[Size, Query(description="Most memory, GiB.")] = None,
    architecture: Annotated[
        str | None, Query(pattern="^(x86_64|arm64)$", description="x86_64 or arm64.")
    ] = None,
    accelerator: Annotated[
        bool | None, Query(description="true: needs one; false: must not have one.")
    ] = None,
    burstable: Annotated[
        bool | None, Query(description="true: must be burstable; false: must not.")
    ] = None,
    max_advisor_bucket: Annotated[
        int | None, Query(ge=0, le=4, description="Highest interruption bucket, 0 to 4.")
    ] = None,
) -> Requirements:
    """The filters of a question for candidates."""
    return Requirements(
        regions=tuple(region),
        zones=tuple(zone),
        families=tuple(family),
        vcpu_min=vcpu_min,
        vcpu_max=vcpu_max,
        memory_gb_min=memory_gb_min,
        memory_gb_max=memory_gb_max,
        architecture=architecture,
        accelerator=accelerator,
        burstable=burstable,
        max_advisor_bucket=max_advisor_bucket,
    )


@router.get(
    "/candidates",
    operation_id="list_candidates",
    summary="Score the pools that meet requirements",
    response_model=CandidatePage,
    openapi_extra=cacheable(Topic.MARKET, Topic.MODELS, Topic.FLEET),
)
def list_candidates(
    request: Request,
    response: Response,
    desk: DeskDep,
    service: ServiceDep,
    asked: Annotated[Requirements, Depends(requirements_from_query)],
    limit: Limit = 20,
    cursor: Cursor = None,
    model: Model = None,
    instance_id: Annotated[
        str | None,
        Query(
            pattern=r"^[A-Za-z0-9-]{1,40}$",
            description="With the requirements and the model of this instance instead of filters.",
        ),
    ] = None,
    features: Annotated[bool, Query(description="With their features.")] = False,
) -> CandidatePage:
    """Ranked by expected cost: price, and risk times what an interruption costs."""
    instead = ""
    if instance_id is not None:
        if asked != Requirements() or model is not None:
            raise InvalidInput(
                "An instance brings its own requirements and model.",
                remedy="Give instance_id alone, or filters without it.",
            )
        instance = desk.instances.get(instance_id)
        asked = desk.lab.requirements_of(instance)
        model, instead = desk.lab.in_force(instance)
    desk.market.may_read()
    version = service.versions((Topic.MARKET, Topic.MODELS))
    ranking = service.shared(
        ("ranking", asked, model, version),
        RANKING_CACHE_S,
        lambda: desk.market.rank(asked, None, model),
    )
    total = len(ranking.candidates)
    start = 0
    if cursor is not None:
        start = decode_cursor(cursor, [0])[0]
        if not 0 <= start <= total:
            raise NotFound("There is no such page.", remedy="Use the `next` of a page.")
    end = min(start + limit, total)
    following = encode_cursor([end]) if end < total else None
    set_link_header(request, response, following)
    data, placements = ranking.scored.data, desk.market.placements()
    return CandidatePage(
        items=[
            candidate_view(each, features, placements.of(each.pool))
            for each in ranking.take(range(start, end))
        ],
        total=total,
        next=following,
        market=data.market,
        as_of=data.as_of,
        model=ranking.scored.model,
        pools=len(ranking.table),
        dropped=ranking.dropped,
        degraded=[*data.degraded, *([instead] if instead else [])],
        requirements=RequirementsView.model_validate(asked),
    )


@router.get(
    "/explanation",
    operation_id="explain_pool",
    summary="Why a pool's risk is what it is now",
    response_model=ExplanationView,
    openapi_extra=cacheable(Topic.MARKET, Topic.MODELS),
)
def explain_pool(
    desk: DeskDep,
    pool: Annotated[
        str,
        Query(
            pattern=POOL_KEY,
            max_length=120,
            description="A candidate's pool key.",
            examples=["us-east-1:us-east-1a:m6i.large:Linux"],
        ),
    ],
    model: Model = None,
    horizon_h: Annotated[
        float,
        Query(gt=0, le=8766, allow_inf_nan=False, description="Hours looked ahead.", examples=[24]),
    ] = 24.0,
) -> ExplanationView:
    """SHAP contributions in log-odds; with the base they add up to the raw score."""
    return explanation_view(desk.explaining.now(pool_of(pool), model, horizon_h), "now")
