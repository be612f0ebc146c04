"""Operations on instances and their settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from spotlab.api import etags
from spotlab.api.etags import IfMatch
from spotlab.api.operation import Operation, cacheable
from spotlab.api.paging import Page, PageDep
from spotlab.api.request_state import ServicesDep
from spotlab.api.views.base import MODEL_REFERENCE
from spotlab.api.views.experiments import SummaryView
from spotlab.api.views.instances import (
    AssignModelRequest,
    InstanceRequirementsView,
    InstanceView,
    PipelineView,
    RequirementsView,
    SetModeRequest,
    SetRequirementsRequest,
    SetShadowRequest,
)
from spotlab.domain.decision import Instance, Lifecycle, PipelineMode
from spotlab.domain.ports import Topic
from spotlab.services import Services

router = APIRouter(route_class=Operation, tags=["instances"])

InstanceId = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9-]{1,40}$",
        description="EC2 instance id.",
        examples=["i-0000000000000001a"],
    ),
]
Text = Annotated[str | None, Query(min_length=1, max_length=100)]


def view(instance: Instance) -> InstanceView:
    """The response for an instance."""
    return InstanceView.model_validate(instance)


def tag_of(instance: Instance) -> str:
    """The ETag of an instance, the same for every operation that returns it."""
    return etags.tag_of_view(view(instance))


@router.get(
    "/instances",
    summary="List instances",
    openapi_extra=cacheable(Topic.FLEET, Topic.EXPERIMENTS),
)
def list_instances(
    services: ServicesDep,
    page: PageDep,
    account: Annotated[
        Text, Query(description="Only instances of this account.", examples=["acme"])
    ] = None,
    region: Annotated[Text, Query(description="Only instances in this region.")] = None,
    instance_type: Annotated[Text, Query(description="Only instances of this type.")] = None,
    lifecycle: Annotated[
        Lifecycle | None, Query(description="Only spot or only on-demand instances.")
    ] = None,
    mode: Annotated[
        PipelineMode | None, Query(description="Only instances with this pipeline.")
    ] = None,
    shadow: Annotated[
        bool | None, Query(description="true: only instances in shadow mode; false: only others.")
    ] = None,
    model: Annotated[
        str | None,
        Query(
            pattern=MODEL_REFERENCE,
            max_length=120,
            description="Only instances with this model assigned.",
        ),
    ] = None,
    active: Annotated[
        bool, Query(description="true: only instances that exist; false: only those that are gone.")
    ] = True,
) -> Page[InstanceView]:
    """Instances that you may see, sorted by account, name and id."""
    filters: list[tuple[object, Callable[[Instance], object]]] = [
        (account, lambda i: i.account),
        (region, lambda i: i.pool.region),
        (instance_type, lambda i: i.pool.instance_type),
        (lifecycle, lambda i: i.lifecycle),
        (mode, lambda i: i.mode),
        (shadow, lambda i: i.shadow),
        (model, lambda i: i.model),
        (active, lambda i: i.active),
    ]
    instances = [
        instance
        for instance in services.instances.list(active_only=active)
        if all(value is None or read(instance) == value for value, read in filters)
    ]
    return page.from_list(
        instances, lambda i: [i.account, i.name, i.instance_id], view, Page[InstanceView]
    )


@router.get(
    "/instances/{instance_id}",
    summary="Get an instance",
    openapi_extra=cacheable(Topic.FLEET, Topic.EXPERIMENTS),
)
def get_instance(services: ServicesDep, instance_id: InstanceId) -> InstanceView:
    """Use the ETag of the response as If-Match to change the instance."""
    return view(services.instances.get(instance_id))


@router.put(
    "/instances/{instance_id}/model",
    summary="Assign a model to an instance",
)
def assign_model(
    services: ServicesDep,
    response: Response,
    instance_id: InstanceId,
    body: AssignModelRequest,
    if_match: IfMatch = None,
) -> InstanceView:
    """If `model` is null, the instance uses the champion."""
    before = _expected_state(services, instance_id, if_match)
    services.instances.assign(instance_id, body.model, body.reason, before)
    return _tagged(response, services.instances.get(instance_id))


@router.put(
    "/instances/{instance_id}/mode",
    summary="Set the pipeline of an instance",
)
def set_mode(
    services: ServicesDep,
    response: Response,
    instance_id: InstanceId,
    body: SetModeRequest,
    if_match: IfMatch = None,
) -> InstanceView:
    """If `mode` is `off`, the instance is not evaluated with the fleet."""
    before = _expected_state(services, instance_id, if_match)
    after = services.instances.set_mode(instance_id, body.mode, body.reason, before)
    return _tagged(response, after)


@router.put(
    "/instances/{instance_id}/shadow",
    summary="Turn shadow mode of an instance on or off",
)
def set_shadow(
    services: ServicesDep,
    response: Response,
    instance_id: InstanceId,
    body: SetShadowRequest,
    if_match: IfMatch = None,
) -> InstanceView:
    """In shadow mode, decisions are recorded, but never executed."""
    before = _expected_state(services, instance_id, if_match)
    after = services.instances.set_shadow(instance_id, body.shadow, body.reason, before)
    return _tagged(response, after)


@router.get(
    "/instances/{instance_id}/requirements",
    summary="Get the requirements of an instance",
    openapi_extra=cacheable(Topic.FLEET, Topic.MARKET, Topic.MODELS),
)
def get_requirements(services: ServicesDep, instance_id: InstanceId) -> InstanceRequirementsView:
    """As set by a user, or derived from the instance's type."""
    instance = services.instances.get(instance_id)
    if instance.requirements is not None:
        requirements = RequirementsView.model_validate(instance.requirements)
        return InstanceRequirementsView(source="set", requirements=requirements)
    derived = services.lab.requirements_of(instance)
    return InstanceRequirementsView(
        source="derived", requirements=RequirementsView.model_validate(derived)
    )


@router.put(
    "/instances/{instance_id}/requirements",
    summary="Set the requirements of an instance",
)
def set_requirements(
    services: ServicesDep,
    response: Response,
    instance_id: InstanceId,
    body: SetRequirementsRequest,
    if_match: IfMatch = None,
) -> InstanceView:
    """If `requirements` is null, they are derived from the instance's type again."""
    before = _expected_state(services, instance_id, if_match)
    requirements = body.requirements.requirements() if body.requirements is not None else None
    after = services.instances.set_requirements(instance_id, requirements, body.reason, before)
    return _tagged(response, after)


@router.get(
    "/instances/{instance_id}/pipeline",
    summary="Get the pipeline status of an instance",
    openapi_extra=cacheable(Topic.FLEET, Topic.EXPERIMENTS, Topic.MODELS),
)
def get_pipeline(services: ServicesDep, instance_id: InstanceId) -> PipelineView:
    """Pipeline, active model and newest decision of the instance."""
    status = services.instances.pipeline(instance_id)
    return PipelineView(
        instance_id=status.instance.instance_id,
        mode=status.instance.mode,
        shadow=status.instance.shadow,
        assigned_model=status.instance.model,
        model_in_force=status.model,
        model_note=status.note,
        last_evaluated_at=status.instance.last_evaluated_at,
        latest=SummaryView.model_validate(status.latest) if status.latest else None,
        decision=status.latest.decision if status.latest else None,
        state=status.state,
    )


def _expected_state(services: Services, instance_id: str, if_match: str | None) -> Instance | None:
    """The instance as If-Match names it, for the store to compare; None for any state.

    Raises:
        PreconditionRequired, ChangedMeanwhile: see `etags.require_match`.
        NotFound: also if the user may not see its account.
    """
    instance = services.instances.get(instance_id)
    return etags.expected_state(if_match, instance, tag_of(instance), f"instance {instance_id}")


def _tagged(response: Response, instance: Instance) -> InstanceView:
    response.headers["ETag"] = tag_of(instance)
    return view(instance)
