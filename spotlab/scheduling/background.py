"""What runs beside a server's requests, or in a worker: presence, scheduler."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Final

from spotlab import __version__
from spotlab.domain.ports import ProcessInfo
from spotlab.errors import SpotlabError
from spotlab.runtime.lab import Lab
from spotlab.scheduling.scheduler import Scheduler
from spotlab.telemetry.logs import process_id

log = logging.getLogger("spotlab.scheduling")
SEEN_EVERY_S: Final = 5.0
GONE_AFTER_S: Final = 20.0
"""A process not seen for this long is shown as gone."""
FORGOTTEN_AFTER: Final = timedelta(hours=1)
APP, WORKER = "app", "worker"


class Presence:
    """Says now and then that this process is there.

    Args:
        lab: its store and clock.
        role: APP or WORKER.
    """

    def __init__(self, lab: Lab, role: str) -> None:
        now = lab.clock.now()
        self._lab = lab
        self._me = ProcessInfo(
            process_id(), role, socket.gethostname(), os.getpid(), __version__, now, now
        )
        self._stop = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._beat, name="presence", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Take leave."""
        self._stop.set()
        self._thread.join()
        try:
            self._lab.store.processes.leave(self._me.process_id)
        except SpotlabError as exc:
            log.warning("could not take leave: %s", exc)

    def _beat(self) -> None:
        while True:
            now = self._lab.clock.now()
            try:
                self._lab.store.processes.beat(
                    replace(self._me, seen_at=now), forget_before=now - FORGOTTEN_AFTER
                )
                self._failing = False
            except SpotlabError as exc:
                if not self._failing:
                    log.warning("cannot say that this process is there: %s", exc)
                self._failing = True
            if self._stop.wait(SEEN_EVERY_S):
                return


def start(lab: Lab, role: str, *, schedule: bool) -> Callable[[], None]:
    """Start presence and, where wanted, the scheduler; gives what stops them."""
    with ExitStack() as stack:
        presence = Presence(lab, role)
        presence.start()
        stack.callback(presence.stop)
        if schedule:
            scheduler = Scheduler(lab, process_id())
            scheduler.start()
            stack.callback(scheduler.stop)
        return stack.pop_all().close


def beside_the_app(lab: Lab) -> Callable[[], None]:
    """For an app server: the scheduler runs in it, unless SPOTLAB_SCHEDULER is off."""
    return start(lab, APP, schedule=lab.settings.scheduler == "on")


def as_a_worker(lab: Lab) -> Callable[[], None]:
    """For `spotlab worker`: the scheduler, whatever SPOTLAB_SCHEDULER says of app servers."""
    return start(lab, WORKER, schedule=True)
