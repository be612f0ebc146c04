"""`spotlab worker`: the scheduled jobs in a process of its own."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
from types import FrameType
from typing import Final

from spotlab.cli.command import Command, no_arguments
from spotlab.cli.decision_output import Answer
from spotlab.settings import Settings
from spotlab.telemetry import logs

STOPPED_WITHIN_S: Final = 9.5
"""After SIGTERM; whatever still hangs then is left behind: the lease ends by itself."""
log = logging.getLogger("spotlab.cli.worker")


def _worker(_args: argparse.Namespace, settings: Settings) -> Answer:
    from spotlab.monitoring.health.database_watch import watch
    from spotlab.runtime.app_process import Beside
    from spotlab.runtime.home import usable_home
    from spotlab.runtime.shutdown import LEAVING
    from spotlab.scheduling.background import as_a_worker

    os.environ["SPOTLAB_HOME"] = str(usable_home(settings))
    # It has nothing else to show.
    told = settings.log_level if "log_level" in settings.model_fields_set else "INFO"
    logs.configure(told, role="worker")
    logs.adopt()
    asked = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        LEAVING.ask()
        asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    beside = Beside([watch, as_a_worker])
    beside.start()
    log.info("the worker started")
    asked.wait()
    log.info("the worker was asked to end")
    last = threading.Timer(STOPPED_WITHIN_S, os._exit, [0])
    last.daemon = True
    last.start()
    beside.stop()
    log.info("the worker ended")
    return Answer(None, "")


WORKER = Command("worker", "Run the scheduled jobs until stopped.", no_arguments, _worker)
