"""Rate limits per user, shared by all replicas if there is Redis."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from limits.storage import Storage

from spotlab.errors import TooManyRequests

log = logging.getLogger("spotlab.api")

WINDOW_S: Final = 60
LOCAL_COUNT_S: Final = 30.0
"""How long a process counts on its own after the shared counter failed."""


@dataclass(frozen=True, slots=True)
class Quota:
    """A user's remaining requests in the current window.

    Args:
        kind: "reads" or "writes".
        limit: allowed requests per window.
        remaining: requests that remain in the window.
        reset_s: seconds until it ends.
    """

    kind: str
    limit: int
    remaining: int
    reset_s: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """RateLimit-Policy and RateLimit, as in the IETF draft on rate limit header fields."""
        policy = f'"{self.kind}";q={self.limit};w={WINDOW_S}'
        now = f'"{self.kind}";r={self.remaining};t={self.reset_s}'
        return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", now.encode())]


class RateLimiter:
    """Counts requests in windows of a minute.

    Args:
        open_shared: returns the counter that all replicas share; None if there is none.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        open_shared: Callable[[], Storage | None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._open_shared = open_shared
        self._clock = clock
        self._local: Counter[str] = Counter()
        self._local_window = 0
        self._lock = threading.Lock()
        self._shared: Storage | None = None
        self._local_until = 0.0

    def count(self, user: str, kind: str, limit: int) -> Quota:
        """Count one request.

        Raises:
            TooManyRequests: with the time to wait.
        """
        now = self._clock()
        window = int(now // WINDOW_S)
        reset_s = max(1, int((window + 1) * WINDOW_S - now + 0.999))
        used = self._used(f"{kind}:{user}", window, now)
        if used > limit:
            raise TooManyRequests(
                f"{user} has reached the limit of {limit} {kind} per minute.",
                remedy=f"Try again in {reset_s} s.",
                retry_after_s=reset_s,
            )
        return Quota(kind, limit, limit - used, reset_s)

    def _used(self, key: str, window: int, now: float) -> int:
        if now >= self._local_until:
            try:
                shared = self._shared or self._open_shared()
                if shared is not None:
                    self._shared = shared
                    return int(shared.incr(f"spotlab:asked:{key}:{window}", WINDOW_S))
            except Exception as exc:  # a failing counter must not block requests
                log.warning("requests are counted in this process only: %s", exc)
            self._local_until = now + LOCAL_COUNT_S
        return self._used_locally(key, window)

    def _used_locally(self, key: str, window: int) -> int:
        with self._lock:
            if window == self._local_window - 1:  # another thread has started the next window
                window = self._local_window
            if window != self._local_window:
                self._local.clear()
                self._local_window = window
            self._local[key] += 1
            return self._local[key]
