"""Graceful shutdown of the server on SIGTERM.

First /readyz reports "not ready", so that load balancers send no more requests. Then connections
are closed, and finally background work stops. All this takes ten seconds at most.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from types import FrameType
from typing import Any, Final

from spotlab.runtime.shutdown import SHUTDOWN

log = logging.getLogger("spotlab.api.graceful_shutdown")

DRAIN_S: Final = 1.0
"""How long requests are still accepted after /readyz reports "not ready"."""
CONNECTION_TIMEOUT_S: Final = 1.5
"""How long connections may take to close; log streams end on their own within 0.5 s."""
WORK_TIMEOUT_S: Final = 1.5
"""How long the current evaluation may take to finish."""
SHUTDOWN_TIMEOUT_S: Final = 9.5


def handle_sigterm() -> None:
    """Install the SIGTERM handler; called in the event loop when the server has started.

    It replaces uvicorn's handler, which would raise the signal again at the end: the process would
    not exit with 0.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # the server of a test
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if not hasattr(server, "should_exit"):
        return  # not uvicorn: that server handles SIGTERM itself
    loop = asyncio.get_running_loop()

    def request_shutdown(_number: int, _frame: FrameType | None) -> None:
        if not SHUTDOWN.requested:
            SHUTDOWN.request()
            loop.call_soon_threadsafe(_begin_shutdown, server)

    signal.signal(signal.SIGTERM, request_shutdown)


def _begin_shutdown(server: Any) -> None:
    log.warning("shutting down: no longer ready, will exit within %g s", SHUTDOWN_TIMEOUT_S)
    watchdog = threading.Timer(SHUTDOWN_TIMEOUT_S, os._exit, [0])
    watchdog.daemon = True
    watchdog.start()
    server.config.timeout_graceful_shutdown = CONNECTION_TIMEOUT_S
    asyncio.get_running_loop().call_later(DRAIN_S, setattr, server, "should_exit", True)


def wait_for_work() -> None:
    """Wait for the current unit of work (see `SHUTDOWN`); everything else is cancelled."""
    if SHUTDOWN.requested and not SHUTDOWN.wait(WORK_TIMEOUT_S):
        log.warning("a unit of work took longer than %g s and is aborted", WORK_TIMEOUT_S)
