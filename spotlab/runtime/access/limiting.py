"""How often an address or a browser may fail to sign in, counted for all where there is Redis.

Runtime floor. Only failures count: fifty people behind one address may all sign in.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, Storage
from limits.strategies import SlidingWindowCounterRateLimiter
from sqlalchemy import Engine

from spotlab.errors import TooManyRequests
from spotlab.runtime.lab import Lab

log = logging.getLogger("spotlab.runtime.access")

PER_ADDRESS: Final = parse("50 per 5 minutes")
PER_BROWSER: Final = parse("10 per 60 minutes")
ALONE_FOR_S: Final = 30.0
"""How long a process counts by itself after the shared counter failed."""


@dataclass(slots=True)
class _Counters:
    own: Storage = field(default_factory=MemoryStorage)
    shared: Storage | None = None
    alone_until: float = 0.0


_counters: WeakKeyDictionary[Engine, _Counters] = WeakKeyDictionary()


class Failures:
    """Counts wrong passwords, by address, and by browser where that is known.

    Those of a name are counted with its user in SQL, where they lock it.

    Args:
        lab: gives the counter that all replicas share, if there is one.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._counters = _counters.setdefault(lab.store.engine, _Counters())

    def allow(self, limit: RateLimitItem, whose: str) -> bool:
        """Whether few have failed."""
        return self._ask(_test, limit, whose)

    def refuse(self, limit: RateLimitItem, whose: str) -> None:
        """Nothing, while few have failed.

        Raises:
            TooManyRequests: says when to try again.
        """
        if not self.allow(limit, whose):
            wait_s = limit.get_expiry()
            raise TooManyRequests(
                "Too many wrong passwords.",
                remedy=f"Try again in {wait_s // 60} minutes.",
                retry_after_s=wait_s,
            )

    def count(self, limit: RateLimitItem, whose: str) -> None:
        """One more has failed."""
        self._ask(_hit, limit, whose)

    def _ask(
        self, verb: Callable[[Storage, RateLimitItem, str], bool], item: RateLimitItem, key: str
    ) -> bool:
        kept = self._counters
        if time.monotonic() >= kept.alone_until:
            try:
                kept.shared = kept.shared or self._lab.open_counter()
                if kept.shared is not None:
                    return verb(kept.shared, item, key)
            except Exception as exc:  # whatever its client raises: nobody is kept from signing in
                log.warning("failed sign-ins are counted in this process alone: %s", exc)
                kept.alone_until = time.monotonic() + ALONE_FOR_S
        return verb(kept.own, item, key)


def _test(counter: Storage, item: RateLimitItem, key: str) -> bool:
    return SlidingWindowCounterRateLimiter(counter).test(item, key)


def _hit(counter: Storage, item: RateLimitItem, key: str) -> bool:
    return SlidingWindowCounterRateLimiter(counter).hit(item, key)
