"""A day of probes, compressed by a test clock: uptime equals the injected outages to 0.1 %."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from spotlab.domain.components import DATABASE, ML_INFERENCE, REDIS_CACHE
from spotlab.domain.uptime import MAX_HOLD, WINDOW
from spotlab.monitoring.health.database_watch import check_database
from spotlab.monitoring.health.prober import record_round
from spotlab.monitoring.health.report import Health, read
from spotlab.runtime.lab import Lab
from tests.support.lab import DictStore, save_toy_model, small_lab
from tests.support.market import StillClock

Times = Sequence[tuple[float, float]]
DAY_S = WINDOW.total_seconds()
REDIS_OUT: Times = ((1_003, 1_091), (9_017.5, 12_344), (40_001, 40_052), (71_111, 75_777.7))
DATABASE_OUT: Times = ((5_555.5, 6_789), (30_303, 30_363), (55_005, 57_123.4))
MODEL_OUT: Times = ((12_345, 20_001), (66_666, 67_890))
GAPS: Times = ((21_600, 25_201), (47_000, 49_950))
"""When nobody probes: the second one begins in the middle of nothing, the first after an outage."""


@dataclass
class Broken:
    """Breaks parts of a lab at times of its clock, and mends them."""

    lab: Lab
    online: DictStore
    models: Path
    began: datetime
    database: bool = False

    def now_s(self) -> float:
        return (self.lab.clock.now() - self.began).total_seconds()

    def refuse(self, *_: object) -> None:
        if self.database:
            raise OSError("the test's database is stopped")

    def apply(self) -> None:
        now = self.now_s()
        self.online.down = within(now, REDIS_OUT)
        self.database = within(now, DATABASE_OUT)
        away = self.models.with_name("away")
        if within(now, MODEL_OUT) and self.models.exists():
            self.models.rename(away)
        elif not within(now, MODEL_OUT) and away.exists():
            away.rename(self.models)


def within(now: float, times: Times) -> bool:
    return any(since <= now < until for since, until in times)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Health, int]]:
    """What Health reads after a day of probes every 30 s, more or less; and how many rounds."""
    models, online = tmp_path_factory.mktemp("models"), DictStore()
    save_toy_model(models)
    lab = small_lab(tmp_path_factory.mktemp("home"), models, online)
    clock = lab.clock
    assert isinstance(clock, StillClock)
    broken = Broken(lab, online, next(models.glob("*/*")).parent, clock.now())
    event.listen(lab.store.engine, "begin", broken.refuse)
    jitter, rounds = random.Random(4), 0
    while broken.now_s() < DAY_S:
        broken.apply()
        # As in production: where the database is down nobody leads, and the watch alone probes.
        if not within(broken.now_s(), GAPS) and check_database(lab):
            record_round(lab)
        rounds += 1
        clock.forward(seconds=jitter.uniform(28, 32))
    clock.at = broken.began + WINDOW
    yield read(lab), rounds
    lab.close()


def lasting(times: Times) -> float:
    return sum(until - since for since, until in times)


@pytest.mark.parametrize(("part", "outages"), [(REDIS_CACHE, REDIS_OUT), (DATABASE, DATABASE_OUT)])
def test_uptime_equals_the_injected_outages(
    day: tuple[Health, int], part: str, outages: Times
) -> None:
    health, rounds = day
    assert rounds > 2800
    found = health.component(part).uptime
    known_s = DAY_S - lasting(GAPS)
    assert found.up == pytest.approx(1 - lasting(outages) / known_s, abs=0.001)


def test_a_gap_of_the_prober_is_unknown_not_up(day: tuple[Health, int]) -> None:
    found = day[0].component(REDIS_CACHE).uptime
    unknown_s, held_s = found.unknown * DAY_S, MAX_HOLD.total_seconds() * len(GAPS)
    assert lasting(GAPS) - held_s <= unknown_s <= lasting(GAPS) + 32


def test_what_the_database_hides_is_unknown_not_down(day: tuple[Health, int]) -> None:
    """While the database is down, nobody can know which model is the champion."""
    found = day[0].component(ML_INFERENCE).uptime
    known_s = DAY_S - lasting(GAPS) - lasting(DATABASE_OUT)
    assert found.up == pytest.approx(1 - lasting(MODEL_OUT) / known_s, abs=0.002)
    assert found.unknown > day[0].component(REDIS_CACHE).uptime.unknown


def test_the_spells_of_the_day_are_the_outages(day: tuple[Health, int]) -> None:
    began = day[0].since
    found = [
        ((s.since - began).total_seconds(), (s.until - began).total_seconds())
        for s in day[0].component(REDIS_CACHE).spells
        if s.state == "down"
    ]
    assert len(found) == len(REDIS_OUT)
    for (since, until), (true_since, true_until) in zip(found, REDIS_OUT, strict=True):
        assert 0 <= since - true_since <= 32
        assert 0 <= until - true_until <= 32


def test_rates_and_latencies_are_those_of_the_probes(day: tuple[Health, int]) -> None:
    done = day[0].component(REDIS_CACHE).done
    share = lasting(REDIS_OUT) / (DAY_S - lasting(GAPS))
    assert done.rate.failure == pytest.approx(share, abs=0.002)
    assert done.latency_ms == (0.3, 0.3, 0.3)
    assert timedelta(0) <= WINDOW - (day[0].now - day[0].since)
