"""Ports of time and component health."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The only way to ask the time; tests pass one that stands still."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...


@dataclass(frozen=True, slots=True)
class ComponentState:
    """What is known of a component's health.

    Args:
        name: advisor scraper, price scraper, database, Redis cache, ML inference, …
        state: healthy, degraded, down or unknown.
        reason: in words.
        last_success_at: aware UTC, or None when it never succeeded.
        latency_ms: of the last probe, or None.
        checked_at: aware UTC.
    """

    name: str
    state: str
    reason: str
    last_success_at: datetime | None
    latency_ms: float | None
    checked_at: datetime


class HealthLog(Protocol):
    """Successes and failures of components, kept in SQL."""

    def note(
        self, component: str, *, ok: bool, at: datetime, latency_ms: float | None, reason: str
    ) -> None:
        """Write one outcome down."""
        ...

    def last(self, component: str, *, ok: bool | None = None) -> ComponentState | None:
        """The newest outcome (or newest success with ok=True), or None."""
        ...

    def recent(self, component: str, since: datetime) -> Iterator[tuple[datetime, bool]]:
        """Outcomes since then, oldest first."""
        ...

    def works(self, since: datetime) -> Sequence[Work]:
        """Outcomes of every component since then, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of work that a component did, or failed to do.

    Args:
        component: who.
        at: aware UTC.
        ok: whether it worked.
        latency_ms: how long it took; None where unknown.
    """

    component: str
    at: datetime
    ok: bool
    latency_ms: float | None


@dataclass(frozen=True, slots=True)
class Probe:
    """A component's state at a moment.

    Args:
        component: who.
        at: aware UTC.
        state: healthy, degraded, down or unknown.
        latency_ms: how long its answer took; None where it was not measured.
        reason: in words.
    """

    component: str
    at: datetime
    state: str
    latency_ms: float | None
    reason: str
