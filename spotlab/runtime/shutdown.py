"""Graceful shutdown: whether this process is shutting down, and whether work is still running.

Work checks `SHUTDOWN` between two units (a decision, a source, an account). The process waits for
the current unit, and the rest is cancelled as if a user had pressed Cancel.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final


class Shutdown:
    """The shutdown of one process; it cannot be revoked."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._at_work = 0
        self._changed = threading.Condition()

    @property
    def requested(self) -> bool:
        """Whether this process is shutting down."""
        return self._asked.is_set()

    def request(self) -> None:
        """Start the shutdown; safe in a signal handler."""
        self._asked.set()

    @contextmanager
    def uninterrupted(self, cancelled: Callable[[], bool] | None) -> Iterator[Callable[[], bool]]:
        """Run work that must not be interrupted; yields a function that returns whether to stop."""
        with self._changed:
            self._at_work += 1
        try:
            yield lambda: self.requested or (cancelled is not None and cancelled())
        finally:
            with self._changed:
                self._at_work -= 1
                self._changed.notify_all()

    def wait(self, within_s: float) -> bool:
        """Wait until no work is running; returns False if it still is."""
        deadline = time.monotonic() + within_s
        with self._changed:
            while self._at_work:
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    return False
        return True


CAUSE: Final = "The process is shutting down."
"""Cause of a cancelled run."""
SHUTDOWN: Final = Shutdown()
