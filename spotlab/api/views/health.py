"""Component health, uptime and probes."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from spotlab.api.paging import Page
from spotlab.api.views.base import Number, View, field


class SlotView(View):
    """Half an hour of a component."""

    state: str = field("Worst state in the half hour; unknown without probes.", "healthy")
    latency_ms: Number = field("Median latency; null if none was measured.", 0.4, "ms")


class UptimeView(View):
    """A component now, and over the last 24 hours."""

    key: str = field("Key of the component, used in URLs.", "database")
    name: str = field("Name of the component.", "database")
    state: str = field("healthy, degraded, down or unknown.", "healthy")
    reason: str = field("Reason for the state.", "SQLite")
    checked_at: datetime = field("When the component was probed.", "2026-11-03T09:30:00Z")
    last_success_at: datetime | None = field(
        "Last successful probe; null if there was none.", "2026-11-03T09:30:00Z"
    )
    uptime: Number = field("Uptime: share of the known time; null if unknown.", 0.998, "share")
    unknown: float = field("Share of the 24 hours in which the state is unknown.", 0.01, "share")
    seconds: dict[str, float] = field(
        "Time in each state.",
        {"healthy": 85000.0, "degraded": 0.0, "down": 170.0, "unknown": 1230.0},
        "s",
    )
    tried: int = field("Number of attempts.", 1420, "count")
    success_rate: Number = field("Success rate; null without attempts.", 0.99, "share")
    failure_rate: Number = field("Failure rate; null without attempts.", 0.01, "share")
    counted: str = field(
        "What counts as an attempt: work (for the app server: requests) or probes.", "probes"
    )
    p50_ms: Number = field("Median latency; null if none was measured.", 0.4, "ms")
    p95_ms: Number = field("95th percentile of the latency.", 0.9, "ms")
    p99_ms: Number = field("99th percentile of the latency.", 2.1, "ms")
    measured: int = field("Number of measured latencies.", 1406, "count")
    needs: list[str] = field("Components that this one needs.", [])
    needed_by: list[str] = field("Components that need this one.", ["advisor scraper"])
    slots: list[SlotView] = Field(description="The 24 hours in half hours, oldest first.")


class UptimePage(Page[UptimeView]):
    """All components over the last 24 hours."""

    since: datetime = field("Start of the 24 hours.", "2026-11-02T09:30:00Z")
    now: datetime = field("End of the 24 hours.", "2026-11-03T09:30:00Z")
    probes: int = field("Number of recorded probes of all components.", 25000, "count")
    unread: str = field("Why the recorded probes could not be read; empty if they could.", "")


class ProbeView(View):
    """One probe of a component."""

    at: datetime = field("Time of the probe.", "2026-11-03T09:30:00Z")
    state: str = field("healthy, degraded, down or unknown.", "healthy")
    latency_ms: Number = field("Latency; null if not measured.", 0.4, "ms")
    reason: str = field("Reason for the state.", "SQLite")


class ComponentDayPage(Page[ProbeView]):
    """The recorded probes of a component, oldest first."""

    component: str = field("Name of the component.", "database")
    since: datetime = field("Start of the 24 hours.", "2026-11-02T09:30:00Z")
    now: datetime = field("End of the 24 hours.", "2026-11-03T09:30:00Z")
    failures: list[ProbeView] = Field(
        description="Each change to a worse state, newest first, at most 100."
    )


class HealthView(View):
    """Overall health of SpotLab."""

    status: str = field(
        "healthy, degraded, down or unknown: the worst state of any component.", "healthy"
    )
    version: str = field("SpotLab's version.", "0.1.0")
    checked_at: datetime = field("When the components were probed.", "2026-11-03T09:30:00Z")


class ComponentView(View):
    """Current state of a component."""

    name: str = field("Name of the component.", "database")
    state: str = field("healthy, degraded, down or unknown.", "healthy")
    reason: str = field("Reason for the state.", "SQLite")
    last_success_at: datetime | None = field(
        "Last successful probe; null if there was none.", "2026-11-03T09:30:00Z"
    )
    latency_ms: Number = field("Latency of the last probe.", 0.4, "ms")
    checked_at: datetime = field("When the component was probed.", "2026-11-03T09:30:00Z")
