"""One emulated AWS per test module, with a clock that a test can advance."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from spotlab.demo.server import RunningServer, serve_in_thread
from spotlab.demo.world import Clock

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Seconds:
    """A monotonic clock in seconds that tests advance."""

    def __init__(self) -> None:
        self.value = 0.0

    def __call__(self) -> float:
        return self.value


@pytest.fixture(scope="module")
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture(scope="module")
def served(seconds: Seconds) -> Iterator[RunningServer]:
    with serve_in_thread(7, clock=Clock(AT, seconds)) as running:
        yield running
