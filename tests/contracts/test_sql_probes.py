"""The probes' contract, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from spotlab.domain.components import APP_SERVER
from spotlab.domain.ports import Probe
from spotlab.errors import DatabaseDown
from spotlab.monitoring.health import request_stats
from spotlab.monitoring.health.request_stats import RequestCounter
from spotlab.monitoring.health.success_rates import summarise
from spotlab.store import Store
from tests.support import builders as make

HALF_A_MINUTE = timedelta(seconds=30)


def at(seconds: float) -> datetime:
    return make.NOW + timedelta(seconds=seconds)


def probe(seconds: float, state: str = "healthy", component: str = "database") -> Probe:
    return Probe(component, at(seconds), state, 1.5 if state == "healthy" else None, state)


def test_probes_come_back_oldest_first(store: Store) -> None:
    store.probes.record([probe(30, "down"), probe(0), probe(10, component="other")])
    assert [(p.component, p.at, p.state) for p in store.probes.since(at(0))] == [
        ("database", at(0), "healthy"),
        ("other", at(10), "healthy"),
        ("database", at(30), "down"),
    ]
    assert store.probes.since(at(20), "database") == [probe(30, "down")]
    store.probes.record([])


def test_the_newest_of_each(store: Store) -> None:
    store.probes.record([probe(0), probe(30, "down"), probe(10, component="other")])
    assert store.probes.newest(at(0)) == {
        "database": probe(30, "down"),
        "other": probe(10, component="other"),
    }
    assert store.probes.newest(at(20)) == {"database": probe(30, "down")}
    assert store.probes.last_success("database") == at(0)
    assert store.probes.last_success("nobody") is None


def test_only_what_nobody_else_recorded_is_filled_in(store: Store) -> None:
    store.probes.record([probe(0), probe(300)])
    late = [probe(s, "down") for s in (20, 60, 90, 280)]
    assert store.probes.record_missing(late, HALF_A_MINUTE) == 2
    assert store.probes.record_missing(late, HALF_A_MINUTE) == 0
    assert [p.at for p in store.probes.since(at(0))] == [at(0), at(60), at(90), at(300)]
    assert store.probes.record_missing([], HALF_A_MINUTE) == 0


def test_requests_of_every_process_add_up_and_a_database_that_is_away_loses_none(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab: Any = SimpleNamespace(store=store)
    assert summarise([], [], store.request_stats.since(at(0)))[APP_SERVER].rate.success is None
    one, two = RequestCounter(), RequestCounter()
    for counting, name in ((one, "one"), (two, "two")):
        monkeypatch.setattr(request_stats, "process_id", lambda name=name: name)
        for number in range(49):
            counting.count(ok=True, took_s=0.02 if number else 0.9, at=at(number))
        counting.save(lab)
    one.count(ok=False, took_s=3.0, at=at(50))
    monkeypatch.setattr(request_stats, "process_id", lambda: "one")
    with monkeypatch.context() as patch:
        patch.setattr(type(store.request_stats), "record", refuse)
        with pytest.raises(DatabaseDown):
            one.save(lab)
    one.count(ok=False, took_s=3.0, at=at(400))
    one.save(lab)
    one.count(ok=True, took_s=0.02, at=at(51))  # the clock was set back
    one.save(lab)

    done = summarise([], [], store.request_stats.since(at(0)))[APP_SERVER]
    assert (done.rate.ok, done.rate.failed, done.measured) == (99, 2, 99)
    p50, p95, p99 = done.latency_ms
    assert p50 == p95 == pytest.approx(20, rel=0.05)
    assert p99 == pytest.approx(900, rel=0.05)
    late = summarise([], [], store.request_stats.since(at(400)))[APP_SERVER]
    assert (late.rate.ok, late.rate.failed) == (0, 1)
    assert late.latency_ms == (None, None, None)


def refuse(*_: object) -> None:
    raise DatabaseDown("The database does not answer.", remedy="Wait.")
