"""Operations on events from the accounts' queues."""

from __future__ import annotations

from fastapi import APIRouter

from spotlab.api.operation import CONFLICT, NOT_FOUND, Operation
from spotlab.api.paging import Page, PageDep
from spotlab.api.request_state import ServicesDep
from spotlab.api.routes.accounts import Name
from spotlab.api.views.base import PoolView
from spotlab.api.views.spot_events import EventReadingView, EventSetupView, SpotEventView
from spotlab.domain.spot_events import RecordedEvent

router = APIRouter(route_class=Operation, tags=["events"])


def view(recorded: RecordedEvent) -> SpotEventView:
    """The response for an event."""
    event = recorded.event
    return SpotEventView(
        event_id=event.event_id,
        kind=event.kind,
        instance_id=event.instance_id,
        account=recorded.account,
        region=event.region,
        state=event.state,
        pool=PoolView.model_validate(recorded.pool) if recorded.pool is not None else None,
        at=event.at,
        received_at=recorded.received_at,
        effect=recorded.effect,
        evaluation=recorded.evaluation,
        evaluated_at=recorded.evaluated_at,
        experiment_id=recorded.experiment_id,
    )


@router.get("/spot-events", summary="List interruption notices and other events of instances")
def list_spot_events(services: ServicesDep, page: PageDep) -> Page[SpotEventView]:
    """The newest 1,000 events of accounts that you may see, newest first."""
    return page.from_list(
        services.spot_events.view().events,
        lambda each: [-each.event.at.timestamp(), each.event.event_id],
        view,
        Page[SpotEventView],
    )


@router.get("/spot-events/reading", summary="Get how events are read: queues and latencies")
def get_event_reading(services: ServicesDep) -> EventReadingView:
    """Counts, latencies, queues and refused messages of accounts that you may see."""
    return EventReadingView.model_validate(services.spot_events.view(), from_attributes=True)


@router.get(
    "/accounts/{name}/event-setup",
    summary="Get the set-up of an account's event queues",
    responses=NOT_FOUND | CONFLICT,
)
def get_event_setup(services: ServicesDep, name: Name) -> EventSetupView:
    """A CloudFormation template for each region, AWS CLI commands that do the same, and the
    statements that SpotLab's role needs to read the queues."""
    return EventSetupView.model_validate(services.spot_events.setup(name), from_attributes=True)
