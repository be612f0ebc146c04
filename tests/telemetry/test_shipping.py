"""Lines reach the store in order; an outage of the store delays no one and is reported."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from spotlab.telemetry import logs, metrics
from spotlab.telemetry.log_shipper import Shipper
from tests.support.online import wait_until

log = logging.getLogger("spotlab.test")


class Store:
    """Keeps what it is sent; `down` makes it refuse, and `says` makes it log while it works."""

    def __init__(self) -> None:
        self.kept: list[dict[str, object]] = []
        self.down = False
        self.asked = 0
        self.slow: threading.Event | None = None

    def __call__(self, lines: Sequence[str]) -> None:
        self.asked += 1
        log.warning("the store was asked")
        if self.slow is not None:
            self.slow.wait(10)
        if self.down:
            raise OSError("it is down for a test")
        self.kept += map(json.loads, lines)

    @property
    def messages(self) -> list[object]:
        return [line["message"] for line in self.kept]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def shipper(store: Store) -> Iterator[Shipper]:
    level, propagate = log.parent.level, log.parent.propagate  # type: ignore[union-attr]
    logs.configure("WARNING")
    made = Shipper(store, waiting_lines=10)
    logs.ship(made)
    yield made
    made.close()
    spotlab = logging.getLogger("spotlab")
    spotlab.setLevel(level)
    spotlab.propagate = propagate
    spotlab.handlers[:] = []


def test_lines_arrive_in_order_and_beget_no_others(shipper: Shipper, store: Store) -> None:
    for number in range(5):
        log.info("line %d", number)
    wait_until(lambda: len(store.kept) == 5, "all arrived")
    assert store.messages == [f"line {number}" for number in range(5)]
    log.info("one more")
    wait_until(lambda: len(store.kept) == 6, "it arrived")
    assert "the store was asked" not in store.messages


def test_what_does_not_fit_is_dropped_counted_and_told(shipper: Shipper, store: Store) -> None:
    counted = metrics.LOG_LINES_DROPPED._value.get()
    store.down = True
    for number in range(25):
        log.info("line %d", number)
    wait_until(lambda: store.asked, "it was tried")
    assert shipper.dropped == 15
    store.down = False
    wait_until(lambda: len(store.kept) >= 11, "what was left arrived")
    assert str(store.messages[0]).startswith("15 log lines were dropped")
    assert store.messages[1:] == [f"line {number}" for number in range(15, 25)]
    assert metrics.LOG_LINES_DROPPED._value.get() - counted == 15
    wait_until(lambda: shipper.dropped == 0, "they are told once")


def test_a_store_that_hangs_keeps_nobody_waiting(shipper: Shipper, store: Store) -> None:
    store.slow = threading.Event()
    began = time.monotonic()
    for number in range(500):
        log.info("line %d", number)
    assert time.monotonic() - began < 0.5
    store.slow.set()


def test_what_waits_is_sent_at_the_end(store: Store) -> None:
    logs.configure("WARNING")
    shipper = Shipper(store)
    logs.ship(shipper)
    log.info("the last word")
    shipper.close()
    assert store.messages == ["the last word"]
    log.info("nobody hears this")
    assert store.messages == ["the last word"]
