"""Changes reach other processes through Redis, or through SQL markers if Redis is down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from spotlab.domain.ports import Topic
from spotlab.errors import DatabaseDown
from spotlab.features.redis_online import connect_without_retries
from spotlab.runtime.bus import RedisBus
from tests.support.online import embedded_server, wait_until


class Marks:
    """Markers as SQL would return them."""

    def __init__(self) -> None:
        self.kept: dict[Topic, object] = dict.fromkeys(Topic, 0)
        self.down = False

    def __call__(self) -> dict[Topic, object]:
        if self.down:
            raise DatabaseDown("It is down for a test.")
        return dict(self.kept)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with embedded_server(tmp_path_factory.mktemp("home")) as (address, _):
        yield address


@pytest.fixture
def marks() -> Marks:
    return Marks()


@pytest.fixture
def pair(url: str, marks: Marks) -> Iterator[tuple[RedisBus, RedisBus]]:
    """The buses of two processes; the first one only publishes."""
    buses = (
        RedisBus(lambda: connect_without_retries(url), marks),
        RedisBus(lambda: connect_without_retries(url), marks),
    )
    yield buses
    for bus in buses:
        bus.close()


def test_news_reaches_another_process_and_only_its_topic(pair: tuple[RedisBus, RedisBus]) -> None:
    teller, hearer = pair
    before = hearer.version(Topic.MARKET)
    assert hearer.version(Topic.EXPERIMENTS) == 0

    def told() -> bool:
        teller.publish(Topic.EXPERIMENTS)
        return hearer.version(Topic.EXPERIMENTS) > 0

    wait_until(told, "the news is heard")
    assert hearer.version(Topic.MARKET) == before
    assert not teller.listening, "a command that only publishes starts no listener"


def test_who_tells_hears_it_once(pair: tuple[RedisBus, RedisBus]) -> None:
    teller, hearer = pair
    hearer.version(Topic.JOBS)
    teller.version(Topic.JOBS)
    teller.publish(Topic.JOBS)
    assert teller.version(Topic.JOBS) == 1
    teller.publish(Topic.FLEET)
    hearer.publish(Topic.ALERTS)
    wait_until(lambda: teller.version(Topic.ALERTS) or hearer.publish(Topic.ALERTS), "all is heard")
    assert teller.version(Topic.JOBS) == 1, "a process does not count its own messages"


def test_what_was_missed_is_noticed_in_sql(marks: Marks) -> None:
    bus = RedisBus(lambda: None, marks)
    try:
        assert bus.version(Topic.EXPERIMENTS) == 0
        wait_until(lambda: bus._marks, "it has looked once")
        marks.kept[Topic.EXPERIMENTS] = 1
        wait_until(lambda: bus.version(Topic.EXPERIMENTS) == 1, "the new row is noticed")
        assert bus.version(Topic.MARKET) == 0
        marks.down = True
        bus.publish(Topic.MARKET)
        assert bus.version(Topic.MARKET) == 1
    finally:
        bus.close()


def test_telling_a_dead_server_never_raises_and_costs_next_to_nothing(
    tmp_path: Path, marks: Marks
) -> None:
    tried = []

    def connect() -> redis.Redis:
        tried.append(1)
        return connect_without_retries(f"unix://{tmp_path}/nobody.sock")

    bus = RedisBus(connect, marks)
    began = time.monotonic()
    for _ in range(200):
        bus.publish(Topic.EXPERIMENTS)
    assert time.monotonic() - began < 0.5
    bus.close()


def test_hears_again_after_the_server_came_back(tmp_path: Path, marks: Marks) -> None:
    serving: list[str] = []
    bus = RedisBus(lambda: connect_without_retries(serving[0]) if serving else None, marks)
    try:
        bus.version(Topic.MODELS)
        with embedded_server(tmp_path) as (address, _):
            serving.append(address)
            other = RedisBus(lambda: connect_without_retries(address), marks)
            wait_until(
                lambda: other.publish(Topic.MODELS) or bus.version(Topic.MODELS) > 0,
                "the news is heard",
            )
            other.close()
    finally:
        bus.close()
