"""Operations on measured throughputs, and on the performance of instance types."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from spotlab.api.operation import NOT_FOUND, Operation, cacheable
from spotlab.api.paging import Page, PageDep
from spotlab.api.request_state import ServicesDep
from spotlab.api.views.throughputs import (
    TYPE,
    WORKLOAD,
    ClaimView,
    RelativePerformanceView,
    SavedThroughputsView,
    ThroughputSetView,
    ThroughputsRequest,
    ThroughputView,
)
from spotlab.domain.performance_claims import CLAIMS
from spotlab.domain.ports import Topic
from spotlab.domain.throughputs import Throughput, ThroughputSet
from spotlab.telemetry.invisible_characters import LABEL

router = APIRouter(route_class=Operation, tags=["throughputs"])

Workload = Annotated[
    str, Query(pattern=WORKLOAD, description="Workload; empty for all workloads.", examples=[""])
]
Type = Annotated[str, Query(pattern=TYPE, description="Instance type.", examples=["m6g.large"])]


def view(each: ThroughputSet) -> ThroughputSetView:
    """The response for a set."""
    return ThroughputSetView(
        workload=each.workload,
        version=each.version,
        unit=each.unit,
        created_at=each.created_at,
        created_by=each.created_by,
        reason=each.reason,
        throughputs=[
            ThroughputView(
                name=one.name,
                throughput=one.value,
                measured_at=one.measured_at,
                note=one.note,
            )
            for one in each.throughputs
        ],
    )


@router.get(
    "/throughputs", summary="List measured throughputs", openapi_extra=cacheable(Topic.FLEET)
)
def list_throughputs(
    services: ServicesDep,
    page: PageDep,
    versions: Annotated[
        bool, Query(description="true: every version; false: only the newest ones.")
    ] = False,
) -> Page[ThroughputSetView]:
    """A set for each workload that has one, and for all workloads. Sorted by workload."""
    found = (
        list(services.throughputs.versions())
        if versions
        else sorted(services.throughputs.newest().values(), key=lambda each: each.workload)
    )
    return page.from_list(
        found, lambda each: [each.workload, -each.version], view, Page[ThroughputSetView]
    )


@router.post(
    "/throughputs", summary="Replace measured throughputs", status_code=201, responses=NOT_FOUND
)
def save_throughputs(services: ServicesDep, body: ThroughputsRequest) -> SavedThroughputsView:
    """Stores the next version of a workload's throughputs. Needs the right to change instances of
    every account."""
    made = services.throughputs.save(
        [
            Throughput(each.name, each.throughput, each.measured_at, each.note)
            for each in body.throughputs
        ],
        body.workload,
        body.unit,
        body.reason,
        body.expected_version,
    )
    return SavedThroughputsView(
        **view(made.saved).model_dump(), not_in_market=list(made.not_in_market)
    )


@router.delete("/throughputs", summary="Remove measured throughputs", responses=NOT_FOUND)
def remove_throughputs(
    services: ServicesDep,
    workload: Workload = "",
    reason: Annotated[
        str, Query(max_length=500, pattern=LABEL, description="Reason for the change.")
    ] = "",
) -> ThroughputSetView:
    """Returns the removed set. Recorded decisions still refer to it."""
    return view(services.throughputs.remove(workload, reason))


@router.get("/throughputs/claims", summary="List AWS's claims about performance")
def list_performance_claims(services: ServicesDep, page: PageDep) -> Page[ClaimView]:
    """Statements about performance, not about price performance; claimed, not measured."""
    services.throughputs.may_read()
    numbered = list(enumerate(CLAIMS))
    return page.from_list(
        numbered,
        lambda each: [each[0]],
        lambda each: ClaimView.model_validate(each[1]),
        Page[ClaimView],
    )


@router.get(
    "/throughputs/comparison", summary="Compare the performance of two types", responses=NOT_FOUND
)
def compare_performance(
    services: ServicesDep, own_type: Type, other_type: Type, workload: Workload = ""
) -> RelativePerformanceView:
    """By throughputs of the workload, then of all workloads, then by AWS's claims."""
    found = services.throughputs.compare(own_type, other_type, workload)
    return RelativePerformanceView.model_validate(found)
