"""An emulated AWS of its own for drills, on a clock that the drill advances."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from spotlab.domain.spot_events import SpotEventKind
from spotlab.runtime.cloud import Cloud


class DrillClock:
    """A clock that a wait moves on at once; otherwise it runs like a real one.

    What SpotLab itself takes is so part of what a drill measures, and what AWS takes is not waited
    for.

    Args:
        starts_at: aware UTC.
        real: seconds that pass while SpotLab works; never jumps.
    """

    def __init__(self, starts_at: datetime, real: Callable[[], float] = time.monotonic) -> None:
        self._starts_at = starts_at
        self._real = real
        self._real_start = real()
        self._skipped_s = 0.0
        self._lock = Lock()

    def now(self) -> datetime:
        """Aware UTC."""
        return self._starts_at + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self._real() - self._real_start + self._skipped_s

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        with self._lock:
            self._skipped_s += max(0.0, seconds)


@dataclass(frozen=True, slots=True)
class DrillWorld:
    """An emulated AWS with realistic delays.

    Args:
        cloud: its accounts.
        clock: its time.
        delays_s: how long things take, seconds by name.
        emit: sends an event about an instance: kind, AWS account id, region, instance id. An
            interruption notice also takes the instance two minutes later.
    """

    cloud: Cloud
    clock: DrillClock
    delays_s: dict[str, float]
    emit: Callable[[SpotEventKind, str, str, str], str]
