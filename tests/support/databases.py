"""Fresh SQLite and PostgreSQL databases for tests.

A conftest imports the fixtures that it needs: `store` (migrated and empty), `database` (not
migrated). Tests run once for each kind; PostgreSQL is skipped if no server responds.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL, make_url

from spotlab.store import Store, open_store
from spotlab.store.tables.metadata import METADATA
from tests.support.migrated import copy_to

POSTGRES_URL = os.environ.get(
    "SPOTLAB_TEST_POSTGRES_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/test"
)
KINDS = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))


@dataclass(frozen=True)
class Database:
    """The location of a database: the arguments of `open_store`."""

    url: str | None
    sqlite_path: Path

    @property
    def kind(self) -> str:
        return "postgres" if self.url else "sqlite"

    def open(self) -> Store:
        return open_store(self.url, self.sqlite_path)

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """The store, closed at the end."""
        store = self.open()
        try:
            yield store
        finally:
            store.close()


@cache
def _why_no_postgres() -> str | None:
    try:
        _administer(sql.SQL("SELECT 1"))
    except psycopg.OperationalError as exc:
        return (
            f"no PostgreSQL server responds (SPOTLAB_TEST_POSTGRES_URL): {str(exc).splitlines()[0]}"
        )
    return None


def _administer(statement: sql.Composable) -> None:
    url = make_url(POSTGRES_URL).set(drivername="postgresql")
    target = url.render_as_string(hide_password=False)
    with psycopg.connect(target, autocommit=True, connect_timeout=3) as connection:
        connection.execute(statement)


@contextmanager
def fresh_postgres(like: str = "") -> Iterator[str]:
    """The URL of a new database, dropped at the end; skips the test if there is no server.

    Args:
        like: URL of an unused database to copy; "": the new one is empty.
    """
    reason = _why_no_postgres()
    if reason:
        pytest.skip(reason)
    name = f"spotlab_test_{secrets.token_hex(6)}"
    database = sql.Identifier(name)
    copied = sql.Identifier((like and make_url(like).database) or "template1")
    _administer(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(database, copied))
    try:
        _administer(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(database))
        url: URL = make_url(POSTGRES_URL).set(database=name)
        yield url.render_as_string(hide_password=False)
    finally:
        _administer(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))


@pytest.fixture(scope="session")
def migrated_postgres() -> Iterator[str]:
    """The URL of a migrated, empty PostgreSQL database; it is only copied."""
    with fresh_postgres() as url:
        open_store(url, Path("unused.db")).close()
        yield url


@pytest.fixture(scope="module")
def postgres_url(migrated_postgres: str) -> Iterator[str]:
    """The URL of this module's own PostgreSQL database, migrated and at first empty."""
    with fresh_postgres(like=migrated_postgres) as url:
        yield url


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database of each kind."""
    path = tmp_path / "home" / "spotlab.db"
    if request.param == "sqlite":
        yield Database(None, path)
        return
    with fresh_postgres() as url:
        yield Database(url, path)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A migrated, empty store of each kind; PostgreSQL's is emptied instead of created again."""
    path = tmp_path / "home" / "spotlab.db"
    if request.param == "sqlite":
        copy_to(path)
        url = None
    else:
        url = request.getfixturevalue("postgres_url")
    with Database(url, path).opened() as opened:
        if url:
            empty(opened)
        yield opened


def empty(store: Store) -> None:
    """Delete all rows of a store, and start its sequences again."""
    # TRUNCATE would take ten times as long.
    statements = [f'DELETE FROM "{table.name}"' for table in METADATA.tables.values()]
    with store.engine.begin() as connection:
        several = connection.execution_options(no_parameters=True)  # takes several statements
        several.exec_driver_sql("; ".join([*statements, _RESTART_SEQUENCES]))


_RESTART_SEQUENCES = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
FROM pg_sequences WHERE last_value IS NOT NULL
"""
