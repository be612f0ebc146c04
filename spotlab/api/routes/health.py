"""Operations on component health, uptime and probes."""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response

from spotlab import __version__
from spotlab.api.operation import Operation, cacheable
from spotlab.api.paging import Cursor, Limit, Page, PageDep, PageRequest
from spotlab.api.request_state import Service, ServiceDep, ServicesDep
from spotlab.api.views.health import (
    ComponentDayPage,
    ComponentView,
    HealthView,
    ProbeView,
    SlotView,
    UptimePage,
    UptimeView,
)
from spotlab.domain.components import COMPONENTS, NEEDS
from spotlab.domain.ports import ComponentState, Probe, Topic
from spotlab.monitoring.health.prober import probe_all
from spotlab.monitoring.health.report import ComponentHealth

router = APIRouter(route_class=Operation, tags=["health"])

PROBE_CACHE_S: Final = 5.0
MAX_FAILURES: Final = 100
WORST_FIRST: Final = ("down", "degraded", "unknown", "healthy")

Key = Annotated[
    str,
    Path(pattern=r"^[a-z0-9-]{1,40}$", description="Key of the component.", examples=["database"]),
]


def key_of(name: str) -> str:
    """A component's name for URLs: "API/app server" becomes "api-app-server"."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


NAMES: Final = {key_of(name): name for name in COMPONENTS}


def probe_components(service: Service) -> list[ComponentState]:
    """The state of every component, probed at most every five seconds."""
    return service.shared("health", PROBE_CACHE_S, lambda: list(probe_all(service.lab)))


def uptime_view(part: ComponentHealth) -> UptimeView:
    """The response for a component's uptime."""
    state, done = part.state, part.done
    p50, p95, p99 = done.latency_ms
    return UptimeView(
        key=key_of(state.name),
        name=state.name,
        state=state.state,
        reason=state.reason,
        checked_at=state.checked_at,
        last_success_at=part.last_success_at,
        uptime=part.uptime.up,
        unknown=part.uptime.unknown,
        seconds=dict(part.uptime.seconds),
        tried=done.rate.total,
        success_rate=done.rate.success,
        failure_rate=done.rate.failure,
        counted="probes" if done.from_probes else "work",
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        measured=done.measured,
        needs=[need.on for need in NEEDS if need.component == state.name],
        needed_by=[need.component for need in NEEDS if need.on == state.name],
        slots=[SlotView.model_validate(slot) for slot in part.slots],
    )


@router.get(
    "/health",
    summary="Get the overall health",
    openapi_extra={"security": []},
)
def get_health(service: ServiceDep) -> HealthView:
    """Needs no token, and returns only the worst state of any component."""
    components = probe_components(service)
    states = {each.state for each in components}
    return HealthView(
        status=next((state for state in WORST_FIRST if state in states), "unknown"),
        version=__version__,
        checked_at=max(each.checked_at for each in components),
    )


@router.get(
    "/health/components",
    summary="List the components with state and reason",
)
def list_components(
    services: ServicesDep, service: ServiceDep, page: PageDep
) -> Page[ComponentView]:
    """Components are probed at most every five seconds."""
    services.market.may_read()
    components = sorted(
        services.market.components(probe_components(service)), key=lambda each: each.name
    )
    return page.from_list(
        components, lambda each: [each.name], ComponentView.model_validate, Page[ComponentView]
    )


@router.get(
    "/health/uptime",
    summary="List uptime, success rates and latencies over 24 hours",
    openapi_extra=cacheable(Topic.HEALTH, max_age_s=PROBE_CACHE_S),
)
def list_uptime(services: ServicesDep, page: PageDep) -> UptimePage:
    """Based on recorded probes. Unknown time counts neither as up nor as down."""
    health = services.health.read()
    parts = sorted(health.components, key=lambda part: part.state.name)
    page_parts, following = page.slice(parts, lambda part: [part.state.name])
    return UptimePage(
        items=[uptime_view(part) for part in page_parts],
        total=len(parts),
        next=following,
        since=health.since,
        now=health.now,
        probes=health.probes,
        unread=health.unread,
    )


@router.get(
    "/health/components/{key}/day",
    summary="List the probes of a component over 24 hours",
    openapi_extra=cacheable(Topic.HEALTH),
)
def list_component_day(
    request: Request,
    response: Response,
    services: ServicesDep,
    key: Key,
    limit: Limit = 500,
    cursor: Cursor = None,
) -> ComponentDayPage:
    """Oldest first, each with its reason."""
    name = NAMES.get(key, key)
    day = services.health.day(name)
    probes = sorted(day.probes, key=_sort_key)
    page_probes, following = PageRequest(request, response, limit, cursor).slice(probes, _sort_key)
    return ComponentDayPage(
        items=[ProbeView.model_validate(probe) for probe in page_probes],
        total=len(probes),
        next=following,
        component=name,
        since=day.since,
        now=day.now,
        failures=[ProbeView.model_validate(each) for each in day.failures[:MAX_FAILURES]],
    )


def _sort_key(probe: Probe) -> list[str]:
    return [probe.at.isoformat(timespec="microseconds"), probe.state]
