"""Starts the emulated AWS while the app is still being imported; each takes about as long."""

from __future__ import annotations

import os
from contextlib import suppress

from spotlab.errors import SpotlabError
from spotlab.settings import Settings


def prestart(settings: Settings) -> None:
    """Start the emulated AWS unless it is running, in another process, without waiting for it.

    A failure is not reported: the app tries again, and reports its own.

    Args:
        settings: if they name an AWS account, nothing is started.
    """
    if settings.aws != "emulated":
        return
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        # Twice, so that the process is not a child that nobody waits for.
        if os.fork() == 0:
            from spotlab.demo.connect import begin

            with suppress(SpotlabError, OSError):
                begin(settings.home.absolute(), settings.demo_seed)
    finally:
        os._exit(0)
