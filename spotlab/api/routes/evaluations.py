"""Deciding about instances, one or many.

Many are decided within the request: scoring the market is shared, and each further decision takes
some milliseconds. Longer lists are what the scheduled evaluation is for.
"""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import Field

from spotlab.api.operation import NOT_THERE, Operation
from spotlab.api.request_state import AskedDesk
from spotlab.api.routes.instances import Id
from spotlab.api.views.base import View, about
from spotlab.api.views.experiments import SummaryView
from spotlab.api.views.instances import EvaluateAsked

router = APIRouter(route_class=Operation, tags=["evaluations"])


class Decided(View):
    """What was decided, in the order that was asked for."""

    experiments: list[SummaryView] = Field(description="A decision an instance.")
    degraded: list[str] = about("What they were decided without, in words.", [])


@router.post(
    "/instances/{instance_id}/evaluations",
    operation_id="evaluate_instance",
    summary="Decide about an instance now",
    response_model=SummaryView,
    status_code=201,
)
def evaluate_instance(desk: AskedDesk, response: Response, instance_id: Id) -> SummaryView:
    """Collects the market first where it is too old. The decision is recorded; an evaluation that
    reaches none is recorded as well, with its error."""
    made = desk.instances.evaluated([instance_id])[0]
    response.headers["Location"] = f"/api/v1/experiments/{made.experiment_id}"
    return SummaryView.model_validate(made)


@router.post(
    "/evaluations",
    operation_id="evaluate_many",
    summary="Decide about many instances now",
    response_model=Decided,
    status_code=201,
    responses=NOT_THERE,
)
def evaluate_many(desk: AskedDesk, asked: EvaluateAsked) -> Decided:
    """At most 100 instances by name, or every one that you see and whose pipeline is on."""
    made = desk.instances.evaluated(asked.instance_ids)
    return Decided(
        experiments=[SummaryView.model_validate(each) for each in made],
        degraded=sorted({reason for each in made for reason in each.degraded}),
    )
