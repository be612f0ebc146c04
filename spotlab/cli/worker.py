"""`spotlab worker`: runs the scheduled jobs in a separate process."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
from types import FrameType
from typing import Final

from spotlab.cli.command import Command, Result, no_arguments
from spotlab.settings import Settings

STOP_TIMEOUT_S: Final = 9.5
"""Time to stop after SIGTERM; then the process exits anyway, and the lease expires on its own."""
log = logging.getLogger("spotlab.cli.worker")


def _worker(_args: argparse.Namespace, settings: Settings) -> Result:
    from spotlab.monitoring.health.database_watch import watch
    from spotlab.runtime.app_process import BackgroundServices
    from spotlab.runtime.home import usable_home
    from spotlab.runtime.shutdown import SHUTDOWN
    from spotlab.scheduling.background import start_in_worker
    from spotlab.telemetry import logs

    os.environ["SPOTLAB_HOME"] = str(usable_home(settings))
    # The log is the only output, so INFO is the default.
    level = settings.log_level if "log_level" in settings.model_fields_set else "INFO"
    logs.configure(level, role="worker")
    logs.adopt()
    stop_requested = threading.Event()

    def request_stop(_number: int, _frame: FrameType | None) -> None:
        SHUTDOWN.request()
        stop_requested.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, request_stop)
    background = BackgroundServices([watch, start_in_worker])
    background.start()
    log.info("the worker started")
    stop_requested.wait()
    log.info("the worker is stopping")
    watchdog = threading.Timer(STOP_TIMEOUT_S, os._exit, [0])
    watchdog.daemon = True
    watchdog.start()
    background.stop()
    log.info("the worker stopped")
    return Result(None, "")


WORKER = Command("worker", "Run the scheduled jobs until stopped.", no_arguments, _worker)
