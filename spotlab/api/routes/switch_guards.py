"""Operations on the guards of switches: levels, limits, stops and earned autonomy."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from spotlab.api.operation import AWS_REFUSED, NOT_FOUND, Operation, cacheable
from spotlab.api.paging import Page, PageDep
from spotlab.api.request_state import ServicesDep
from spotlab.api.routes.accounts import Name
from spotlab.api.views.base import ChangeRequest
from spotlab.api.views.switch_guards import (
    AccountGuardsRequest,
    AccountGuardsView,
    AccountModeView,
    AutonomyView,
    InstallationGuardsRequest,
    InstallationGuardsView,
    OrphanReportView,
    OrphanView,
    StartView,
    StopsView,
    StopView,
    SwitchingView,
    TimeWindowView,
)
from spotlab.domain.ports import Topic
from spotlab.domain.switch_autonomy import AutonomyFigures
from spotlab.domain.switch_guards import (
    AccountGuards,
    GuardVersion,
    InstallationGuards,
    Stop,
    TimeWindow,
    names_of,
)
from spotlab.services.switch_orphans import OrphanReport
from spotlab.telemetry.invisible_characters import LABEL

OfAccount = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=100,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$",
        description="Only this account; omit it for all that you may see.",
    ),
]
router = APIRouter(route_class=Operation, tags=["switches"])


def _version(found: GuardVersion) -> dict[str, Any]:
    return {
        "version": found.version,
        "created_at": found.created_at,
        "created_by": found.created_by,
        "reason": found.reason,
    }


def installation_view(found: GuardVersion) -> InstallationGuardsView:
    """The response for the guards of the installation."""
    values = {name: getattr(found.guards, name) for name in names_of(InstallationGuards)}
    return InstallationGuardsView(**_version(found), **values)


def account_view(found: GuardVersion) -> AccountGuardsView:
    """The response for the guards of an account."""
    assert isinstance(found.guards, AccountGuards)
    values = {name: getattr(found.guards, name) for name in names_of(AccountGuards)}
    values["windows"] = [TimeWindowView.model_validate(each) for each in found.guards.windows]
    return AccountGuardsView(account=found.scope, **_version(found), **values)


def _stops(found: Any) -> list[StopView]:
    return [stop_view(each) for each in found]


def stop_view(stop: Stop) -> StopView:
    """The response for a stop."""
    return StopView.model_validate(stop)


def autonomy_view(found: AutonomyFigures) -> AutonomyView:
    """The response for figures of earned autonomy."""
    names = [name for name in AutonomyView.model_fields if name != "share_low"]
    values = {name: getattr(found, name) for name in names}
    return AutonomyView(**values, share_low=found.share.low if found.share is not None else None)


@router.get(
    "/switching",
    summary="Get how far switches may go",
    openapi_extra=cacheable(Topic.SWITCHES, Topic.FLEET),
)
def get_switching(services: ServicesDep) -> SwitchingView:
    """Modes of the installation and the accounts, stops, and what counts towards the limits."""
    found = services.switch_guards.overview()
    return SwitchingView(
        installation=found.installation.value,
        accounts=[
            AccountModeView(account=name, mode=mode.value) for name, mode in found.accounts.items()
        ],
        instances={mode.value: count for mode, count in found.instances.items()},
        stops=_stops(found.stops),
        started=[StartView.model_validate(each) for each in found.started],
    )


@router.post("/switching/stop", summary="Stop all switches")
def stop_switches(services: ServicesDep, body: ChangeRequest) -> StopsView:
    """Every switch stops before its next step that cannot be undone, and none begins, until the
    stop is released. A user who sees only some accounts stops theirs."""
    return StopsView(stops=_stops(services.switch_guards.stop_all(body.reason)))


@router.post("/switching/release", summary="Release the stop of all switches")
def release_switches(services: ServicesDep, body: ChangeRequest) -> StopsView:
    """Returns the stops that remain."""
    return StopsView(stops=_stops(services.switch_guards.release(body.reason)))


@router.get(
    "/switching/guards",
    summary="Get the guards of the installation",
    openapi_extra=cacheable(Topic.SWITCHES),
)
def get_installation_guards(services: ServicesDep) -> InstallationGuardsView:
    """Limits that hold in all accounts."""
    return installation_view(services.switch_guards.installation())


@router.patch("/switching/guards", summary="Change the guards of the installation")
def change_installation_guards(
    services: ServicesDep, body: InstallationGuardsRequest
) -> InstallationGuardsView:
    """Stores the next version; omitted guards keep their value."""
    return installation_view(
        services.switch_guards.set_installation(body.changes(), body.reason, body.expected_version)
    )


@router.get("/switching/autonomy", summary="List figures of earned autonomy")
def list_autonomy(services: ServicesDep, page: PageDep) -> Page[AutonomyView]:
    """Outcomes of each policy's decisions, by account, policy and workload."""
    return page.from_list(
        services.switch_guards.autonomy(),
        lambda each: [each.account, each.policy, each.workload],
        autonomy_view,
        Page[AutonomyView],
    )


def orphan_report_view(report: OrphanReport) -> OrphanReportView:
    """The response for a report of orphans."""
    return OrphanReportView(
        found=[
            OrphanView(
                kind=each.resource.kind,
                resource_id=each.resource.resource_id,
                account=each.account,
                region=each.region,
                switch_id=each.resource.switch_id,
                state=each.state,
                why=each.why,
                deletable=each.deletable,
                keep=each.keep,
            )
            for each in report.found
        ],
        deleted=list(report.deleted),
        errors=list(report.errors),
    )


@router.get(
    "/switching/orphans",
    summary="Report what switches have left behind",
    responses=NOT_FOUND | AWS_REFUSED,
)
def get_orphans(services: ServicesDep, account: OfAccount = None) -> OrphanReportView:
    """Resources with SpotLab's tag that no open switch needs; nothing is changed."""
    return orphan_report_view(services.switch_orphans.report(account))


@router.delete(
    "/switching/orphans",
    summary="Delete what switches have left behind",
    responses=NOT_FOUND | AWS_REFUSED,
)
def delete_orphans(
    services: ServicesDep,
    account: OfAccount = None,
    reason: Annotated[
        str, Query(max_length=500, pattern=LABEL, description="Reason for the change.")
    ] = "",
) -> OrphanReportView:
    """By SpotLab's tags only, and never what a finished switch has handed over."""
    return orphan_report_view(services.switch_orphans.delete(account, reason))


@router.get(
    "/accounts/{name}/switching-guards",
    summary="Get the guards of an account",
    responses=NOT_FOUND,
    openapi_extra=cacheable(Topic.SWITCHES),
)
def get_account_guards(services: ServicesDep, name: Name) -> AccountGuardsView:
    """Mode, limits and time windows of switches in the account."""
    return account_view(services.switch_guards.account(name))


@router.patch(
    "/accounts/{name}/switching-guards",
    summary="Change the guards of an account",
    responses=NOT_FOUND,
)
def change_account_guards(
    services: ServicesDep, name: Name, body: AccountGuardsRequest
) -> AccountGuardsView:
    """Stores the next version; omitted guards keep their value."""
    changes = body.changes()
    if body.windows is not None:
        changes["windows"] = tuple(
            TimeWindow(tuple(each.days), each.start, each.end, each.time_zone)
            for each in body.windows
        )
    return account_view(
        services.switch_guards.set_account(name, changes, body.reason, body.expected_version)
    )
