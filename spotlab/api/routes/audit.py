"""The audit log, for those who may read it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Query

from spotlab.api.operation import Operation
from spotlab.api.paging import Page, PageDep, number_of_cursor
from spotlab.api.request_state import DeskDep, ServiceDep
from spotlab.api.views.audit import AuditCheckView, EntryView
from spotlab.api.views.base import Moment
from spotlab.domain.access import Right
from spotlab.domain.ports import AuditFilter
from spotlab.telemetry.text import LABEL

router = APIRouter(route_class=Operation, tags=["audit"])

CHECK_CACHE_S: Final = 10.0
Text = Annotated[str | None, Query(min_length=1, max_length=100, pattern=LABEL)]


@router.get(
    "/audit",
    operation_id="list_audit",
    summary="Every change: who, what, before and after",
    response_model=Page[EntryView],
)
def list_audit(
    desk: DeskDep,
    page: PageDep,
    actor: Annotated[Text, Query(description="By them.", examples=["ana"])] = None,
    action: Annotated[
        Text, Query(description="This, or all that begin so.", examples=["instance"])
    ] = None,
    target: Annotated[Text, Query(description="To this.")] = None,
    since: Annotated[
        Moment | None, Query(description="Not before.", examples=["2026-11-01T00:00:00Z"])
    ] = None,
) -> Page[EntryView]:
    """Newest first."""
    where = AuditFilter(actor, action, target, since)
    total = desk.audit.count(where)
    found = desk.audit.list(
        replace(where, before=number_of_cursor(page.cursor)), limit=page.limit + 1
    )
    return page.from_store(
        found, total, lambda each: [each.number], EntryView.model_validate, Page[EntryView]
    )


@router.get(
    "/audit/check",
    operation_id="check_audit",
    summary="Whether the audit log is as it was written",
    response_model=AuditCheckView,
)
def check_audit(desk: DeskDep, service: ServiceDep) -> AuditCheckView:
    """Follows the chain from its first entry to its last, at most every ten seconds."""
    desk.who.require(Right.READ_AUDIT)
    return AuditCheckView.model_validate(
        service.shared("audit check", CHECK_CACHE_S, desk.audit.check)
    )
