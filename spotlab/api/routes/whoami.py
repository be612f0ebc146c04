"""Operation that returns the signed-in user."""

from __future__ import annotations

from fastapi import APIRouter

from spotlab.api.operation import Operation
from spotlab.api.request_state import ServicesDep
from spotlab.api.views.users import MeView

router = APIRouter(route_class=Operation)


@router.get(
    "/me",
    summary="Get the signed-in user and their rights",
    tags=["me"],
)
async def get_me(services: ServicesDep) -> MeView:
    """User, role, accounts and rights of the token or session."""
    who = services.principal
    return MeView(
        name=who.name,
        role=who.role,
        accounts=None if who.accounts is None else list(who.accounts),
        rights=sorted(who.rights),
        via=who.via,
    )
