"""Connecting to a database, without ever showing its password."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from spotlab.errors import DatabaseDown, InvalidSetting
from spotlab.store import Store, open_store
from spotlab.store.engine import connect, reading, writing
from spotlab.store.failures import address
from tests.support import builders as make

SECRET = "hunter2"


def pragma(store: Store, name: str) -> object:
    with store.engine.connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


@pytest.fixture
def sqlite(tmp_path: Path) -> Store:
    return open_store(None, tmp_path / "home" / "deep" / "spotlab.db")


def test_the_home_is_made_for_its_owner_only(sqlite: Store, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "home" / "deep").stat().st_mode) == 0o700


def test_an_existing_home_is_left_as_it_is(tmp_path: Path) -> None:
    home = tmp_path / "shared"
    home.mkdir(mode=0o755)
    open_store(None, home / "spotlab.db").close()
    assert stat.S_IMODE(home.stat().st_mode) == 0o755


def test_sqlite_is_set_up_for_several_processes(sqlite: Store) -> None:
    assert pragma(sqlite, "journal_mode") == "wal"
    assert pragma(sqlite, "foreign_keys") == 1
    assert pragma(sqlite, "synchronous") == 1, "NORMAL: safe with a WAL"
    assert pragma(sqlite, "busy_timeout") == 5000


def test_a_reader_does_not_wait_for_a_writer(sqlite: Store) -> None:
    with writing(sqlite.engine) as session:
        session.connection().execute(text("DELETE FROM health"))
        assert sqlite.ledger.count() == 0


def test_writers_take_turns(sqlite: Store) -> None:
    def write() -> None:
        for _ in range(5):
            sqlite.ledger.record(make.experiment())

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sqlite.ledger.count() == 30


def test_nothing_is_opened_before_the_first_use(tmp_path: Path) -> None:
    connect(f"postgresql+psycopg://u:{SECRET}@192.0.2.1/none", tmp_path / "unused.db")
    connect(None, tmp_path / "spotlab.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_an_address_as_providers_write_it_is_taken(scheme: str, tmp_path: Path) -> None:
    engine = connect(f"{scheme}://u:{SECRET}@192.0.2.1:5433/name", tmp_path / "unused.db")
    assert engine.dialect.driver == "psycopg"
    assert (engine.url.host, engine.url.port, engine.url.database) == ("192.0.2.1", 5433, "name")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"postgresql//u:{SECRET}@host", "SPOTLAB_DATABASE_URL is not a database URL"),
        (f"postgresql+psycopg://u:{SECRET}@host:port/x", "is not a database URL"),
        (f"mysql://u:{SECRET}@host/x", "begins with 'mysql', which is not supported"),
        ("sqlite:///x.db", "begins with 'sqlite'"),
    ],
)
def test_a_bad_address_says_what_would_be_right(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(InvalidSetting, match=message) as caught:
        connect(url, tmp_path / "unused.db")
    assert "postgresql://" in caught.value.remedy
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "where", [f"u:{SECRET}@127.0.0.1:1/x", f"127.0.0.1:1/x?user=u&password={SECRET}"]
)
def test_a_server_that_does_not_answer_is_named_without_its_password(
    tmp_path: Path, where: str
) -> None:
    url = f"postgresql+psycopg://{where}"
    with pytest.raises(DatabaseDown, match=r"127\.0\.0\.1:1/x does not answer") as caught:
        open_store(url, tmp_path / "unused.db")
    assert "refused" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert SECRET not in address(connect(url, tmp_path / "unused.db"))


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DatabaseDown, match=r"file/home/spotlab\.db cannot be opened"):
        open_store(None, tmp_path / "file" / "home" / "spotlab.db")


def test_a_read_leaves_no_transaction_behind(store: Store) -> None:
    with reading(store.engine) as session:
        session.connection().execute(text("SELECT 1"))
    with writing(store.engine) as session:
        session.connection().execute(text("DELETE FROM health"))
    assert store.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
