"""The one lab of this process, and what runs beside the requests.

Screens, API and background threads share it; a command line makes its own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Final

from spotlab.errors import SpotlabError
from spotlab.runtime.bootstrap import Once, bootstrap
from spotlab.runtime.lab import Lab

log = logging.getLogger("spotlab.runtime.app_process")

Background = Callable[[Lab], Callable[[], None]]
"""Starts something that runs beside the requests, and gives what stops it."""

RETRY_S: Final = 2.0
_lab: Once[Lab] = Once(bootstrap)


def lab() -> Lab:
    """The lab, opened by whoever asks first; what fails is tried again by the next who asks.

    Raises:
        InvalidSetting, DatabaseDown: it cannot be opened now.
    """
    return _lab()


class Beside:
    """Starts what runs beside the requests as soon as the lab can be opened; stops it at the end.

    A database that is down at start keeps nothing from starting later.

    Args:
        backgrounds: in the order they start; they stop in the other order.
    """

    def __init__(self, backgrounds: Sequence[Background]) -> None:
        self._backgrounds = backgrounds
        self._stop = threading.Event()
        self._started = ExitStack()
        self._thread = threading.Thread(target=self._start, name="beside", daemon=True)

    def start(self) -> None:
        """Begin, without waiting."""
        self._thread.start()

    def stop(self) -> None:
        """Stop what was started, then close the lab."""
        self._stop.set()
        self._thread.join()
        self._started.close()
        for opened in _lab.made():
            opened.close()

    def _start(self) -> None:
        told = ""
        while not self._stop.is_set():
            try:
                opened = lab()
            except SpotlabError as exc:
                if str(exc) != told:
                    told = str(exc)
                    log.error("cannot start yet, trying again every %g s: %s", RETRY_S, told)
                self._stop.wait(RETRY_S)
                continue
            for background in self._backgrounds:
                self._started.callback(background(opened))
            return
