"""The store as a whole: its repositories, ping, facts, and reopening."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from spotlab.domain.ports import Archive, Fleet, HealthLog, Ledger, ModelRegistry
from spotlab.errors import DatabaseDown
from spotlab.store import Store, migrate, open_store


def test_it_offers_every_port(store: Store) -> None:
    ports: tuple[Archive, Ledger, Fleet, ModelRegistry, HealthLog] = (
        store.archive,
        store.ledger,
        store.fleet,
        store.registry,
        store.health,
    )
    assert all(ports)


def test_a_ping_says_how_long_it_took(store: Store) -> None:
    assert 0.0 < store.ping() < 5.0


def test_it_describes_itself(store: Store) -> None:
    about = store.describe()
    assert about["dialect"] in {"SQLite", "PostgreSQL"}
    assert str(about["version"])[0].isdigit()
    assert about["revision"] == migrate.head()
    assert int(about["size_bytes"]) > 4096
    assert str(about["address"]) in str(store.engine.url)


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    from tests.support import builders as make

    path = tmp_path / "spotlab.db"
    first = open_store(None, path)
    number = first.ledger.record(make.experiment())
    first.close()

    second = open_store(None, path)
    assert asdict(second.ledger.get(number)) == asdict(make.experiment(experiment_id=number))
    second.close()


def test_a_ping_notices_a_database_that_is_gone(tmp_path: Path) -> None:
    store = open_store(None, tmp_path / "home" / "spotlab.db")
    store.close()
    for file in (tmp_path / "home").iterdir():
        file.unlink()
    (tmp_path / "home").rmdir()
    with pytest.raises(DatabaseDown, match="cannot be opened"):
        store.ping()
