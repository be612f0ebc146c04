"""What happens later in the emulated AWS, on its monotonic clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from threading import RLock


class Timeline:
    """Actions that are due at a time of the monotonic clock.

    They run when a request arrives, in the order of their times: a test's clock advances between
    requests, and nothing needs a thread.

    Args:
        elapsed_s: a monotonic clock, seconds.
    """

    def __init__(self, elapsed_s: Callable[[], float]) -> None:
        self._elapsed_s = elapsed_s
        self._lock = RLock()
        self._numbers = count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Run an action once `delay_s` seconds have passed.

        Args:
            delay_s: seconds from now.
            action: called without arguments, at the first request after that.
        """
        with self._lock:
            heapq.heappush(self._due, (self._elapsed_s() + delay_s, next(self._numbers), action))

    def run_due(self) -> None:
        """Run the actions whose time has come."""
        while True:
            with self._lock:
                if not self._due or self._due[0][0] > self._elapsed_s():
                    return
                _, _, action = heapq.heappop(self._due)
            action()
