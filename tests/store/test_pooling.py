"""PostgreSQL behind PgBouncer in transaction mode."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from spotlab.domain.market import MarketName
from spotlab.errors import DatabaseDown, NotAvailable
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.settings import Settings
from spotlab.store import Store, open_store
from spotlab.store.dumps import Dump, dump
from spotlab.store.engine import connect, lock_until_commit, reading, writing
from spotlab.store.pooler import changes_process
from spotlab.store.restore_postgres import load_postgres
from tests.contracts import test_scheduler, test_sql_leases
from tests.support import builders as make
from tests.support import lab as labs
from tests.support.databases import empty, migrated_postgres, postgres_url
from tests.support.jobs import office
from tests.support.lab import save_toy_model
from tests.support.pgbouncer import pgbouncer

__all__ = ["migrated_postgres", "postgres_url"]
pytestmark = pytest.mark.postgres
REPEATS = 12
"""The driver prepares a statement that it runs for the sixth time."""


@pytest.fixture
def pooler_url(postgres_url: str) -> Iterator[str]:
    with pgbouncer(postgres_url) as url:
        yield url


@pytest.fixture
def store(pooler_url: str, tmp_path: Path) -> Iterator[Store]:
    opened = open_store(pooler_url, tmp_path / "unused.db", "transaction")
    empty(opened)
    yield opened
    opened.close()


def repeat(engine: Engine) -> list[str]:
    """The statement timeout of several transactions that run the same statements."""
    found = []
    for number in range(REPEATS):
        with writing(engine) as session:
            lock_until_commit(session, "pooling")
            query = text("SELECT current_setting('statement_timeout') WHERE :number >= 0")
            found.append(session.connection().execute(query, {"number": number}).scalar_one())
    return found


def test_transactions_work_and_keep_their_time_limit(store: Store) -> None:
    assert repeat(store.engine) == ["30s"] * REPEATS


def test_the_archive_works_through_a_pooler(store: Store) -> None:
    for number in range(REPEATS):
        assert store.archive.save(make.snapshot(f"content {number}"))
        assert store.archive.latest(make.snapshot().kind, MarketName.PUBLIC, "us-east-1")
    assert len(store.archive.infos()) == REPEATS


def test_without_the_setting_prepared_statements_fail(pooler_url: str, tmp_path: Path) -> None:
    engine = connect(pooler_url, tmp_path / "unused.db")
    try:
        assert changes_process(engine), "it has opened more than one server process"
        with pytest.raises((DatabaseDown, DBAPIError), match="prepared statement"):
            repeat(engine)
    finally:
        engine.dispose()


def test_doctor_says_which_setting_is_missing(
    pooler_url: str, postgres_url: str, tmp_path: Path
) -> None:
    found = {}
    for name, url, pooling in (
        ("direct", postgres_url, "session"),
        ("unset", pooler_url, "session"),
        ("set", pooler_url, "transaction"),
    ):
        store = Store.of(connect(url, tmp_path / "unused.db", pooling))  # type: ignore[arg-type]
        try:
            found[name] = " ".join(store.limitations())
        finally:
            store.close()
    assert found["direct"] == ""
    assert "Set SPOTLAB_DATABASE_POOLING=transaction." in found["unset"]
    assert "Backups and restores need a session" in found["set"]


@pytest.mark.parametrize("round_robin", [True, False])
def test_the_pooler_is_recognised_in_whatever_order_it_hands_out(
    postgres_url: str, tmp_path: Path, round_robin: bool
) -> None:
    with pgbouncer(postgres_url, round_robin=round_robin) as url:
        engine = connect(url, tmp_path / "unused.db", "transaction")
        try:
            assert changes_process(engine)
        finally:
            engine.dispose()


def test_a_backup_is_refused_before_it_changes_the_sessions_of_others(
    store: Store, tmp_path: Path
) -> None:
    with pytest.raises(NotAvailable, match=r"A backup needs a session.*PostgreSQL itself"):
        dump(store.engine, tmp_path / "copy")
    query = text("SELECT count(*) FROM leases")
    for _ in range(REPEATS):
        with reading(store.engine) as session:
            session.connection().execute(query)


def test_a_restore_names_the_pooler_whose_connections_it_sees(store: Store, tmp_path: Path) -> None:
    assert changes_process(store.engine), "it has opened more than one server process"
    made = Dump("postgresql", "r0001", "public", {})
    with pytest.raises(NotAvailable, match="A restore needs a session"):
        load_postgres(store.engine, tmp_path / "copy", made, "now", lambda _connection: None)


def test_a_lock_is_held_until_the_commit_whichever_process_the_pooler_gives(store: Store) -> None:
    """Eight threads add 1 to a number that they read before."""
    key, adds, threads = "pooling-sum", 10, 8

    def add() -> None:
        for _ in range(adds):
            with writing(store.engine) as session:
                lock_until_commit(session, key)
                read = text("SELECT value FROM home_state WHERE key = :key")
                now = session.connection().execute(read, {"key": key}).scalar() or "0"
                session.connection().execute(
                    text(
                        "INSERT INTO home_state (key, value) VALUES (:key, :value) "
                        "ON CONFLICT (key) DO UPDATE SET value = excluded.value"
                    ),
                    {"key": key, "value": str(int(now) + 1)},
                )

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(add) for _ in range(threads)]:
            done.result()

    with reading(store.engine) as session:
        total = text("SELECT value FROM home_state WHERE key = 'pooling-sum'")
        assert session.connection().execute(total).scalar_one() == str(adds * threads)


def test_two_schedulers_behind_a_pooler_run_each_due_time_once(
    store: Store, tmp_path: Path
) -> None:
    bench = office(store, tmp_path)
    test_scheduler.test_two_schedulers_run_each_due_time_once(bench)


def test_a_leader_behind_a_pooler_is_refused_once_another_leads(store: Store) -> None:
    test_sql_leases.test_a_delayed_old_leader_is_refused_at_its_next_write(store)


def test_of_many_behind_a_pooler_one_leads(store: Store) -> None:
    test_sql_leases.test_of_many_that_see_it_free_one_gets_it(store)


def test_a_fleet_is_evaluated_through_a_pooler(
    pooler_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settings(**given: Any) -> Settings:
        return Settings(database_url=pooler_url, database_pooling="transaction", **given)

    save_toy_model(tmp_path / "models")
    monkeypatch.setattr(labs, "Settings", settings)
    with labs.small_lab(tmp_path / "home", tmp_path / "models") as lab:
        for _ in range(REPEATS // 2):
            experiments = evaluate_instances(lab)
            assert len(experiments) == len(labs.FLEET)
            assert not any(each.degraded for each in experiments)
        assert lab.store.ledger.count() == REPEATS // 2 * len(labs.FLEET)


def test_a_read_only_session_has_the_limit_too(store: Store) -> None:
    for _ in range(REPEATS):
        with reading(store.engine) as session:
            limit = session.connection().execute(text("SHOW lock_timeout")).scalar_one()
            assert limit == "5s"
