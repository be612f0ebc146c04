"""PostgreSQL behind a pooler in transaction mode."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from spotlab.domain.market import MarketName
from spotlab.errors import DatabaseDown
from spotlab.store import Store, open_store
from spotlab.store.engine import connect, lock_until_commit, reading, writing
from tests.support import builders as make
from tests.support.databases import migrated_postgres, postgres_url
from tests.support.transaction_pooler import pooled

__all__ = ["migrated_postgres", "postgres_url"]
pytestmark = pytest.mark.postgres
REPEATS = 12
"""The driver prepares a statement that it runs for the sixth time."""


@pytest.fixture
def pooler_url(postgres_url: str) -> Iterator[str]:
    with pooled(postgres_url) as url:
        yield url


@pytest.fixture
def store(pooler_url: str, tmp_path: Path) -> Iterator[Store]:
    opened = open_store(pooler_url, tmp_path / "unused.db", "transaction")
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


def test_a_read_only_session_has_the_limit_too(store: Store) -> None:
    for _ in range(REPEATS):
        with reading(store.engine) as session:
            limit = session.connection().execute(text("SHOW lock_timeout")).scalar_one()
            assert limit == "5s"
