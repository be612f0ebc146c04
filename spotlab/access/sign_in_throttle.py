"""How often an address or a browser may fail to sign in, counted for all where there is Redis.

Each attempt is counted before its password is checked, which takes long, so that
many at once are no more than the limit; one that was right is forgiven. So only failures count in
the end: an office behind one address may sign in.
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
ALONE_FOR_S: Final = 30.0
"""How long a process counts by itself after the shared counter failed."""


@dataclass(slots=True)
class _Counters:
    own: Storage = field(default_factory=MemoryStorage)
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held around `own`, which loses counts of threads that begin a window together."""
    shared: Storage | None = None
    alone_until: float = 0.0


_counters: WeakKeyDictionary[Engine, _Counters] = WeakKeyDictionary()


class Failures:
    """Counts attempts to sign in, by address, and by browser where that is known.

    Those of a name are counted with its user in SQL, where they lock it.

    Args:
        lab: gives the counter that all replicas share, if there is one.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._counters = _counters.setdefault(lab.store.engine, _Counters())

    def count(self, limit: RateLimitItem, whose: str) -> bool:
        """Count an attempt that is about to be made; False: too many have failed, or are made now:
        it is not to be made, and is not counted."""
        return self._hit(limit, whose, 1)

    def refuse(self, limit: RateLimitItem, whose: str) -> None:
        """Count an attempt that is about to be made.

        Raises:
            TooManyRequests: too many have failed; says when to try again.
        """
        if not self.count(limit, whose):
            wait_s = limit.get_expiry()
            raise TooManyRequests(
                "Too many wrong passwords.",
                remedy=f"Try again in {wait_s // 60} minutes.",
                retry_after_s=wait_s,
            )

    def forgive(self, limit: RateLimitItem, whose: str) -> None:
        """An attempt that was counted has not failed."""
        self._hit(limit, whose, -1)

    def _hit(self, item: RateLimitItem, key: str, cost: int) -> bool:
        kept = self._counters
        if time.monotonic() >= kept.alone_until:
            try:
                kept.shared = kept.shared or self._lab.open_counter()
                if kept.shared is not None:
                    return SlidingWindowCounterRateLimiter(kept.shared).hit(item, key, cost=cost)
            except Exception as exc:  # whatever its client raises: nobody is kept from signing in
                log.warning("attempts to sign in are counted in this process alone: %s", exc)
                kept.alone_until = time.monotonic() + ALONE_FOR_S
        with kept.lock:
            return SlidingWindowCounterRateLimiter(kept.own).hit(item, key, cost=cost)
