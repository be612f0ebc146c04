"""Request statistics of this process, saved in SQL.

Each process saves its own counts, so every replica can show the totals of all.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from spotlab.domain.request_stats import SLOT, RequestCounts, latency_class_of
from spotlab.errors import SpotlabError
from spotlab.telemetry.logs import process_id

if TYPE_CHECKING:
    from spotlab.runtime.lab import Lab

MAX_SLOTS: Final = timedelta(hours=24) // SLOT
"""A day of counts stays in memory: the database may be down, and after the clock was set back, an
older slot continues."""
_BEGAN: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Slot:
    failed: int = 0
    took: Counter[int] = field(default_factory=Counter)


class RequestCounter:
    """Counts responses by time slot; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots: dict[datetime, _Slot] = {}
        self._changed: set[datetime] = set()

    def count(self, *, ok: bool, took_s: float, at: datetime | None = None) -> None:
        """Count one response; `at`: None means now."""
        now = at or datetime.now(UTC)
        begins = now - (now - _BEGAN) % SLOT
        with self._lock:
            slot = self._slots.setdefault(begins, _Slot())
            self._changed.add(begins)
            if ok:
                slot.took[latency_class_of(took_s * 1e3)] += 1
            else:
                slot.failed += 1
            if len(self._slots) > MAX_SLOTS:
                oldest = min(self._slots)
                del self._slots[oldest]
                self._changed.discard(oldest)

    def save(self, lab: Lab) -> None:
        """Save the changes since the last call. Raises DatabaseDown: the next call saves them."""
        with self._lock:
            changed, self._changed = self._changed, set()
            rows = [
                RequestCounts(process_id(), at, self._slots[at].failed, dict(self._slots[at].took))
                for at in changed
            ]
        try:
            lab.store.request_stats.record(rows)
        except SpotlabError:
            with self._lock:
                self._changed |= changed & self._slots.keys()
            raise


COUNTING: Final = RequestCounter()
