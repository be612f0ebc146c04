"""Spans of what is done, for whoever collects them.

Without a tracer a span costs next to nothing; runtime/tracing.py sets one where a collector is
named.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from spotlab.telemetry import logs

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_tracer: Tracer | None = None


def use(tracer: Tracer | None) -> None:
    """Make spans with this tracer from now on; None: make none."""
    global _tracer
    _tracer = tracer


@contextmanager
def span(name: str, **attributes: str | int | float) -> Iterator[None]:
    """What is done inside, as one span; it carries the correlation id of its log lines."""
    if _tracer is None:
        yield
        return
    known = {f"spotlab.{key}": value for key, value in {**logs.facts(), **attributes}.items()}
    with _tracer.start_as_current_span(name, attributes=known):
        yield
