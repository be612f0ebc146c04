"""Operations that evaluate instances.

All instances are evaluated within the request: the market is scored once for all of them, and each
further decision takes some milliseconds. For longer lists there is the scheduled evaluation.
"""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import Field

from spotlab.api.operation import NOT_FOUND, Operation
from spotlab.api.request_state import ServicesDep
from spotlab.api.routes.instances import InstanceId
from spotlab.api.views.base import PoolView, View, field
from spotlab.api.views.experiments import SummaryView
from spotlab.api.views.instances import EvaluateRequest

router = APIRouter(route_class=Operation, tags=["evaluations"])


class LossesView(View):
    """How many of all instances that you may see are lost together."""

    instances: int = field("Number of instances.", 24, "count")
    on_spot: int = field("Those on spot, which can be lost.", 20, "count")
    largest: int = field("Most instances on one pool: lost together if it fails.", 3, "count")
    pool: PoolView | None = Field(description="That pool; null if nothing runs on spot.")
    expected: float | None = field(
        "Expected number lost together when one is lost; null if every risk is unknown.", 1.4
    )
    unknown: int = field("Instances whose risk is unknown, left out of expected.", 0, "count")


class SpreadView(View):
    """Losses now, and if the newest decisions are carried out."""

    before: LossesView
    after: LossesView


class EvaluationsView(View):
    """Decisions, in the order of the request."""

    experiments: list[SummaryView] = Field(description="One decision per instance.")
    spread: SpreadView
    degraded: list[str] = field("Reasons why decisions are degraded; empty if none is.", [])


@router.post(
    "/instances/{instance_id}/evaluations",
    summary="Evaluate an instance now",
    status_code=201,
)
def evaluate_instance(
    services: ServicesDep, response: Response, instance_id: InstanceId
) -> SummaryView:
    """Collects the market first if it is stale. The decision is recorded; an evaluation that fails
    is recorded as well, with its error."""
    experiment = services.instances.evaluate_summaries([instance_id])[0]
    response.headers["Location"] = f"/api/v1/experiments/{experiment.experiment_id}"
    return SummaryView.model_validate(experiment)


@router.post(
    "/evaluations",
    summary="Evaluate several instances now",
    status_code=201,
    responses=NOT_FOUND,
)
def evaluate_many(services: ServicesDep, body: EvaluateRequest) -> EvaluationsView:
    """At most 100 instances by id, or all that you may see and whose pipeline is on."""
    experiments = services.instances.evaluate_summaries(body.instance_ids)
    return EvaluationsView(
        experiments=[SummaryView.model_validate(each) for each in experiments],
        spread=SpreadView.model_validate(services.instances.losses().fleet),
        degraded=sorted({reason for each in experiments for reason in each.degraded}),
    )
