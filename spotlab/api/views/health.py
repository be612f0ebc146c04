"""Each part's day."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from spotlab.api.paging import Page
from spotlab.api.views.base import Number, View, field


class SlotView(View):
    """Half an hour of a part."""

    state: str = field("The worst there was; unknown where nothing is known.", "healthy")
    latency_ms: Number = field("The median; null: none was measured.", 0.4, "ms")


class UptimeView(View):
    """A part now, and in the last 24 hours."""

    key: str = field("Names it in an address.", "database")
    name: str = field("Which part.", "database")
    state: str = field("healthy, degraded, down or unknown.", "healthy")
    reason: str = field("In words.", "SQLite")
    checked_at: datetime = field("When it was looked at.", "2026-11-03T09:30:00Z")
    last_success_at: datetime | None = field("Null: never.", "2026-11-03T09:30:00Z")
    uptime: Number = field("Share of the known time that it worked; null: unknown.", 0.998, "share")
    unknown: float = field("Share of the day that nothing is known of.", 0.01, "share")
    seconds: dict[str, float] = field(
        "How long it was in each state.",
        {"healthy": 85000.0, "degraded": 0.0, "down": 170.0, "unknown": 1230.0},
        "s",
    )
    tried: int = field("How often it worked or failed.", 1420, "count")
    success_rate: Number = field("Share that worked; null: never tried.", 0.99, "share")
    failure_rate: Number = field("Share that failed; null: never tried.", 0.01, "share")
    counted: str = field(
        "work (of the app servers: requests), or probes where it writes no work down.", "probes"
    )
    p50_ms: Number = field("Half were as fast; null: none was measured.", 0.4, "ms")
    p95_ms: Number = field("95 % were as fast.", 0.9, "ms")
    p99_ms: Number = field("99 % were as fast.", 2.1, "ms")
    measured: int = field("How many latencies that is of.", 1406, "count")
    needs: list[str] = field("Parts that it needs.", [])
    needed_by: list[str] = field("Parts that need it.", ["advisor scraper"])
    slots: list[SlotView] = Field(description="The day by half hours, oldest first.")


class UptimePage(Page[UptimeView]):
    """Every part."""

    since: datetime = field("The day begins.", "2026-11-02T09:30:00Z")
    now: datetime = field("It ends.", "2026-11-03T09:30:00Z")
    probes: int = field("Recorded in it, of all parts.", 25000, "count")
    unread: str = field("Why nothing recorded could be read; empty: it could.", "")


class ProbeView(View):
    """A part at a moment."""

    at: datetime = field("When.", "2026-11-03T09:30:00Z")
    state: str = field("healthy, degraded, down or unknown.", "healthy")
    latency_ms: Number = field("How long it took to answer; null: not measured.", 0.4, "ms")
    reason: str = field("In words.", "SQLite")


class ComponentDayPage(Page[ProbeView]):
    """A part's recorded probes, oldest first."""

    component: str = field("Which part.", "database")
    since: datetime = field("The day begins.", "2026-11-02T09:30:00Z")
    now: datetime = field("It ends.", "2026-11-03T09:30:00Z")
    failures: list[ProbeView] = Field(
        description="Each time it went from bad to worse, newest first, at most 100."
    )


class HealthView(View):
    """Whether SpotLab works, in a word."""

    status: str = field("healthy, degraded, down or unknown: the worst of its parts.", "healthy")
    version: str = field("SpotLab's version.", "0.1.0")
    checked_at: datetime = field("When its parts were looked at.", "2026-11-03T09:30:00Z")


class ComponentView(View):
    """What is known of a part."""

    name: str = field("Which part.", "database")
    state: str = field("healthy, degraded, down or unknown.", "healthy")
    reason: str = field("In words.", "SQLite")
    last_success_at: datetime | None = field("Null: never.", "2026-11-03T09:30:00Z")
    latency_ms: Number = field("Of the last probe.", 0.4, "ms")
    checked_at: datetime = field("When it was looked at.", "2026-11-03T09:30:00Z")
