"""OpenTelemetry spans.

Without a tracer, a span costs almost nothing; runtime/tracing.py sets one if a collector is
configured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


def position() -> Mapping[str, str]:
    """The current span as W3C trace context, for `continued` in another process."""
    if _tracer is None:
        return {}
    from opentelemetry.propagate import inject

    carrier: dict[str, str] = {}
    inject(carrier)
    return carrier


@contextmanager
def continued(position: Mapping[str, str]) -> Iterator[None]:
    """Make spans in the `with` block children of another process's span."""
    if _tracer is None or not position:
        yield
        return
    from opentelemetry import context
    from opentelemetry.propagate import extract

    token = context.attach(extract(position))
    try:
        yield
    finally:
        context.detach(token)
