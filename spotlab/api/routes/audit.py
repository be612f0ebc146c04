"""Operations on the audit log."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Query

from spotlab.api.operation import Operation
from spotlab.api.paging import Page, PageDep, decode_number
from spotlab.api.request_state import ServiceDep, ServicesDep
from spotlab.api.views.audit import AuditCheckView, EntryView
from spotlab.api.views.base import Moment
from spotlab.domain.access import Right
from spotlab.domain.ports import AuditFilter
from spotlab.telemetry.invisible_characters import LABEL

router = APIRouter(route_class=Operation, tags=["audit"])

CHECK_CACHE_S: Final = 10.0
Text = Annotated[str | None, Query(min_length=1, max_length=100, pattern=LABEL)]


@router.get(
    "/audit",
    summary="List the audit log",
)
def list_audit(
    services: ServicesDep,
    page: PageDep,
    actor: Annotated[
        Text, Query(description="Only changes by this user.", examples=["ana"])
    ] = None,
    action: Annotated[
        Text,
        Query(description="Only this action, or all that start with it.", examples=["instance"]),
    ] = None,
    target: Annotated[Text, Query(description="Only changes of this target.")] = None,
    since: Annotated[
        Moment | None,
        Query(description="Only changes at this time or later.", examples=["2026-11-01T00:00:00Z"]),
    ] = None,
) -> Page[EntryView]:
    """Every change with user, time, and values before and after; newest first."""
    filters = AuditFilter(actor, action, target, since)
    total = services.audit.count(filters)
    entries = services.audit.list(
        replace(filters, before=decode_number(page.cursor)), limit=page.limit + 1
    )
    return page.from_store(
        entries, total, lambda each: [each.number], EntryView.model_validate, Page[EntryView]
    )


@router.get(
    "/audit/check",
    summary="Check the hash chain of the audit log",
)
def check_audit(services: ServicesDep, service: ServiceDep) -> AuditCheckView:
    """Checks all entries; the result is cached for 10 seconds."""
    services.principal.require(Right.READ_AUDIT)
    return AuditCheckView.model_validate(
        service.shared("audit check", CHECK_CACHE_S, services.audit.check)
    )
