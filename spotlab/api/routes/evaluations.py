"""Deciding about instances, one or many.

Many are decided within the request: scoring the market is shared, and each further decision takes
some milliseconds. Longer lists are what the scheduled evaluation is for.
"""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import Field

from spotlab.api.operation import NOT_FOUND, Operation
from spotlab.api.request_state import DeskDep
from spotlab.api.routes.instances import InstanceId
from spotlab.api.views.base import View, field
from spotlab.api.views.experiments import SummaryView
from spotlab.api.views.instances import EvaluateRequest

router = APIRouter(route_class=Operation, tags=["evaluations"])


class EvaluationsView(View):
    """What was decided, in the order that was asked for."""

    experiments: list[SummaryView] = Field(description="A decision an instance.")
    degraded: list[str] = field("What they were decided without, in words.", [])


@router.post(
    "/instances/{instance_id}/evaluations",
    operation_id="evaluate_instance",
    summary="Decide about an instance now",
    response_model=SummaryView,
    status_code=201,
)
def evaluate_instance(desk: DeskDep, response: Response, instance_id: InstanceId) -> SummaryView:
    """Collects the market first where it is too old. The decision is recorded; an evaluation that
    reaches none is recorded as well, with its error."""
    made = desk.instances.evaluated([instance_id])[0]
    response.headers["Location"] = f"/api/v1/experiments/{made.experiment_id}"
    return SummaryView.model_validate(made)


@router.post(
    "/evaluations",
    operation_id="evaluate_many",
    summary="Decide about many instances now",
    response_model=EvaluationsView,
    status_code=201,
    responses=NOT_FOUND,
)
def evaluate_many(desk: DeskDep, asked: EvaluateRequest) -> EvaluationsView:
    """At most 100 instances by name, or every one that you see and whose pipeline is on."""
    made = desk.instances.evaluated(asked.instance_ids)
    return EvaluationsView(
        experiments=[SummaryView.model_validate(each) for each in made],
        degraded=sorted({reason for each in made for reason in each.degraded}),
    )
