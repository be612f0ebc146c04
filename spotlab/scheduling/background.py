"""Background threads of an app server or worker: process heartbeat and scheduler."""

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
from spotlab.processes.memory import start_releasing
from spotlab.runtime.lab import Lab
from spotlab.scheduling.job_process import JobProcess
from spotlab.scheduling.scheduler import Scheduler
from spotlab.telemetry.logs import process_id

log = logging.getLogger("spotlab.scheduling")
BEAT_EVERY_S: Final = 5.0
LOST_AFTER_S: Final = 20.0
"""A process without a heartbeat for this long is shown as lost."""
DELETED_AFTER: Final = timedelta(hours=1)
APP, WORKER = "app", "worker"


class ProcessHeartbeat:
    """Records a heartbeat of this process in SQL every BEAT_EVERY_S.

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
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and delete this process's record."""
        self._stop.set()
        self._thread.join()
        try:
            self._lab.store.processes.remove(self._me.process_id)
        except SpotlabError as exc:
            log.warning("the record of this process could not be deleted: %s", exc)

    def _beat(self) -> None:
        while True:
            now = self._lab.clock.now()
            try:
                self._lab.store.processes.record_heartbeat(
                    replace(self._me, seen_at=now), forget_before=now - DELETED_AFTER
                )
                self._failing = False
            except SpotlabError as exc:
                if not self._failing:
                    log.warning("the heartbeat of this process could not be recorded: %s", exc)
                self._failing = True
            if self._stop.wait(BEAT_EVERY_S):
                return


def start(lab: Lab, role: str, *, schedule: bool) -> Callable[[], None]:
    """Start the heartbeat, the release of memory and, if `schedule`, the scheduler.

    Heavy jobs run in a process of their own.

    Returns:
        A function that stops them.
    """
    with ExitStack() as stack:
        heartbeat = ProcessHeartbeat(lab, role)
        heartbeat.start()
        stack.callback(heartbeat.stop)
        stack.callback(start_releasing(lab.drop_expired))
        process = lab.process_state(JobProcess)
        process.enable(lab.settings)
        stack.callback(process.close)
        if schedule:
            scheduler = Scheduler(lab, process_id())
            scheduler.start()
            stack.callback(scheduler.stop)
        return stack.pop_all().close


def start_in_app_server(lab: Lab) -> Callable[[], None]:
    """Start an app server's threads; the scheduler only if SPOTLAB_SCHEDULER is on."""
    return start(lab, APP, schedule=lab.settings.scheduler == "on")


def start_in_worker(lab: Lab) -> Callable[[], None]:
    """Start the threads of `spotlab worker`; the scheduler runs whatever SPOTLAB_SCHEDULER is."""
    return start(lab, WORKER, schedule=True)
