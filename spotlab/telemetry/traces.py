"""OpenTelemetry spans.

Without a tracer, a span costs almost nothing; runtime/tracing.py sets one if a collector is
configured.
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
    """Create spans with this tracer from now on; None: create none."""
    global _tracer
    _tracer = tracer


@contextmanager
def span(name: str, **attributes: str | int | float) -> Iterator[None]:
    """Record the `with` block as one span, with the context of its log lines."""
    if _tracer is None:
        yield
        return
    known = {
        f"spotlab.{key}": value for key, value in {**logs.current_context(), **attributes}.items()
    }
    with _tracer.start_as_current_span(name, attributes=known):
        yield
