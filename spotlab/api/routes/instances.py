"""Instances, and what is set on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from spotlab.api import etags
from spotlab.api.etags import IfMatch
from spotlab.api.operation import Operation, cacheable
from spotlab.api.paging import Page, PageDep
from spotlab.api.request_state import DeskDep
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
from spotlab.services import Desk

router = APIRouter(route_class=Operation, tags=["instances"])

InstanceId = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9-]{1,40}$",
        description="EC2's instance id.",
        examples=["i-0000000000000001a"],
    ),
]
Text = Annotated[str | None, Query(min_length=1, max_length=100)]


def view(instance: Instance) -> InstanceView:
    """An instance as it is answered."""
    return InstanceView.model_validate(instance)


def tag_of(instance: Instance) -> str:
    """Its entity tag, the same under every operation that answers it."""
    return etags.tag_of_view(view(instance))


@router.get(
    "/instances",
    operation_id="list_instances",
    summary="The instances that you see",
    response_model=Page[InstanceView],
    openapi_extra=cacheable(Topic.FLEET, Topic.EXPERIMENTS),
)
def list_instances(
    desk: DeskDep,
    page: PageDep,
    account: Annotated[Text, Query(description="Of this account.", examples=["acme"])] = None,
    region: Annotated[Text, Query(description="In this region.")] = None,
    instance_type: Annotated[Text, Query(description="Of this type.")] = None,
    lifecycle: Annotated[Lifecycle | None, Query(description="Paid for like this.")] = None,
    mode: Annotated[PipelineMode | None, Query(description="Evaluated by this.")] = None,
    shadow: Annotated[bool | None, Query(description="In shadow mode, or not.")] = None,
    model: Annotated[
        str | None,
        Query(pattern=MODEL_REFERENCE, max_length=120, description="With this model assigned."),
    ] = None,
    active: Annotated[
        bool, Query(description="Those that are there now; false: those that are gone.")
    ] = True,
) -> Page[InstanceView]:
    """By account, name and id."""
    asked: list[tuple[object, Callable[[Instance], object]]] = [
        (account, lambda i: i.account),
        (region, lambda i: i.pool.region),
        (instance_type, lambda i: i.pool.instance_type),
        (lifecycle, lambda i: i.lifecycle),
        (mode, lambda i: i.mode),
        (shadow, lambda i: i.shadow),
        (model, lambda i: i.model),
        (active, lambda i: i.active),
    ]
    found = [
        instance
        for instance in desk.instances.list(active_only=active)
        if all(wanted is None or of(instance) == wanted for wanted, of in asked)
    ]
    return page.from_list(
        found, lambda i: [i.account, i.name, i.instance_id], view, Page[InstanceView]
    )


@router.get(
    "/instances/{instance_id}",
    operation_id="get_instance",
    summary="One instance",
    response_model=InstanceView,
    openapi_extra=cacheable(Topic.FLEET, Topic.EXPERIMENTS),
)
def get_instance(desk: DeskDep, instance_id: InstanceId) -> InstanceView:
    """One instance that you see; its ETag is what a change is made from."""
    return view(desk.instances.get(instance_id))


@router.put(
    "/instances/{instance_id}/model",
    operation_id="assign_model",
    summary="Let an instance be evaluated by a model of its own",
    response_model=InstanceView,
)
def assign_model(
    desk: DeskDep,
    response: Response,
    instance_id: InstanceId,
    asked: AssignModelRequest,
    if_match: IfMatch = None,
) -> InstanceView:
    """With `model` null, by the champion."""
    before = _expected_state(desk, instance_id, if_match)
    desk.instances.assign(instance_id, asked.model, asked.reason, before)
    return _tagged(response, desk.instances.get(instance_id))


@router.put(
    "/instances/{instance_id}/mode",
    operation_id="set_mode",
    summary="Choose which pipeline evaluates an instance",
    response_model=InstanceView,
)
def set_mode(
    desk: DeskDep,
    response: Response,
    instance_id: InstanceId,
    asked: SetModeRequest,
    if_match: IfMatch = None,
) -> InstanceView:
    """`off`: it is not evaluated with the fleet."""
    before = _expected_state(desk, instance_id, if_match)
    after = desk.instances.set_mode(instance_id, asked.mode, asked.reason, before)
    return _tagged(response, after)


@router.put(
    "/instances/{instance_id}/shadow",
    operation_id="set_shadow",
    summary="Turn an instance's shadow mode on or off",
    response_model=InstanceView,
)
def set_shadow(
    desk: DeskDep,
    response: Response,
    instance_id: InstanceId,
    asked: SetShadowRequest,
    if_match: IfMatch = None,
) -> InstanceView:
    """On: decisions are recorded, never carried out."""
    before = _expected_state(desk, instance_id, if_match)
    after = desk.instances.set_shadow(instance_id, asked.shadow, asked.reason, before)
    return _tagged(response, after)


@router.get(
    "/instances/{instance_id}/requirements",
    operation_id="get_requirements",
    summary="What a replacement of an instance must offer",
    response_model=InstanceRequirementsView,
    openapi_extra=cacheable(Topic.FLEET, Topic.MARKET, Topic.MODELS),
)
def get_requirements(desk: DeskDep, instance_id: InstanceId) -> InstanceRequirementsView:
    """As set on it, or as derived from its own type."""
    instance = desk.instances.get(instance_id)
    if instance.requirements is not None:
        required = RequirementsView.model_validate(instance.requirements)
        return InstanceRequirementsView(source="set", requirements=required)
    derived = desk.lab.requirements_of(instance)
    return InstanceRequirementsView(
        source="derived", requirements=RequirementsView.model_validate(derived)
    )


@router.put(
    "/instances/{instance_id}/requirements",
    operation_id="set_requirements",
    summary="Set what a replacement of an instance must offer",
    response_model=InstanceView,
)
def set_requirements(
    desk: DeskDep,
    response: Response,
    instance_id: InstanceId,
    asked: SetRequirementsRequest,
    if_match: IfMatch = None,
) -> InstanceView:
    """With `requirements` null, they are derived from its own type again."""
    before = _expected_state(desk, instance_id, if_match)
    wanted = asked.requirements.requirements() if asked.requirements is not None else None
    after = desk.instances.set_requirements(instance_id, wanted, asked.reason, before)
    return _tagged(response, after)


@router.get(
    "/instances/{instance_id}/pipeline",
    operation_id="get_pipeline",
    summary="How an instance's evaluation stands",
    response_model=PipelineView,
    openapi_extra=cacheable(Topic.FLEET, Topic.EXPERIMENTS, Topic.MODELS),
)
def get_pipeline(desk: DeskDep, instance_id: InstanceId) -> PipelineView:
    """Its mode, the model that decides about it, and its newest decision."""
    status = desk.instances.pipeline(instance_id)
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


def _expected_state(desk: Desk, instance_id: str, if_match: str | None) -> Instance | None:
    """The instance that a change was made from; None: whatever it is.

    Raises:
        PreconditionMissing, ChangedMeanwhile: see `conditions.require`.
        NotFound: also where they do not see its account.
    """
    instance = desk.instances.get(instance_id)
    return etags.expected_state(if_match, instance, tag_of(instance), f"instance {instance_id}")


def _tagged(response: Response, instance: Instance) -> InstanceView:
    response.headers["ETag"] = tag_of(instance)
    return view(instance)
