"""Whether this process is about to end, and who is still at work in it.

Whoever is at work looks at `LEAVING` between two units of it (a decision, a source, an account):
the process waits for the unit at hand, and the rest is cancelled as if somebody had pressed Cancel.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final


class Leaving:
    """One process's end; once it is asked for, there is no way back."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._at_work = 0
        self._changed = threading.Condition()

    @property
    def asked(self) -> bool:
        """Whether this process is about to end."""
        return self._asked.is_set()

    def ask(self) -> None:
        """It is; safe in a signal handler."""
        self._asked.set()

    @contextmanager
    def at_work(self, cancelled: Callable[[], bool] | None) -> Iterator[Callable[[], bool]]:
        """Work that is not to be cut off; gives what says whether to stop at a safe point."""
        with self._changed:
            self._at_work += 1
        try:
            yield lambda: self.asked or (cancelled is not None and cancelled())
        finally:
            with self._changed:
                self._at_work -= 1
                self._changed.notify_all()

    def wait(self, within_s: float) -> bool:
        """Wait until nobody is at work; False when somebody still is."""
        ends = time.monotonic() + within_s
        with self._changed:
            while self._at_work:
                if not self._changed.wait(max(0.0, ends - time.monotonic())):
                    return False
        return True


CAUSE: Final = "The process is leaving."
"""Why a run was cancelled."""
LEAVING: Final = Leaving()
