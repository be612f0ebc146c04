"""Log shipping and tracing of a process."""

from __future__ import annotations

from contextlib import ExitStack

from spotlab.errors import SpotlabError
from spotlab.runtime.log_stream import LogStream
from spotlab.runtime.tracing import start_tracing
from spotlab.settings import Settings, load
from spotlab.telemetry import logs
from spotlab.telemetry.log_shipper import Shipper


def configure_logs(role: str) -> None:
    """Write every log line as JSON to stderr; called first in a process that only runs SpotLab."""
    try:
        level = load().log_level
    except SpotlabError:
        level = "WARNING"  # opening the lab reports which setting is wrong
    logs.configure(level, role=role)
    logs.adopt()


def start_observability(settings: Settings, stream: LogStream, resources: ExitStack) -> None:
    """Send log lines and traces of this process until `resources` is closed.

    Raises:
        InvalidSetting: tracing is configured, but is not possible.
    """
    resources.callback(start_tracing(settings))
    shipper = Shipper(stream.append)
    logs.ship(shipper)
    resources.callback(shipper.close)
