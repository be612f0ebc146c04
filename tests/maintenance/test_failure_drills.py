"""Fast failure drills: accepted writes survive, rejected ones say so, work resumes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, make_url

from benchmarks._proxy import Proxy
from spotlab.domain.ports import By
from spotlab.errors import DatabaseDown
from spotlab.monitoring.health.prober import probe_all
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab
from spotlab.store import Store, open_store
from tests.support import builders as make
from tests.support.databases import fresh_postgres
from tests.support.lab import DictStore, save_toy_model, small_lab
from tests.support.market import StillClock


def write(store: Store) -> int:
    """A decision; its audit entry is another transaction."""
    experiment_id = store.ledger.record(make.experiment())
    store.audit.add(By("ana", make.NOW), "instance.evaluate", str(experiment_id))
    return experiment_id


def there(store: Store) -> list[int]:
    return sorted(each.experiment_id for each in store.ledger.list(limit=10_000))


@pytest.mark.postgres
def test_a_postgres_that_goes_away_loses_nothing_and_comes_back_by_itself() -> None:
    with fresh_postgres() as url:
        behind = make_url(url)
        proxy = Proxy((behind.host or "127.0.0.1", behind.port or 5432))
        through = behind.set(host="127.0.0.1", port=proxy.port)
        store = open_store(through.render_as_string(hide_password=False), Path("unused"))
        accepted = [write(store) for _ in range(3)]

        proxy.cut()
        for ask in (lambda: write(store), store.ping, store.ledger.count):
            with pytest.raises(DatabaseDown, match="does not answer"):
                ask()

        proxy.restore()
        accepted += [write(store) for _ in range(3)]
        assert there(store) == accepted
        assert store.audit.check().broken_at is None
        store.close()
        proxy.close()


def test_a_full_disk_refuses_writes_whole_reads_on_and_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    store = open_store(None, tmp_path / "spotlab.db")
    accepted = [write(store)]
    full = [True]

    @event.listens_for(store.engine, "checkout")
    def limit(connection: sqlite3.Connection, *_: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        most = pages if full[0] else 2**30
        connection.execute(f"PRAGMA max_page_count = {most}")

    # What fits into pages that are there already is taken.
    while (taken := write_unless_full(store)) is not None:
        accepted.append(taken)
    assert there(store) == accepted
    assert store.audit.check().broken_at is None
    assert store.ping() > 0

    full[0] = False
    accepted.append(write(store))
    assert there(store) == accepted
    store.close()


def write_unless_full(store: Store) -> int | None:
    try:
        return store.ledger.record(make.experiment())
    except DatabaseDown as exc:
        if "has no space left" not in exc.message:
            raise
        return None


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path / "home", tmp_path / "models") as made:
        yield made


def test_an_online_store_that_goes_away_makes_decisions_degraded_and_no_more(lab: Lab) -> None:
    online = lab.open_online()
    assert isinstance(online, DictStore)
    before = evaluate_instances(lab)
    online.down = True
    during = evaluate_instances(lab)
    online.down = False
    after = evaluate_instances(lab)
    assert [bool(made[0].degraded) for made in (before, during, after)] == [False, True, False]
    assert "Online store down" in " ".join(during[0].degraded)
    accepted = [each.experiment_id for made in (before, during, after) for each in made]
    assert there(lab.store) == sorted(accepted)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_jumps_changes_ages_and_loses_nothing(lab: Lab, hours: int) -> None:
    assert isinstance(lab.clock, StillClock)
    accepted = [each.experiment_id for each in evaluate_instances(lab)]
    right = lab.clock.at
    lab.clock.at = right + timedelta(hours=hours)
    # What was read an hour from now was read before the clock jumped: it is read again.
    assert lab.market_is_stale()
    assert lab.fleet_is_stale()
    if hours > 0:
        lab.settings = lab.settings.model_copy(update={"collect_max_age_s": 1e6})
        accepted += [each.experiment_id for each in evaluate_instances(lab)]
    lab.clock.at = right
    accepted += [each.experiment_id for each in evaluate_instances(lab)]
    assert there(lab.store) == sorted(accepted)
    assert {state.state for state in probe_all(lab) if state.name == "database"} == {"healthy"}
    newest = lab.store.ledger.latest_per_instance()
    evaluated = {each.instance_id: each.last_evaluated_at for each in lab.store.fleet.instances()}
    for instance_id, summary in newest.items():
        assert evaluated[instance_id] == summary.created_at
