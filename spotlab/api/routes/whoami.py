"""Who asks, and whether SpotLab works. Screens floor."""

from __future__ import annotations

from fastapi import APIRouter

from spotlab import __version__
from spotlab.api.operation import Operation
from spotlab.api.paging import Cursor, Limit, Page, cut
from spotlab.api.service import AskedDesk, Service, TheService
from spotlab.api.views.rest import ComponentView, HealthView, MeView
from spotlab.domain.ports import ComponentState

router = APIRouter(route_class=Operation)

PROBED_FOR_S = 5.0
WORST_FIRST = ("down", "degraded", "unknown", "healthy")


def components(service: Service) -> list[ComponentState]:
    """Every part's state, looked at by whoever asks first within five seconds."""
    return service.shared("health", PROBED_FOR_S, lambda: list(service.lab.health()))


@router.get(
    "/me",
    operation_id="get_me",
    summary="Who asks, and what they may do",
    tags=["me"],
    response_model=MeView,
)
def get_me(desk: AskedDesk) -> MeView:
    """The user, role, accounts and rights of the token or session."""
    who = desk.who
    return MeView(
        name=who.name,
        role=who.role,
        accounts=None if who.accounts is None else list(who.accounts),
        rights=sorted(who.rights),
        via=who.via,
    )


@router.get(
    "/health",
    operation_id="get_health",
    summary="Whether SpotLab works, in a word",
    tags=["health"],
    response_model=HealthView,
    openapi_extra={"security": []},
)
def get_health(service: TheService) -> HealthView:
    """Needs no token, and tells no more than the worst state of its parts."""
    found = components(service)
    states = {each.state for each in found}
    return HealthView(
        status=next((state for state in WORST_FIRST if state in states), "unknown"),
        version=__version__,
        checked_at=max(each.checked_at for each in found),
    )


@router.get(
    "/health/components",
    operation_id="list_components",
    summary="Each part's state, with its reason",
    tags=["health"],
    response_model=Page[ComponentView],
)
def list_components(
    desk: AskedDesk, service: TheService, limit: Limit = 50, cursor: Cursor = None
) -> Page[ComponentView]:
    """Looked at, at most every five seconds."""
    desk.market.may_read()
    found = sorted(components(service), key=lambda each: each.name)
    page, following = cut(found, lambda each: [each.name], limit, cursor)
    return Page[ComponentView](
        items=[ComponentView.model_validate(each) for each in page],
        total=len(found),
        next=following,
    )
