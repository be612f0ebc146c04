"""The lab that screens, API and background services of the app process share.

A command line opens its own lab.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Final

import pyarrow as pa

from spotlab.errors import SpotlabError
from spotlab.processes.memory import limit_arenas
from spotlab.runtime.bootstrap import Once, bootstrap
from spotlab.runtime.lab import Lab

log = logging.getLogger("spotlab.runtime.app_process")

Background = Callable[[Lab], Callable[[], None]]
"""Starts a background service; returns a function that stops it."""

RETRY_S: Final = 2.0
_lab: Once[Lab] = Once(bootstrap)


def lab() -> Lab:
    """The lab, opened by the first call; after a failure, the next call tries again.

    Raises:
        InvalidSetting, DatabaseDown: the lab cannot be opened now.
    """
    return _lab()


class BackgroundServices:
    """Starts the background services as soon as the lab can be opened, and stops them at exit.

    If the database is down at first, they start when it is back.

    Args:
        backgrounds: in the order in which they start; they stop in reverse order.
    """

    def __init__(self, backgrounds: Sequence[Background]) -> None:
        self._backgrounds = backgrounds
        self._stop = threading.Event()
        self._started = ExitStack()
        self._thread = threading.Thread(target=self._start, name="background-services", daemon=True)

    def start(self) -> None:
        """Start in a thread, without waiting for the lab."""
        limit_arenas()
        pa.set_memory_pool(pa.system_memory_pool())  # its own pool would keep what is freed
        self._thread.start()

    def stop(self) -> None:
        """Stop the background services, then close the lab."""
        self._stop.set()
        self._thread.join()
        self._started.close()
        for opened in _lab.made():
            opened.close()

    def _start(self) -> None:
        logged = ""
        while not self._stop.is_set():
            try:
                opened = lab()
            except SpotlabError as exc:
                if str(exc) != logged:
                    logged = str(exc)
                    log.error("cannot start yet, trying again every %g s: %s", RETRY_S, logged)
                self._stop.wait(RETRY_S)
                continue
            for background in self._backgrounds:
                self._started.callback(background(opened))
            return
