"""The probes' contract, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timedelta

from spotlab.domain.ports import Probe
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
    assert store.probes.fill(late, HALF_A_MINUTE) == 2
    assert store.probes.fill(late, HALF_A_MINUTE) == 0
    assert [p.at for p in store.probes.since(at(0))] == [at(0), at(60), at(90), at(300)]
    assert store.probes.fill([], HALF_A_MINUTE) == 0
