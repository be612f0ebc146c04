"""Limits on failed sign-ins per address and browser, shared by all replicas if there is Redis.

Each attempt is counted before its password is checked, which takes long, so that parallel attempts
cannot exceed the limit. A successful attempt is subtracted again, so only failures count, and an
office behind one address can sign in.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, Storage
from limits.strategies import SlidingWindowCounterRateLimiter
from sqlalchemy import Engine

from spotlab.errors import TooManyRequests
from spotlab.runtime.lab import Lab

log = logging.getLogger("spotlab.access")

PER_ADDRESS: Final = parse("50 per 5 minutes")
PER_BROWSER: Final = parse("10 per 60 minutes")
LOCAL_FOR_S: Final = 30.0
"""How long a process counts on its own after the shared counter failed."""


@dataclass(slots=True)
class _Counters:
    own: Storage = field(default_factory=MemoryStorage)
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Guards `own`, which loses counts when threads start a window together."""
    shared: Storage | None = None
    local_until: float = 0.0


_counters: WeakKeyDictionary[Engine, _Counters] = WeakKeyDictionary()


class FailureCounter:
    """Counts attempts to sign in per address, and per known browser.

    Attempts per user are counted in SQL, where they lock the user.

    Args:
        lab: its counter is shared by all replicas, if there is one.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._counters = _counters.setdefault(lab.store.engine, _Counters())

    def count(self, limit: RateLimitItem, whose: str) -> bool:
        """Count an attempt before it is made; False: too many have failed or are in progress.

        A rejected attempt is not counted, and must not be made.
        """
        return self._hit(limit, whose, 1)

    def refuse(self, limit: RateLimitItem, whose: str) -> None:
        """Count an attempt before it is made.

        Raises:
            TooManyRequests: too many have failed; the remedy says when to try again.
        """
        if not self.count(limit, whose):
            wait_s = limit.get_expiry()
            raise TooManyRequests(
                "Too many wrong passwords.",
                remedy=f"Try again in {wait_s // 60} minutes.",
                retry_after_s=wait_s,
            )

    def forgive(self, limit: RateLimitItem, whose: str) -> None:
        """Subtract a counted attempt that did not fail."""
        self._hit(limit, whose, -1)

    def _hit(self, item: RateLimitItem, key: str, cost: int) -> bool:
        counters = self._counters
        if time.monotonic() >= counters.local_until:
            try:
                counters.shared = counters.shared or self._lab.open_counter()
                if counters.shared is not None:
                    limiter = SlidingWindowCounterRateLimiter(counters.shared)
                    return limiter.hit(item, key, cost=cost)
            except Exception as exc:  # any error of its client: sign-in must remain possible
                log.warning("attempts to sign in are counted in this process only: %s", exc)
                counters.local_until = time.monotonic() + LOCAL_FOR_S
        with counters.lock:
            return SlidingWindowCounterRateLimiter(counters.own).hit(item, key, cost=cost)
