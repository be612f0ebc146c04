"""Operations that rank candidates in the active market and explain a pool's risk."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from spotlab.api.operation import Operation, cacheable
from spotlab.api.paging import Cursor, Limit, Page, PageRequest
from spotlab.api.request_state import ServiceDep, ServicesDep
from spotlab.api.views.base import MODEL_REFERENCE, POOL_KEY, PlainName, field, pool_of
from spotlab.api.views.experiments import CandidateView, candidate_view
from spotlab.api.views.explanations import ExplanationView, explanation_view
from spotlab.api.views.instances import RequirementsView
from spotlab.domain.market import MarketName
from spotlab.domain.ports import Topic
from spotlab.domain.requirements import Requirements
from spotlab.errors import InvalidInput

router = APIRouter(route_class=Operation, tags=["candidates"])

RANKING_CACHE_S = 10.0
Model = Annotated[
    str | None,
    Query(
        pattern=MODEL_REFERENCE,
        max_length=120,
        description="Model to score with; omit it for the champion.",
    ),
]
PoolKey = Annotated[
    str,
    Query(
        pattern=POOL_KEY,
        max_length=120,
        description="Pool key of a candidate.",
        examples=["us-east-1:us-east-1a:m6i.large:Linux"],
    ),
]
Size = Annotated[float | None, Query(ge=0, le=1e6, allow_inf_nan=False)]
Names = Annotated[list[PlainName], Query(max_length=50)]


class CandidatePage(Page[CandidateView]):
    """Pools that meet the requirements, lowest expected cost first."""

    market: MarketName = field("Market of the pools.", "simulated")
    as_of: datetime = field("When the market was read.", "2026-11-03T09:30:00Z")
    model: str = field("Model that scored the pools.", "advisor-lgbm@1.2.0")
    pools: int = field("Number of pools in the market.", 355, "count")
    dropped: dict[str, int] = field("Number of filtered pools by reason.", {"another region": 340})
    degraded: list[str] = field("Reasons why the ranking is degraded; empty if it is not.", [])
    requirements: RequirementsView = Field(description="Requirements that the pools meet.")


def requirements_from_query(
    region: Annotated[Names, Query(description="Allowed region; repeat for several.")] = [],  # noqa: B006
    zone: Annotated[
        Names, Query(description="Allowed availability zone; repeat for several.")
    ] = [],  # noqa: B006
    family: Annotated[Names, Query(description="Allowed family; repeat for several.")] = [],  # noqa: B006
    vcpu_min: Annotated[Size, Query(description="Minimum vCPU.", examples=[2])] = None,
    vcpu_max: Annotated[Size, Query(description="Maximum vCPU.")] = None,
    memory_gb_min: Annotated[Size, Query(description="Minimum memory, GiB.", examples=[8])] = None,
    memory_gb_max: Annotated[Size, Query(description="Maximum memory, GiB.")] = None,
    architecture: Annotated[
        str | None, Query(pattern="^(x86_64|arm64)$", description="x86_64 or arm64.")
    ] = None,
    accelerator: Annotated[
        bool | None, Query(description="true: required; false: excluded.")
    ] = None,
    burstable: Annotated[bool | None, Query(description="true: required; false: excluded.")] = None,
    max_advisor_bucket: Annotated[
        int | None, Query(ge=0, le=4, description="Highest advisor bucket, 0 to 4.")
    ] = None,
) -> Requirements:
    """The requirements given as query parameters."""
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
    summary="Rank the pools that meet the requirements",
    openapi_extra=cacheable(Topic.MARKET, Topic.MODELS, Topic.POLICIES, Topic.FLEET),
)
def list_candidates(
    request: Request,
    response: Response,
    services: ServicesDep,
    service: ServiceDep,
    requirements: Annotated[Requirements, Depends(requirements_from_query)],
    limit: Limit = 20,
    cursor: Cursor = None,
    model: Model = None,
    instance_id: Annotated[
        str | None,
        Query(
            pattern=r"^[A-Za-z0-9-]{1,40}$",
            description="Use the requirements and model of this instance, not filters.",
        ),
    ] = None,
    features: Annotated[bool, Query(description="Include the features.")] = False,
) -> CandidatePage:
    """Ranked by expected cost: price + hazard × cost of an interruption."""
    model_note, instance, applied = "", None, None
    if instance_id is not None:
        if requirements != Requirements() or model is not None:
            raise InvalidInput(
                "instance_id cannot be combined with filters or a model.",
                remedy="Send either instance_id alone, or filters without it.",
            )
        instance = services.instances.get(instance_id)
        applied = services.workloads.applied([instance])[instance.instance_id]
        requirements = services.market.requirements_of(instance, applied)
        model, model_note = services.lab.deciding_model(instance)
    services.market.may_read()
    version = service.versions((Topic.MARKET, Topic.MODELS))
    ranking = service.shared(
        ("ranking", requirements, model, version, instance_id, applied),
        RANKING_CACHE_S,
        lambda: services.market.rank(
            requirements, None, model, instance, applied.workload if applied else None
        ),
    )
    total = len(ranking.candidates)
    page = PageRequest(request, response, limit, cursor)
    start = page.offset(total)
    end = min(start + limit, total)
    following = page.link_next([end] if end < total else None)
    data, placements = ranking.scored.data, services.market.placements()
    return CandidatePage(
        items=[
            candidate_view(each, features, placements.score_of(each.pool))
            for each in ranking.take(range(start, end))
        ],
        total=total,
        next=following,
        market=data.market,
        as_of=data.as_of,
        model=ranking.scored.model,
        pools=len(ranking.table),
        dropped=ranking.dropped,
        degraded=[*data.degraded, *([model_note] if model_note else [])],
        requirements=RequirementsView.model_validate(requirements),
    )


@router.get(
    "/explanation",
    summary="Explain the current risk of a pool",
    openapi_extra=cacheable(Topic.MARKET, Topic.MODELS),
)
def explain_pool(
    services: ServicesDep,
    pool: PoolKey,
    model: Model = None,
    horizon_h: Annotated[
        float,
        Query(
            gt=0, le=8766, allow_inf_nan=False, description="Horizon of the risk, h.", examples=[24]
        ),
    ] = 24.0,
) -> ExplanationView:
    """SHAP contributions in log-odds; base and contributions add up to the raw score."""
    return explanation_view(services.explanations.now(pool_of(pool), model, horizon_h), "now")
