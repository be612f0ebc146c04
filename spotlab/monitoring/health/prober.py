"""Prober: probes all components in parallel and records the results.

Probes that cannot be recorded because the database is down wait in memory until it is back. Its
outage then shows as down, not as unknown.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from spotlab.domain.components import DATABASE, DOWN, UNKNOWN
from spotlab.domain.ports import ComponentState, Probe, Topic
from spotlab.domain.uptime import PROBE_EVERY
from spotlab.errors import Fenced, SpotlabError
from spotlab.monitoring.health.concurrent_probes import ConcurrentCalls
from spotlab.monitoring.health.probes import ANSWERS_ITSELF, LOADS_FIRST, PROBES, last_success

if TYPE_CHECKING:
    from spotlab.runtime.lab import Lab

log = logging.getLogger("spotlab.monitoring.health")

LIMIT_S: Final = 5.0
"""A probe that takes longer counts as unanswered."""
LOADS_WITHIN_S: Final = 120.0
"""Time limit of the first probe of a component that must be loaded."""
MAX_UNRECORDED: Final = 24 * 60 * 60 // int(PROBE_EVERY.total_seconds()) * len(PROBES)
"""The probes of a day; the oldest are dropped first."""


def prober_of(lab: Lab) -> Prober:
    """The prober of this process, with the probes that are not recorded yet."""
    return lab.process_state(Prober)


def probe_all(lab: Lab) -> list[ComponentState]:
    """Probe every component now, in parallel, for at most LIMIT_S."""
    return prober_of(lab).probe(lab)


class Prober:
    """Probes the components of one lab.

    Args:
        limit_s: time limit of a probe, in seconds.
    """

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._calls: ConcurrentCalls[ComponentState] = ConcurrentCalls(limit_s)
        self._unrecorded: deque[Probe] = deque(maxlen=MAX_UNRECORDED)
        self._answered: set[str] = set()
        self._loads_since: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def unrecorded(self) -> int:
        """The number of probes that wait for the database."""
        return len(self._unrecorded)

    def probe(self, lab: Lab) -> list[ComponentState]:
        """Every component's state now."""
        answers = self._calls.ask({name: partial(ask, lab) for name, ask in PROBES.items()})
        states = [self._state(lab, name, answer) for name, answer in answers.items()]
        if next(state for state in states if state.name == DATABASE).state == DOWN:
            return states
        return [
            replace(state, last_success_at=last_success(lab, state.name))
            if state.state == DOWN and state.last_success_at is None
            else state
            for state in states
        ]

    def round(self, lab: Lab) -> list[ComponentState]:
        """Probe and record the results; if the database is down, record them later.

        Raises:
            Fenced: another process is the leader now, and records.
        """
        states = self.probe(lab)
        probes = [
            Probe(s.name, s.checked_at, s.state, _finite(s.latency_ms), s.reason) for s in states
        ]
        try:
            self.catch_up(lab)
            lab.store.probes.record(probes)
        except Fenced:
            raise
        except SpotlabError as exc:
            with self._lock:
                self._unrecorded.extend(probes)
            log.warning("%d probes are not recorded yet: %s", len(self._unrecorded), exc)
            return states
        lab.bus.publish(Topic.HEALTH)
        return states

    def catch_up(self, lab: Lab) -> int:
        """Record the waiting probes unless another process did; returns how many.

        Raises:
            DatabaseDown: the database is still down.
        """
        with self._lock:
            if not self._unrecorded:
                return 0
            recorded = lab.store.probes.record_missing(list(self._unrecorded), PROBE_EVERY)
            self._unrecorded.clear()
            return recorded

    def _state(
        self, lab: Lab, name: str, answer: ComponentState | Exception | None
    ) -> ComponentState:
        if isinstance(answer, ComponentState):
            self._answered.add(name)
            return answer
        now, itself = lab.clock.now(), name in ANSWERS_ITSELF
        if answer is None and self._is_loading(name):
            state, reason = UNKNOWN, "Not probed yet: it is being loaded for the first time."
        elif answer is None:
            state = DOWN if itself else UNKNOWN
            reason = f"No response within {self._calls.limit_s:g} s."
        elif isinstance(answer, SpotlabError):
            state, reason = UNKNOWN, str(answer)
        else:
            log.error("probe of %s failed", name, exc_info=answer)
            state, reason = UNKNOWN, f"The probe failed because of an error in SpotLab: {answer!r}"
        return ComponentState(name, state, reason, None, None, now)

    def _is_loading(self, name: str) -> bool:
        if name not in LOADS_FIRST - self._answered:
            return False
        return monotonic() - self._loads_since.setdefault(name, monotonic()) < LOADS_WITHIN_S


def _finite(latency_ms: float | None) -> float | None:
    return None if latency_ms is None or math.isnan(latency_ms) else latency_ms


def record_round(lab: Lab) -> dict[str, int]:
    """One round of probes, for the scheduled job; returns the number of components by state."""
    counts: dict[str, int] = {}
    for state in prober_of(lab).round(lab):
        counts[state.state] = counts.get(state.state, 0) + 1
    return counts
