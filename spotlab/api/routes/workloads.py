"""Operations on workloads, and on the rules that assign them to instances."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from spotlab.api.operation import NOT_FOUND, Operation, cacheable
from spotlab.api.paging import Page, PageDep
from spotlab.api.request_state import ServicesDep
from spotlab.api.routes.instances import InstanceId
from spotlab.api.views.experiments import AppliedWorkloadView, workload_view
from spotlab.api.views.workloads import (
    MAX_VERSION,
    WORKLOAD_NAME,
    AssignmentRequest,
    AssignmentView,
    RuleScope,
    WorkloadRequest,
    WorkloadView,
    version_view,
)
from spotlab.domain.ports import Topic
from spotlab.domain.workload import Assignment, AssignmentScope, WorkloadVersion
from spotlab.errors import ChangedMeanwhile, Conflict
from spotlab.services.workloads import MAX_KEY
from spotlab.telemetry.invisible_characters import LABEL

router = APIRouter(route_class=Operation, tags=["workloads"])

Name = Annotated[
    str,
    Path(pattern=WORKLOAD_NAME, description="Name of the workload.", examples=["queue-worker"]),
]


@router.get("/workloads", summary="List workloads", openapi_extra=cacheable(Topic.FLEET))
def list_workloads(services: ServicesDep, page: PageDep) -> Page[WorkloadView]:
    """The newest version of each, sorted by name; built-in ones included."""
    newest: dict[str, WorkloadVersion] = {}
    for each in services.workloads.versions():
        newest.setdefault(each.workload.name, each)
    return page.from_list(
        [*newest.values()], lambda each: [each.workload.name], version_view, Page[WorkloadView]
    )


@router.get("/workloads/{name}", summary="Get a workload", openapi_extra=cacheable(Topic.FLEET))
def get_workload(
    services: ServicesDep,
    name: Name,
    version: Annotated[
        int | None,
        Query(ge=1, le=MAX_VERSION, description="Its version; default: the newest one."),
    ] = None,
) -> WorkloadView:
    """Send its `version` as `expected_version` to save the next one."""
    return version_view(services.workloads.version(name, version))


@router.get(
    "/workloads/{name}/versions",
    summary="List the versions of a workload",
    openapi_extra=cacheable(Topic.FLEET),
)
def list_workload_versions(services: ServicesDep, page: PageDep, name: Name) -> Page[WorkloadView]:
    """Newest first, with who saved each, when and why."""
    return page.from_list(
        services.workloads.versions(name),
        lambda each: [-each.workload.version],
        version_view,
        Page[WorkloadView],
    )


@router.put("/workloads/{name}", summary="Save a workload")
def save_workload(services: ServicesDep, name: Name, body: WorkloadRequest) -> WorkloadView:
    """Saves a new workload, or the next version of one; former versions stay. The response is 409
    if the newest version is not `expected_version`. Needs the right to change instances of all
    accounts."""
    try:
        saved = services.workloads.save(body.workload(name), body.reason, body.expected_version)
    except ChangedMeanwhile as exc:
        raise Conflict(exc.message, remedy=exc.remedy) from exc
    return version_view(services.workloads.version(name, saved.version))


@router.get(
    "/workload-assignments",
    summary="List the assignments of workloads",
    openapi_extra=cacheable(Topic.FLEET),
)
def list_workload_assignments(services: ServicesDep, page: PageDep) -> Page[AssignmentView]:
    """Rules about tags, and about the accounts and instances that you may see, sorted by scope and
    key. An instance's own rule wins over one about a tag, and that over one about its account."""
    rules = sorted(services.workloads.assignments(), key=lambda each: (each.scope.value, each.key))
    return page.from_list(
        rules,
        lambda each: [each.scope.value, each.key],
        AssignmentView.model_validate,
        Page[AssignmentView],
    )


@router.put("/workload-assignments", summary="Assign a workload", responses=NOT_FOUND)
def assign_workload(services: ServicesDep, body: AssignmentRequest) -> AssignmentView:
    """Assigns a workload to an instance, to the instances with a tag, or to those of an account,
    instead of the present one. A rule about a tag needs the right to change instances of all
    accounts."""
    scope = AssignmentScope(body.scope)
    services.workloads.assign(scope, body.key, body.workload, body.reason)
    return AssignmentView.model_validate(Assignment(scope, body.key, body.workload))


@router.delete("/workload-assignments", summary="Remove an assignment", responses=NOT_FOUND)
def unassign_workload(
    services: ServicesDep,
    scope: Annotated[
        RuleScope,
        Query(
            description="What the rule is about: instance, tag or account.", examples=["account"]
        ),
    ],
    key: Annotated[
        str,
        Query(
            min_length=1,
            max_length=MAX_KEY,
            pattern=LABEL,
            description="The instance id, tag=value, or the account.",
            examples=["acme"],
        ),
    ],
    reason: Annotated[
        str, Query(max_length=500, pattern=LABEL, description="Reason for the change.")
    ] = "",
) -> AssignmentView:
    """Returns the removed rule. The next rule that matches applies, or the default workload."""
    rules = services.workloads.assignments()
    services.workloads.assign(AssignmentScope(scope), key, None, reason)
    removed = [rule for rule in rules if (rule.scope.value, rule.key) == (scope, key)]
    return AssignmentView(scope=AssignmentScope(scope), key=key, workload=removed[0].workload)


@router.get(
    "/instances/{instance_id}/workload",
    summary="Get the workload of an instance",
    openapi_extra=cacheable(Topic.FLEET),
)
def get_instance_workload(services: ServicesDep, instance_id: InstanceId) -> AppliedWorkloadView:
    """The version that its next evaluation uses, and the rule that chose it."""
    instance = services.instances.get(instance_id)
    return workload_view(services.workloads.applied([instance])[instance_id])
