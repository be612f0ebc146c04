"""Operations on the active market: its sources, and collecting it."""

from __future__ import annotations

import time
from typing import Final

from fastapi import APIRouter

from spotlab.api.operation import AWS_REFUSED, Operation, cacheable
from spotlab.api.request_state import ServicesDep
from spotlab.api.views.market import CollectedView, FeedView, MarketView, SourceReportView
from spotlab.domain.ports import Topic
from spotlab.errors import Cancelled, NotAvailable
from spotlab.runtime.shutdown import SHUTDOWN

router = APIRouter(route_class=Operation, tags=["market"])

MAX_COLLECT_S: Final = 60.0
"""No further source is read after this time."""


@router.get(
    "/market",
    summary="Get the active market with its sources and their age",
    openapi_extra=cacheable(Topic.MARKET),
)
def get_market(services: ServicesDep) -> MarketView:
    """The newest snapshot of each feed; older ones are in the archive."""
    mode, now = services.market.mode(), services.lab.clock.now()
    newest = {(info.kind, info.scope): info for info in services.market.snapshots()}
    return MarketView(
        market=mode.market,
        label=mode.label,
        simulated=mode.simulated,
        aws=mode.aws,
        execution=mode.execution,
        as_of=now,
        sources=[
            FeedView(
                kind=each.kind,
                scope=each.scope,
                source=each.source,
                event_time=each.event_time,
                fetched_at=each.fetched_at,
                age_s=(now - each.event_time).total_seconds(),
                read_age_s=(now - each.fetched_at).total_seconds(),
                records=each.records,
                approximate=each.approximate,
                set_aside=each.set_aside,
                set_aside_reasons=list(each.set_aside_reasons),
            )
            for _, each in sorted(newest.items())
        ],
    )


@router.post(
    "/market/collect",
    summary="Collect the live market now",
    responses=AWS_REFUSED,
)
def collect_market(services: ServicesDep) -> CollectedView:
    """Reads all sources within the request. A source that fails is reported in the response, and
    the others are still read. After a minute, no further source is read: the response is then 503,
    and the data read so far is stored."""
    ends = time.monotonic() + MAX_COLLECT_S
    try:
        report = services.market.collect(
            cancelled=lambda: SHUTDOWN.requested or time.monotonic() > ends
        )
    except Cancelled as exc:
        raise NotAvailable(
            exc.message, remedy="Try again; the data read so far is stored."
        ) from exc
    return CollectedView(
        market=report.market,
        sources=[SourceReportView.model_validate(each) for each in report.sources],
        regions=report.regions,
        unchanged=report.unchanged,
        duration_ms=report.duration_ms,
    )
