"""What a process tells of itself: log lines to all, traces where asked."""

from __future__ import annotations

from contextlib import ExitStack

from spotlab.errors import SpotlabError
from spotlab.runtime.log_stream import LogStream
from spotlab.runtime.tracing import start_tracing
from spotlab.settings import Settings, load
from spotlab.telemetry import logs
from spotlab.telemetry.log_shipper import Shipper


def configure_logs(role: str) -> None:
    """For a process that is SpotLab's alone, before anything else: every line is JSON on stderr."""
    try:
        level = load().log_level
    except SpotlabError:
        level = "WARNING"  # whoever opens the lab says which setting is wrong
    logs.configure(level, role=role)
    logs.adopt()


def observe(settings: Settings, stream: LogStream, resources: ExitStack) -> None:
    """Ship this process's log lines and traces until the resources are let go of.

    Raises:
        InvalidSetting: traces are asked for and cannot be sent.
    """
    resources.callback(start_tracing(settings))
    shipper = Shipper(stream.append)
    logs.ship(shipper)
    resources.callback(shipper.close)
