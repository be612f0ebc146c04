"""Errors of a database are explained, and leave no partial data."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, text

from spotlab.domain.ports import ExperimentFilter
from spotlab.errors import DatabaseDown, InvalidInput
from spotlab.store import Store, engine, open_store
from tests.support import builders as make

WRITES: dict[str, Callable[[Store], object]] = {
    "record": lambda store: store.ledger.record(make.experiment()),
    "save": lambda store: store.archive.save(make.snapshot()),
    "sync": lambda store: store.fleet.sync("production", [make.instance()]),
    "register": lambda store: store.registry.register(make.model_record()),
    "note": lambda store: store.health.note(
        "database", ok=True, at=make.NOW, latency_ms=None, reason=""
    ),
}
every_write = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spotlab.db"


@pytest.fixture
def sqlite(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store with a short lock timeout."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.05)
    store = open_store(None, path)
    yield store
    store.close()


@contextmanager
def locked_by_another_process(path: Path) -> Iterator[None]:
    """Hold the write lock as another process would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def on_every_connection(of: Engine, statement: str) -> None:
    of.dispose()

    @event.listens_for(of, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(statement)
        connection.commit()


def count_rows(path: Path) -> int:
    tables = ("experiments", "market_snapshots", "instances", "model_versions", "health")
    with closing(sqlite3.connect(path)) as connection:
        return sum(connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables)


@every_write
def test_a_locked_file_is_no_place_to_write(
    sqlite: Store, path: Path, write: Callable[[Store], object]
) -> None:
    with locked_by_another_process(path):
        with pytest.raises(DatabaseDown, match="is locked by another process") as caught:
            write(sqlite)
        assert sqlite.ledger.count() == 0, "reads still work"
    assert str(path) in caught.value.message
    assert count_rows(path) == 0

    write(sqlite)
    assert count_rows(path) == 1, "writes work again once the lock is released"


@every_write
def test_a_read_only_file_is_no_place_to_write(
    sqlite: Store, path: Path, write: Callable[[Store], object]
) -> None:
    on_every_connection(sqlite.engine, "PRAGMA query_only = ON")
    with pytest.raises(DatabaseDown, match=r"cannot be written to .*readonly"):
        write(sqlite)
    assert count_rows(path) == 0
    assert sqlite.ping() >= 0.0


def test_a_full_disk_leaves_nothing_half_written(sqlite: Store, path: Path) -> None:
    sqlite.fleet.sync("production", [make.instance()])
    on_every_connection(sqlite.engine, "PRAGMA max_page_count = 24")
    many = make.experiment(candidates=make.candidates(3000), verdict=None)

    with pytest.raises(DatabaseDown, match=r"has no space left .*full"):
        sqlite.ledger.record(many)

    assert sqlite.ledger.count() == 0
    assert sqlite.fleet.instance("i-0a1").last_evaluated_at is None
    assert "has no space left" in sqlite.write_failure()
    on_every_connection(sqlite.engine, "PRAGMA max_page_count = 100000")
    sqlite.ledger.record(many)
    assert sqlite.write_failure() == ""


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.write_text("a diary, not a database\n" * 400)
    with pytest.raises(DatabaseDown, match="is damaged or not a database") as caught:
        open_store(None, path)
    assert "Move it away" in caught.value.remedy
    assert path.read_text().startswith("a diary")


def test_a_damaged_file_says_so(sqlite: Store, path: Path) -> None:
    for _ in range(5):
        sqlite.ledger.record(make.experiment())
    sqlite.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(DatabaseDown, match="is damaged or not a database"):
        sqlite.ledger.list()


def test_a_database_that_was_never_migrated_says_how(path: Path) -> None:
    store = Store.of(engine.connect(None, path))
    with pytest.raises(DatabaseDown, match="lacks a table") as caught:
        store.ping()
    assert "spotlab migrate" in caught.value.remedy


def test_a_broken_rule_of_a_table_is_the_inputs_fault(store: Store) -> None:
    with (
        pytest.raises(InvalidInput, match="cannot store this value"),
        engine.writing(store.engine) as session,
    ):
        session.connection().execute(text("INSERT INTO home_state (key) VALUES ('x')"))


@pytest.mark.postgres
def test_a_text_that_postgres_cannot_hold_is_the_inputs_fault(postgres: Store) -> None:
    with pytest.raises(InvalidInput, match="NUL"):
        postgres.ledger.record(make.experiment(error="\x00"))
    assert postgres.ledger.count() == 0


@pytest.fixture
def postgres(postgres_url: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.1)
    store = open_store(postgres_url, path)
    yield store
    store.close()


@pytest.mark.postgres
def test_a_locked_table_is_no_place_to_write(postgres: Store) -> None:
    with postgres.engine.begin() as other:
        other.execute(text("LOCK TABLE instances IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(DatabaseDown, match="is locked by another process"):
            postgres.ledger.record(make.experiment())
    assert postgres.ledger.count() == 0


@pytest.mark.postgres
def test_a_read_only_server_is_no_place_to_write(postgres: Store) -> None:
    on_every_connection(postgres.engine, "SET default_transaction_read_only = on")
    with pytest.raises(DatabaseDown, match=r"cannot be written to .*read-only"):
        postgres.ledger.record(make.experiment())
    assert postgres.ledger.count() == 0


@pytest.mark.postgres
def test_a_connection_that_was_cut_is_made_anew(
    postgres: Store, postgres_url: str, path: Path
) -> None:
    cut = text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    other = engine.connect(postgres_url, path)
    with other.connect() as connection:
        assert connection.execute(cut).scalar_one() == 1
    other.dispose()
    assert postgres.ledger.count() == 0


@pytest.mark.postgres
def test_a_missing_database_is_named_without_its_password(postgres_url: str, path: Path) -> None:
    url = re.sub(r"(//\w+)(:\w*)?@", r"\1:hunter2@", postgres_url) + "_gone"
    with pytest.raises(DatabaseDown, match=r"_gone does not answer .*does not exist") as caught:
        open_store(url, path)
    assert "hunter2" not in str(caught.value)


def test_a_number_over_64_bits_is_the_inputs_fault(store: Store) -> None:
    huge = text("INSERT INTO home_state (key, value) VALUES ('x', CAST(:number AS BIGINT))")
    with (
        pytest.raises(InvalidInput, match="cannot store this value"),
        engine.writing(store.engine) as session,
    ):
        session.connection().execute(huge, {"number": 10**30})


def test_half_of_a_character_is_the_inputs_fault(store: Store) -> None:
    with pytest.raises(InvalidInput, match="cannot store this value"):
        store.fleet.instance("\ud800")


@pytest.mark.parametrize(
    "moment", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"], ids=["late", "early"]
)
def test_a_time_beyond_the_calendar_is_the_inputs_fault(store: Store, moment: str) -> None:
    at = datetime.fromisoformat(moment)
    with pytest.raises(InvalidInput, match=r"before the year 1 or after 9999"):
        store.ledger.list(ExperimentFilter(since=at))


def test_a_pattern_that_is_too_long_is_the_inputs_fault(sqlite: Store) -> None:
    query = text("SELECT 1 WHERE 'a' LIKE :pattern")
    with (
        pytest.raises(InvalidInput, match="pattern too complex"),
        engine.reading(sqlite.engine) as session,
    ):
        session.connection().execute(query, {"pattern": "a" * 60_000}).all()


@pytest.mark.postgres
def test_a_text_that_no_index_takes_is_the_inputs_fault(postgres: Store) -> None:
    long = make.instance(instance_id="".join(chr(0x4E00 + n * 7 % 20_000) for n in range(9_000)))
    with pytest.raises(InvalidInput, match="index row"):
        postgres.fleet.sync("production", [long])
