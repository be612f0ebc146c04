"""How the server ends when it is told to.

First it says that it is not ready, so that load balancers send nobody any more; then it closes its
connections; then what runs beside the requests stops. It takes ten seconds at most.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from types import FrameType
from typing import Any, Final

from spotlab.runtime.shutdown import LEAVING

log = logging.getLogger("spotlab.api.graceful_shutdown")

DRAIN_S: Final = 1.0
"""How long requests are still taken after readiness went away."""
CONNECTION_TIMEOUT_S: Final = 1.5
"""How long connections may take to close; streams of log lines end by themselves, within 0.5 s."""
WORK_TIMEOUT_S: Final = 1.5
"""How long a decision that is being made may take."""
SHUTDOWN_TIMEOUT_S: Final = 9.5


def handle_sigterm() -> None:
    """Answer SIGTERM as described above; called in the event loop, once it serves.

    uvicorn's own handler is replaced: it would raise the signal again at the end, and the process
    would not exit with 0.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # a test's server
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if not hasattr(server, "should_exit"):
        return  # not served by uvicorn: whoever serves ends it
    loop = asyncio.get_running_loop()

    def asked(_number: int, _frame: FrameType | None) -> None:
        if not LEAVING.asked:
            LEAVING.ask()
            loop.call_soon_threadsafe(_begin_shutdown, server)

    signal.signal(signal.SIGTERM, asked)


def _begin_shutdown(server: Any) -> None:
    log.warning("asked to end: not ready from now on, gone within %g s", SHUTDOWN_TIMEOUT_S)
    last = threading.Timer(SHUTDOWN_TIMEOUT_S, os._exit, [0])
    last.daemon = True
    last.start()
    server.config.timeout_graceful_shutdown = CONNECTION_TIMEOUT_S
    asyncio.get_running_loop().call_later(DRAIN_S, setattr, server, "should_exit", True)


def wait_for_work() -> None:
    """Wait for the unit at hand (see `LEAVING`); the rest is cancelled."""
    if LEAVING.asked and not LEAVING.wait(WORK_TIMEOUT_S):
        log.warning("a unit of work took longer than %g s and is cut off", WORK_TIMEOUT_S)
