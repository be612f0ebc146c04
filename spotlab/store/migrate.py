"""Bring a database's tables to what this SpotLab needs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, text

from spotlab.errors import DatabaseDown
from spotlab.store.engine import writer
from spotlab.store.failures import address, translated

_SCRIPTS: Final = Path(__file__).resolve().parent / "migrations"
_LOCK_KEY: Final = 7_368_912_455
"""Of the PostgreSQL advisory lock that lets one process migrate at a time."""


def upgrade(engine: Engine, revision: str = "head") -> tuple[str | None, str]:
    """Migrate to the newest revision, all of it or nothing.

    Two processes may start at once: the second waits for the first, and finds nothing to do.

    Args:
        engine: the database.
        revision: a former one, for a database that is to be made as it was then.
    Returns:
        The revision before (None: an empty database) and after.
    Raises:
        DatabaseDown: it cannot be reached or written, or a newer SpotLab made it.
    """
    newest = head() if revision == "head" else revision
    with translated(engine), writer(engine).begin() as connection:
        _take_lock(connection)
        before = _revision(connection)
        _check_revision(engine, before)
        if before != newest:
            command.upgrade(alembic_config(connection), newest)
    return before, newest


def upgrade_in_transaction(connection: Connection, revision: str) -> None:
    """Migrate in an open transaction of somebody's own."""
    _take_lock(connection)
    command.upgrade(alembic_config(connection), revision)


def current(engine: Engine) -> str | None:
    """The revision a database is at; None where SpotLab never migrated it.

    Raises:
        DatabaseDown: it cannot be reached.
    """
    with translated(engine), engine.connect() as connection:
        return _revision(connection)


def head() -> str:
    """The revision this SpotLab needs."""
    revision = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert revision is not None, "the package carries its migrations"
    return revision


def _take_lock(connection: Connection) -> None:
    # SQLite's write lock is held since BEGIN IMMEDIATE; PostgreSQL has none for a whole database.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _check_revision(engine: Engine, revision: str | None) -> None:
    if revision is None:
        return
    try:
        ScriptDirectory.from_config(alembic_config()).get_revision(revision)
    except CommandError:
        raise DatabaseDown(
            f"The database {address(engine)} was made by a newer SpotLab (revision {revision}).",
            remedy="Upgrade SpotLab, or name another database or home.",
        ) from None


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, with an open connection where something is to be migrated."""
    config = Config()
    # Alembic reads "%" in an option as the start of a reference.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
