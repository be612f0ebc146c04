"""The operation that decides with other parameters."""

from __future__ import annotations

from fastapi import APIRouter

from spotlab.api.operation import NOT_FOUND, Operation
from spotlab.api.request_state import ServicesDep
from spotlab.api.views.what_if import WhatIfRequest, WhatIfView, what_if_view

router = APIRouter(route_class=Operation, tags=["what-if"])


@router.post(
    "/what-if",
    summary="Decide with other parameters, without recording anything",
    responses=NOT_FOUND,
)
def what_if(services: ServicesDep, body: WhatIfRequest) -> WhatIfView:
    """Instances are decided about twice on the present market: with today's settings and with
    changes to the policy and to every workload. It changes nothing; it is a POST because a request
    can be long."""
    return what_if_view(services.what_if.step(body.to_changes(), body.instance_ids))
