"""Structured logs on stderr: one JSON object a line, with a correlation id, without secrets.

Bottom floor: imports nothing of SpotLab.
"""

from __future__ import annotations

import contextvars
import json
import logging
import re
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

_correlation_id: contextvars.ContextVar[str] = contextvars.ContextVar("correlation_id", default="")

_SECRETS = (
    (re.compile(r"(://[^:/@\s]*:)[^@/\s]+(@)"), r"\1***\2"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"), "***"),
    (
        re.compile(
            r"(?i)((?:secret|password|token|external_?id|authorization)[\w\- ]*[\"']?\s*[:=]\s*)"
            r"[\"']?[^\s\"',}]+"
        ),
        r"\1***",
    ),
)


def redact(text: str) -> str:
    """The text with passwords in addresses, AWS keys and named secrets masked.

    >>> redact("redis://:hunter2@127.0.0.1:6379")
    'redis://:***@127.0.0.1:6379'
    """
    for pattern, mask in _SECRETS:
        text = pattern.sub(mask, text)
    return text


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time, level, component, message, correlation_id, error."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "component": record.name.removeprefix("spotlab."),
            "message": redact(record.getMessage()),
        }
        if correlation_id := _correlation_id.get():
            line["correlation_id"] = correlation_id
        if record.exc_info:
            line["error"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def configure(level: str) -> None:
    """Send SpotLab's log lines of this level and above to stderr, once."""
    logger = logging.getLogger("spotlab")
    logger.setLevel(level)
    logger.propagate = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logger.handlers[:] = [handler]


@contextmanager
def correlated(correlation_id: str | None = None) -> Iterator[str]:
    """Give every log line written inside the same correlation id."""
    chosen = correlation_id or uuid.uuid4().hex[:12]
    reset = _correlation_id.set(chosen)
    try:
        yield chosen
    finally:
        _correlation_id.reset(reset)
