"""What a process tells of itself: log lines to all, traces where asked. Runtime floor."""

from __future__ import annotations

from collections.abc import Callable

from spotlab.errors import SpotlabError
from spotlab.runtime.lab import Lab
from spotlab.runtime.tracing import start_tracing
from spotlab.settings import load
from spotlab.telemetry import logs
from spotlab.telemetry.shipping import Shipper


def configure_logs(role: str) -> None:
    """For a process that is SpotLab's alone, before anything else: every line is JSON on stderr."""
    try:
        level = load().log_level
    except SpotlabError:
        level = "WARNING"  # whoever opens the lab says which setting is wrong
    logs.configure(level, role=role)
    logs.adopt()


def observe(lab: Lab, *, alone: bool = True) -> Callable[[], None]:
    """Ship this process's log lines and traces; gives what stops it.

    Args:
        lab: where to.
        alone: whether the process is SpotLab's alone, so that other packages' warnings are shipped
            too; not so for a command that a program may call.
    """
    shipper = Shipper(lab.log_stream.append, adopting=alone)
    logs.ship(shipper)
    if alone:
        logs.adopt()
    stop_tracing = start_tracing(lab.settings)

    def stop() -> None:
        stop_tracing()
        shipper.close()

    return stop
