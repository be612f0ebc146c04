"""Operations on switches: plan, request, approve, stop and roll back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from spotlab.api.operation import AWS_REFUSED, NOT_FOUND, Operation, cacheable
from spotlab.api.paging import Page, PageDep, decode_cursor, no_such_page
from spotlab.api.request_state import ServicesDep
from spotlab.api.views.base import ChangeRequest, pool_of, require_supported_year
from spotlab.api.views.switches import (
    SWITCH_ID,
    CallView,
    FindingView,
    GotView,
    JournalEntryView,
    LevelView,
    RealisedView,
    SwitchPlanRequest,
    SwitchPlanView,
    SwitchRequest,
    SwitchView,
    TargetView,
)
from spotlab.domain.ports import Topic
from spotlab.domain.switch_filter import SwitchFilter
from spotlab.domain.switch_moves import HealthCheck
from spotlab.domain.switches import JournalEntry, Switch, SwitchState, Target
from spotlab.services.switches import SwitchPlan

router = APIRouter(route_class=Operation, tags=["switches"])

SwitchId = Annotated[
    str, Path(pattern=SWITCH_ID, description="Id of the switch.", examples=["sw-5b0c2f8e4a91"])
]
_COPIED = [
    name
    for name in SwitchView.model_fields
    if name not in {"pool", "targets", "on_demand", "got", "realised"}
]


def target_view(target: Target) -> TargetView:
    """The response for a target."""
    return TargetView(
        pool=target.pool.key,
        lifecycle=target.lifecycle.value,
        price_usd_per_hour=target.price_usd_per_hour,
    )


def view(switch: Switch) -> SwitchView:
    """The response for a switch."""
    got = switch.got
    return SwitchView(
        **{name: getattr(switch, name) for name in _COPIED},
        pool=switch.pool.key,
        targets=[target_view(each) for each in switch.targets],
        on_demand=None if switch.on_demand is None else target_view(switch.on_demand),
        got=None
        if got is None
        else GotView(
            pool=got.pool.key,
            lifecycle=got.lifecycle.value,
            price_usd_per_hour=switch.price_after_usd_per_hour,
            instance_id=got.instance_id,
            launched_at=got.launched_at,
        ),
        realised=None if switch.realised is None else RealisedView.model_validate(switch.realised),
    )


def plan_view(plan: SwitchPlan) -> SwitchPlanView:
    """The response for a plan."""
    preflight = plan.preflight
    return SwitchPlanView(
        instance_id=plan.instance.instance_id,
        experiment_id=plan.experiment.experiment_id if plan.experiment is not None else None,
        targets=[target_view(each) for each in plan.targets],
        strategy=preflight.strategy.value,
        strategy_reason=preflight.strategy_reason,
        findings=[FindingView.model_validate(each) for each in preflight.findings],
        kept=list(preflight.kept),
        recreated=list(preflight.recreated),
        lost=list(preflight.lost),
        calls=[CallView.model_validate(each) for each in preflight.calls],
        levels=[LevelView.model_validate(each) for each in plan.levels.all],
        mode=plan.levels.mode.value,
        refusal="" if plan.refusal is None else plan.refusal.reason,
        open_switch=plan.open_switch,
    )


def _entry_view(entry: JournalEntry) -> JournalEntryView:
    return JournalEntryView.model_validate(entry)


def _where(body: SwitchPlanRequest) -> dict[str, Any]:
    return {
        "pool": None if body.pool is None else pool_of(body.pool),
        "lifecycle": body.lifecycle,
        "experiment_id": body.experiment_id,
        "strategy": body.strategy,
        "confirmed": body.confirmed,
    }


@router.get("/switches", summary="List switches", openapi_extra=cacheable(Topic.SWITCHES))
def list_switches(
    services: ServicesDep,
    page: PageDep,
    instance_id: Annotated[
        str | None,
        Query(
            pattern=r"^[A-Za-z0-9-]{1,40}$",
            description="Only switches that replace or launched this instance.",
        ),
    ] = None,
    state: Annotated[
        list[SwitchState] | None, Query(description="Only switches in these states.")
    ] = None,
    finished: Annotated[
        bool | None, Query(description="Only finished switches, or unfinished ones.")
    ] = None,
    dry_run: Annotated[bool | None, Query(description="Only dry runs, or real ones.")] = None,
) -> Page[SwitchView]:
    """Switches in accounts that you may see, newest request first."""
    where = SwitchFilter(
        instance_id=instance_id,
        states=tuple(state) if state else None,
        open=None if finished is None else not finished,
        dry_run=dry_run,
    )
    total = services.switches.count(where)
    if page.cursor is not None:
        where = replace(where, before=_position(page.cursor))
    return page.from_store(
        services.switches.list(where, limit=page.limit + 1),
        total,
        lambda each: [each.requested_at.isoformat(), each.switch_id],
        view,
        Page[SwitchView],
    )


def _position(cursor: str) -> tuple[datetime, str]:
    """The position of a cursor. Raises NotFound: it is from another list."""
    requested_at, switch_id = decode_cursor(cursor, ["", ""])
    try:
        at = require_supported_year(datetime.fromisoformat(requested_at))
        if at.tzinfo is None:
            raise ValueError("not a position in the list")
        return at, switch_id
    except ValueError:
        raise no_such_page() from None


@router.post(
    "/switches", summary="Request a switch", status_code=201, responses=NOT_FOUND | AWS_REFUSED
)
def request_switch(services: ServicesDep, body: SwitchRequest) -> SwitchView:
    """The switch waits for approval. Where the installation, the account or the instance allows
    dry runs only, its calls are listed in its journal, and it is finished."""
    check = body.health_check
    return view(
        services.switches.request(
            body.instance_id,
            **_where(body),
            on_demand=body.on_demand,
            health_check=None
            if check is None
            else HealthCheck(check.kind, check.port, check.path, check.address),
            dry_run=body.dry_run,
            reason=body.reason,
        )
    )


@router.post("/switches/plan", summary="Plan a switch", responses=NOT_FOUND | AWS_REFUSED)
def plan_switch(services: ServicesDep, body: SwitchPlanRequest) -> SwitchPlanView:
    """Preflight and the calls that a switch would make; nothing is changed or stored."""
    return plan_view(services.switches.plan(body.instance_id, **_where(body)))


@router.get(
    "/switches/{switch_id}",
    summary="Get a switch",
    responses=NOT_FOUND,
    openapi_extra=cacheable(Topic.SWITCHES),
)
def get_switch(services: ServicesDep, switch_id: SwitchId) -> SwitchView:
    """State, step, what was requested and what was launched."""
    return view(services.switches.get(switch_id))


@router.get(
    "/switches/{switch_id}/journal",
    summary="List the journal of a switch",
    responses=NOT_FOUND,
    openapi_extra=cacheable(Topic.SWITCHES),
)
def list_switch_journal(
    services: ServicesDep, switch_id: SwitchId, page: PageDep
) -> Page[JournalEntryView]:
    """Every action before and after it was taken, oldest first."""
    return page.from_list(
        services.switches.journal(switch_id),
        lambda each: [each.seq],
        _entry_view,
        Page[JournalEntryView],
    )


@router.post("/switches/{switch_id}/approve", summary="Approve a switch", responses=NOT_FOUND)
def approve_switch(services: ServicesDep, switch_id: SwitchId, body: ChangeRequest) -> SwitchView:
    """The switch begins within seconds, as far as its guards allow."""
    return view(services.switches.approve(switch_id, body.reason))


@router.post("/switches/{switch_id}/reject", summary="Reject a switch", responses=NOT_FOUND)
def reject_switch(services: ServicesDep, switch_id: SwitchId, body: ChangeRequest) -> SwitchView:
    """Who requested the switch may withdraw it in this way."""
    return view(services.switches.reject(switch_id, body.reason))


@router.post("/switches/{switch_id}/pause", summary="Pause a switch", responses=NOT_FOUND)
def pause_switch(services: ServicesDep, switch_id: SwitchId, body: ChangeRequest) -> SwitchView:
    """It stops before its next step that cannot be undone."""
    return view(services.switches.pause(switch_id, body.reason))


@router.post("/switches/{switch_id}/resume", summary="Resume a switch", responses=NOT_FOUND)
def resume_switch(services: ServicesDep, switch_id: SwitchId, body: ChangeRequest) -> SwitchView:
    """A paused switch continues."""
    return view(services.switches.resume(switch_id, body.reason))


@router.post("/switches/{switch_id}/roll-back", summary="Roll a switch back", responses=NOT_FOUND)
def roll_back_switch(services: ServicesDep, switch_id: SwitchId, body: ChangeRequest) -> SwitchView:
    """Everything is undone, unless the instance has ended already."""
    return view(services.switches.roll_back(switch_id, body.reason))
