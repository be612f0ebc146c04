"""Ports of the clock and of component health."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The only source of the present time; tests use a fixed clock."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...


@dataclass(frozen=True, slots=True)
class ComponentState:
    """The health of a component.

    Args:
        name: advisor scraper, price scraper, database, Redis cache, ML inference, …
        state: healthy, degraded, down or unknown.
        reason: for the state, a sentence.
        last_success_at: aware UTC; None: no success yet.
        latency_ms: of the last probe; None: not measured.
        checked_at: aware UTC.
    """

    name: str
    state: str
    reason: str
    last_success_at: datetime | None
    latency_ms: float | None
    checked_at: datetime


class HealthLog(Protocol):
    """Successes and failures of components, in SQL."""

    def note(
        self, component: str, *, ok: bool, at: datetime, latency_ms: float | None, reason: str
    ) -> None:
        """Record one outcome."""
        ...

    def last(self, component: str, *, ok: bool | None = None) -> ComponentState | None:
        """The newest outcome (with ok=True: the newest success); None: there is none."""
        ...

    def recent(self, component: str, since: datetime) -> Iterator[tuple[datetime, bool]]:
        """Outcomes since then, oldest first."""
        ...

    def outcomes(self, since: datetime) -> Sequence[Work]:
        """Outcomes of all components since then, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt of a component to do its work.

    Args:
        component: name of the component.
        at: aware UTC.
        ok: whether it succeeded.
        latency_ms: its duration; None if unknown.
    """

    component: str
    at: datetime
    ok: bool
    latency_ms: float | None


@dataclass(frozen=True, slots=True)
class Probe:
    """A component's state at one time.

    Args:
        component: name of the component.
        at: aware UTC.
        state: healthy, degraded, down or unknown.
        latency_ms: time until its response; None if it was not measured.
        reason: for the state, a sentence.
    """

    component: str
    at: datetime
    state: str
    latency_ms: float | None
    reason: str
