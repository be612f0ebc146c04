"""Structured logs: one JSON object a line, with what it belongs to, without secrets.

Every line says which process wrote it, and inside `correlated` the id of what is being done: the
same from the click, request or job through every stage to the ledger.
"""

from __future__ import annotations

import contextvars
import json
import logging
import os
import re
import secrets
import socket
import sys
import uuid
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from spotlab.telemetry import metrics
from spotlab.telemetry.redaction import redact, redacted
from spotlab.telemetry.text import json_visible

__all__ = ["adopt", "configure", "correlated", "correlation_id", "inside", "note", "redact"]

_inside: contextvars.ContextVar[MutableMapping[str, str] | None] = contextvars.ContextVar(
    "inside", default=None
)
_ID: Final = re.compile(r"[\w.-]{1,64}", re.ASCII)
_OURS: Final = "spotlab"
_role = "command"
_alone = False
"""Whether this process is SpotLab's alone; see `adopt`."""


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time, level, component, message, process, what it is inside of,
    fields, error."""

    def format(self, record: logging.LogRecord) -> str:
        kept: str | None = getattr(record, "spotlab_line", None)
        if kept is None:
            kept = self._line(record)
            record.spotlab_line = kept
        return kept

    def _line(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "component": record.name.removeprefix(f"{_OURS}."),
            "message": redact(record.getMessage()),
            "process": process_id(),
            "role": _role,
            **{name: redact(value) for name, value in (_inside.get() or {}).items()},
        }
        if fields := getattr(record, "fields", None):
            line["fields"] = redacted(fields)
        if record.exc_info:
            line["error"] = redact(self.formatException(record.exc_info))
        return json_visible(json.dumps(line, ensure_ascii=False, default=str))


class _Counting(logging.Handler):
    """Counts lines by level, for the metrics."""

    def emit(self, record: logging.LogRecord) -> None:
        metrics.LOG_LINES.labels(level=record.levelname).inc()


class _Wanted(logging.Filter):
    """SpotLab's own lines of a level and above; other packages' from WARNING on."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self._level = level

    def filter(self, record: logging.LogRecord) -> bool:
        ours = record.name == _OURS or record.name.startswith(f"{_OURS}.")
        return record.levelno >= (self._level if ours else max(self._level, logging.WARNING))


@cache
def process_id() -> str:
    """This process's own name, also where every container calls its process 1."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def role() -> str:
    """What this process is: app, worker or command."""
    return _role


def configure(level: str, *, role: str = "command") -> None:
    """Send SpotLab's log lines of this level and above to stderr, once."""
    global _role
    _role = role
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(_Wanted(logging.getLevelNamesMapping()[level]))
    logger = logging.getLogger(_OURS)
    logger.setLevel(min(logging.getLevelNamesMapping()[level], logging.INFO))
    logger.propagate = False
    logger.handlers[:] = [handler, _Counting()]


def ship(handler: logging.Handler) -> None:
    """Send every line from INFO on (or lower, where stderr shows lower ones) there, too."""
    logger = logging.getLogger(_OURS)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(_Wanted(logger.level))
    logger.addHandler(handler)
    if _alone:
        adopt()


def stop_shipping(handler: logging.Handler) -> None:
    """No more lines go there."""
    logging.getLogger(_OURS).removeHandler(handler)
    logging.getLogger().removeHandler(handler)


def adopt() -> None:
    """Let other packages' warnings and errors look like ours; for a process that is ours alone.

    What has handlers of its own (Streamlit gives each of its loggers one) loses them and is heard
    at the root instead, so that nothing is written twice. What was silenced (neither handlers nor
    propagation, as uvicorn's line a request) stays so. Asked again for loggers that came later.
    """
    global _alone
    _alone = True
    logging.captureWarnings(True)
    root = logging.getLogger()
    ours = logging.getLogger(_OURS)
    root.handlers[:] = list(ours.handlers)
    for name, logger in list(root.manager.loggerDict.items()):
        if not isinstance(logger, logging.Logger) or name.partition(".")[0] == _OURS:
            continue
        if logger.handlers:
            logger.handlers[:] = []
            logger.propagate = True


def adopt_newcomers() -> None:
    """The same for loggers that came since, where the process is SpotLab's alone."""
    if _alone:
        adopt()


@contextmanager
def correlated(correlation_id: str | None = None) -> Iterator[str]:
    """Give every log line written inside the same correlation id.

    Args:
        correlation_id: None: the one that is inherited, else a new one.
    """
    outer = _inside.get() or {}
    chosen = correlation_id or outer.get("correlation_id") or new_id()
    with inside(correlation_id=chosen):
        yield chosen


@contextmanager
def inside(**facts: str) -> Iterator[None]:
    """Say on every log line written inside what it belongs to: account, request_id, user, ….

    A line that names an account may be read by whoever sees that account.
    """
    reset = _inside.set({**(_inside.get() or {}), **facts})
    try:
        yield
    finally:
        _inside.reset(reset)


def note(**facts: str) -> None:
    """Add what became known only now, such as the user, to the innermost `inside`."""
    if (known := _inside.get()) is not None:
        known.update(facts)


def correlation_id() -> str:
    """The correlation id of what is being done now; "": none."""
    return (_inside.get() or {}).get("correlation_id", "")


def new_id() -> str:
    """A new correlation id."""
    return uuid.uuid4().hex[:12]


def usable_id(text: str | None) -> str | None:
    """An id that somebody else gave, if it can be one: letters, digits, dots, dashes."""
    return text if text and _ID.fullmatch(text) else None


def facts() -> Mapping[str, str]:
    """What is said on a log line written now."""
    return dict(_inside.get() or {})
