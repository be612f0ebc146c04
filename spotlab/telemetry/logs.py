"""Structured logs: one JSON object per line, with context and without secrets.

Every line names the process that wrote it and, inside `correlated`, the correlation id, which is
the same from a click, request or job through every stage to the ledger.
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
from spotlab.telemetry.invisible_characters import json_visible
from spotlab.telemetry.redaction import redact, redacted

__all__ = [
    "add_context",
    "adopt",
    "configure",
    "correlated",
    "correlation_id",
    "log_context",
    "redact",
]

_context: contextvars.ContextVar[MutableMapping[str, str] | None] = contextvars.ContextVar(
    "inside", default=None
)
_ID: Final = re.compile(r"[\w.-]{1,64}", re.ASCII)
_ROOT_LOGGER: Final = "spotlab"
_role = "command"
_adopted = False
"""Whether `adopt` was called in this process."""


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time, level, component, message, process, context and more."""

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
            "component": record.name.removeprefix(f"{_ROOT_LOGGER}."),
            "message": redact(record.getMessage()),
            "process": process_id(),
            "role": _role,
            **{name: redact(value) for name, value in (_context.get() or {}).items()},
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


class _LevelFilter(logging.Filter):
    """Passes SpotLab's own lines from a level on, and other packages' from WARNING on."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self._level = level

    def filter(self, record: logging.LogRecord) -> bool:
        ours = record.name == _ROOT_LOGGER or record.name.startswith(f"{_ROOT_LOGGER}.")
        return record.levelno >= (self._level if ours else max(self._level, logging.WARNING))


@cache
def process_id() -> str:
    """Unique id of this process, even if every container's process has the pid 1."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def role() -> str:
    """Role of this process: app, worker or command."""
    return _role


def configure(level: str, *, role: str = "command") -> None:
    """Send SpotLab's log lines from this level on to stderr."""
    global _role
    _role = role
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(_LevelFilter(logging.getLevelNamesMapping()[level]))
    logger = logging.getLogger(_ROOT_LOGGER)
    logger.setLevel(min(logging.getLevelNamesMapping()[level], logging.INFO))
    logger.propagate = False
    logger.handlers[:] = [handler, _Counting()]


def ship(handler: logging.Handler) -> None:
    """Also send lines from INFO on (or from stderr's level, if lower) to a handler."""
    logger = logging.getLogger(_ROOT_LOGGER)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(_LevelFilter(logger.level))
    logger.addHandler(handler)
    if _adopted:
        adopt()


def stop_shipping(handler: logging.Handler) -> None:
    """Send no more lines to a handler."""
    logging.getLogger(_ROOT_LOGGER).removeHandler(handler)
    logging.getLogger().removeHandler(handler)


def adopt() -> None:
    """Format other packages' warnings and errors like SpotLab's; for processes that SpotLab owns.

    Loggers with their own handlers (Streamlit's) lose them and propagate to the root instead, so
    that no line is written twice. Silenced loggers (no handlers and no propagation, such as
    uvicorn's access log) stay silent. Call it again for loggers that were created later.
    """
    global _adopted
    _adopted = True
    logging.captureWarnings(True)
    root = logging.getLogger()
    ours = logging.getLogger(_ROOT_LOGGER)
    root.handlers[:] = list(ours.handlers)
    for name, logger in list(root.manager.loggerDict.items()):
        if not isinstance(logger, logging.Logger) or name.partition(".")[0] == _ROOT_LOGGER:
            continue
        if logger.handlers:
            logger.handlers[:] = []
            logger.propagate = True


def adopt_newcomers() -> None:
    """Adopt loggers created since, if `adopt` was called before."""
    if _adopted:
        adopt()


@contextmanager
def correlated(correlation_id: str | None = None) -> Iterator[str]:
    """Give every log line written inside the `with` block the same correlation id.

    Args:
        correlation_id: None: the inherited one, or else a new one.
    """
    outer = _context.get() or {}
    chosen = correlation_id or outer.get("correlation_id") or new_id()
    with log_context(correlation_id=chosen):
        yield chosen


@contextmanager
def log_context(**facts: str) -> Iterator[None]:
    """Add context to every log line written inside the block: account, request_id, user, ….

    A line with an account may be read by users who see that account.
    """
    reset = _context.set({**(_context.get() or {}), **facts})
    try:
        yield
    finally:
        _context.reset(reset)


def add_context(**facts: str) -> None:
    """Add context that became known later, such as the user, to the innermost `log_context`."""
    if (known := _context.get()) is not None:
        known.update(facts)


def correlation_id() -> str:
    """The current correlation id; "": none."""
    return (_context.get() or {}).get("correlation_id", "")


def new_id() -> str:
    """A new correlation id."""
    return uuid.uuid4().hex[:12]


def usable_id(text: str | None) -> str | None:
    """An id sent by a client if it is valid (letters, digits, `.`, `_`, `-`), else None."""
    return text if text and _ID.fullmatch(text) else None


def current_context() -> Mapping[str, str]:
    """The context of a log line written now."""
    return dict(_context.get() or {})
