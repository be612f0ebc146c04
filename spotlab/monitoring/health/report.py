"""Health report of the components, for the Health page, the API and the command line."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from spotlab.domain.components import COMPONENTS, DOWN, HEALTHY, UNKNOWN
from spotlab.domain.ports import ComponentState, Probe
from spotlab.domain.uptime import MAX_HOLD, WINDOW, Spell, Uptime, spells, uptime
from spotlab.errors import SpotlabError
from spotlab.monitoring.health.prober import probe_all
from spotlab.monitoring.health.success_rates import WorkSummary, read_work, summarise

if TYPE_CHECKING:
    from spotlab.runtime.lab import Lab

SLOTS: Final = 48
"""Number of points of a sparkline: one per half hour."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One point of a sparkline.

    Args:
        state: the worst known state; unknown if no state is known.
        latency_ms: the median; None: none was measured.
    """

    state: str
    latency_ms: float | None


@dataclass(frozen=True, slots=True)
class ComponentHealth:
    """The health of one component.

    Args:
        state: the present state, just probed.
        uptime: over the window, from recorded probes.
        spells: periods of constant state in the window.
        done: success rate and latencies in the window.
        last_success_at: None: no success is known.
        slots: the sparkline, oldest first.
    """

    state: ComponentState
    uptime: Uptime
    spells: tuple[Spell, ...]
    done: WorkSummary
    last_success_at: datetime | None
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """The health of all components.

    Args:
        since, now: the window.
        parts: in the order in which they are shown.
        probes: number of recorded probes in the window.
        unread: why the recorded data could not be read; "": it could.
    """

    since: datetime
    now: datetime
    components: tuple[ComponentHealth, ...]
    probes: int
    unread: str

    def component(self, name: str) -> ComponentHealth:
        """The component of a name."""
        return next(each for each in self.components if each.state.name == name)


@dataclass(frozen=True, slots=True)
class ComponentDay:
    """One component's last 24 hours in detail.

    Args:
        since, now: the window.
        probes: recorded probes with their reasons, oldest first.
        failures: the probes at which its state changed to one that is not healthy, newest first.
    """

    since: datetime
    now: datetime
    probes: tuple[Probe, ...]
    failures: tuple[Probe, ...]


def read(lab: Lab) -> Health:
    """Every component now and over its last 24 hours, with one query for all probes."""
    states = {state.name: state for state in probe_all(lab)}
    now = lab.clock.now()
    since, unread = now - WINDOW, ""
    try:
        recorded = lab.store.probes.since(since - MAX_HOLD)
        within = (p for p in recorded if p.at >= since)
        done = summarise(read_work(lab, since), within, lab.store.request_stats.since(since))
    except SpotlabError as exc:
        recorded, done, unread = [], summarise([], []), exc.message
    by_part: dict[str, list[Probe]] = {name: [] for name in COMPONENTS}
    for probe in recorded:
        by_part.setdefault(probe.component, []).append(probe)
    parts = [_part(states[name], by_part[name], done, since, now) for name in COMPONENTS]
    return Health(since, now, tuple(parts), len(recorded), unread)


def _part(
    state: ComponentState,
    probes: Sequence[Probe],
    done: Mapping[str, WorkSummary],
    since: datetime,
    now: datetime,
) -> ComponentHealth:
    found = spells([(probe.at, probe.state) for probe in probes], since, now)
    work = done[state.name]
    known = [at for at in (state.last_success_at, work.last_ok_at) if at is not None]
    return ComponentHealth(
        state=state,
        uptime=uptime(found),
        spells=tuple(found),
        done=work,
        last_success_at=max(known, default=None),
        slots=tuple(_slots(found, probes, since, now)),
    )


def _slots(
    found: Sequence[Spell], probes: Sequence[Probe], since: datetime, now: datetime
) -> list[Slot]:
    step, times = (now - since) / SLOTS, [probe.at for probe in probes]
    return [_slot(found, probes, times, since + step * number, step) for number in range(SLOTS)]


def _slot(
    found: Sequence[Spell],
    probes: Sequence[Probe],
    times: Sequence[datetime],
    begins: datetime,
    step: timedelta,
) -> Slot:
    ends = begins + step
    states = {spell.state for spell in found if spell.since < ends and spell.until > begins}
    first, last = bisect.bisect_left(times, begins), bisect.bisect_left(times, ends)
    latencies = sorted(p.latency_ms for p in probes[first:last] if p.latency_ms is not None)
    worst = min(states - {UNKNOWN}, key=_SEVERITY.index, default=UNKNOWN)
    return Slot(worst, latencies[len(latencies) // 2] if latencies else None)


_SEVERITY: Final = (DOWN, "degraded", HEALTHY)


def read_day(lab: Lab, part: str) -> ComponentDay:
    """One component's last 24 hours, in detail. Raises DatabaseDown."""
    now = lab.clock.now()
    probes = lab.store.probes.since(now - WINDOW, part)
    failures, before = [], HEALTHY
    for probe in probes:
        if probe.state != before and probe.state != HEALTHY:
            failures.append(probe)
        before = probe.state
    return ComponentDay(now - WINDOW, now, tuple(probes), tuple(reversed(failures)))
