"""The contract of sweeps and their cells, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from datetime import timedelta
from math import inf
from typing import Any

import pytest

from spotlab.domain.ports.backtests import SweepRecord
from spotlab.errors import InvalidInput, NotFound
from spotlab.store import Store
from tests.support import builders as make

CONFIG = {"workload": "deadline", "policies": ["oracle"], "seed": 7, "spot_usd": 0.1 + 0.2}


def opened(store: Store, sweep_id: str = "a1", minutes: float = 0, **config: Any) -> SweepRecord:
    at = make.NOW + timedelta(minutes=minutes)
    return store.sweeps.open(sweep_id, {**CONFIG, **config}, 3, at)


def test_a_new_sweep_is_queued(store: Store) -> None:
    record = opened(store)
    assert record == SweepRecord("a1", make.NOW, "queued", CONFIG, 3, 0, "", False)
    assert store.sweeps.get("a1") == record


def test_a_sweep_runs_and_is_done(store: Store) -> None:
    opened(store)
    store.sweeps.begin("a1")
    assert store.sweeps.get("a1").state == "running"
    store.sweeps.finish("a1", "done")
    assert store.sweeps.get("a1").state == "done"


def test_opening_again_keeps_cells_and_time(store: Store) -> None:
    opened(store)
    store.sweeps.begin("a1")
    store.sweeps.store_cell("a1", "x", {"cost_usd": 1.5})
    store.sweeps.finish("a1", "failed", "A worker died.")
    assert store.sweeps.get("a1").error == "A worker died."

    again = opened(store, minutes=9)

    assert (again.state, again.created_at, again.error, again.done) == ("queued", make.NOW, "", 1)


@pytest.mark.parametrize("state", ["queued", "running", "done"])
def test_opening_leaves_what_needs_no_queue(store: Store, state: str) -> None:
    opened(store)
    if state != "queued":
        store.sweeps.begin("a1")
    if state == "done":
        store.sweeps.finish("a1", "done")
    assert opened(store, minutes=1).state == state


def test_a_queued_sweep_is_cancelled_at_once(store: Store) -> None:
    opened(store)
    store.sweeps.cancel("a1")
    record = store.sweeps.get("a1")
    assert (record.state, record.cancel_requested) == ("cancelled", False)


def test_a_running_sweep_is_asked_to_stop(store: Store) -> None:
    opened(store)
    store.sweeps.begin("a1")
    store.sweeps.cancel("a1")
    record = store.sweeps.get("a1")
    assert (record.state, record.cancel_requested) == ("running", True)

    store.sweeps.begin("a1")
    assert not store.sweeps.get("a1").cancel_requested, "the wish was for the run before"


def test_a_finished_sweep_stays_finished_when_cancelled(store: Store) -> None:
    opened(store)
    store.sweeps.finish("a1", "done")
    store.sweeps.cancel("a1")
    record = store.sweeps.get("a1")
    assert (record.state, record.cancel_requested) == ("done", False)


def test_cells_come_back_bit_for_bit_in_the_order_of_their_keys(store: Store) -> None:
    opened(store)
    results = {
        "b": {"cost_usd": 0.1 + 0.2, "missed": False, "cell": {"zones": ["b", "a"], "tick": 3}},
        "a": {"cost_usd": 5e-324, "missed": True, "cell": {"zones": [], "tick": -0.0}},
    }
    for key, result in results.items():
        store.sweeps.store_cell("a1", key, result)
        store.sweeps.store_cell("a1", key, result)
    store.sweeps.store_cell("another", "a", {})

    found = store.sweeps.finished("a1")

    assert list(found) == ["a", "b"]
    assert json.dumps(found) == json.dumps({key: results[key] for key in sorted(results)})
    assert store.sweeps.get("a1").done == 2


def test_a_cell_without_a_number_is_refused(store: Store) -> None:
    opened(store)
    with pytest.raises(InvalidInput, match="infinite or NaN"):
        store.sweeps.store_cell("a1", "a", {"cost_usd": inf})
    assert store.sweeps.finished("a1") == {}


def test_sweeps_are_listed_newest_first(store: Store) -> None:
    for minutes, name in ((1, "a"), (3, "b"), (2, "c")):
        opened(store, name, minutes)
    assert [record.sweep_id for record in store.sweeps.list()] == ["b", "c", "a"]
    assert [record.sweep_id for record in store.sweeps.list(limit=1)] == ["b"]


def test_an_unknown_sweep_is_not_found(store: Store) -> None:
    for ask in (store.sweeps.get, store.sweeps.begin, store.sweeps.cancel):
        with pytest.raises(NotFound, match="There is no backtest 'none'"):
            ask("none")
    with pytest.raises(NotFound):
        store.sweeps.finish("none", "done")
    assert store.sweeps.finished("none") == {}
