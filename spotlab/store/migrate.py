"""Migrating a database to the revision that this version needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine, inspect, text

from spotlab.errors import DatabaseDown
from spotlab.store.engine import writer
from spotlab.store.failures import address, translated

if TYPE_CHECKING:
    from alembic.config import Config

_SCRIPTS: Final = Path(__file__).resolve().parent / "migrations"
_LOCK_KEY: Final = 7_368_912_455
"""Key of the PostgreSQL advisory lock that lets one process migrate at a time."""


def upgrade(engine: Engine, revision: str = "head") -> tuple[str | None, str]:
    """Migrate to the newest revision in one transaction.

    If two processes start at the same time, the second waits for the first and has nothing to do.

    Args:
        engine: the database.
        revision: an earlier one, to create tables as they were then.
    Returns:
        The revision before (None: an empty database) and after.
    Raises:
        DatabaseDown: it cannot be reached or written, or was made by a newer SpotLab.
    """
    newest = head() if revision == "head" else revision
    with translated(engine), writer(engine).begin() as connection:
        _take_lock(connection)
        before = _revision(connection)
        _check_revision(engine, before)
        if before != newest:
            from alembic import command

            command.upgrade(alembic_config(connection), newest)
    return before, newest


def upgrade_in_transaction(connection: Connection, revision: str) -> None:
    """Migrate within the caller's transaction."""
    from alembic import command

    _take_lock(connection)
    command.upgrade(alembic_config(connection), revision)


def current(engine: Engine) -> str | None:
    """The revision of a database; None: never migrated.

    Raises:
        DatabaseDown: it cannot be reached.
    """
    with translated(engine), engine.connect() as connection:
        return _revision(connection)


def head() -> str:
    """The revision that this version needs."""
    return max(_revisions())


def is_known(revision: str) -> bool:
    """Whether this version has a revision; if not, a newer SpotLab made it."""
    return revision in _revisions()


def _revisions() -> set[str]:
    """Every revision, by the names of the scripts: reading those takes longer than all the rest of
    opening a database that is up to date."""
    scripts = (_SCRIPTS / "versions").glob("r[0-9]*.py")
    return {script.name.partition("_")[0] for script in scripts}


def _take_lock(connection: Connection) -> None:
    # SQLite's write lock is held since BEGIN IMMEDIATE; PostgreSQL has none for a whole database.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(
        text("SELECT version_num FROM alembic_version")
    ).scalar()
    return revision


def _check_revision(engine: Engine, revision: str | None) -> None:
    if revision is not None and not is_known(revision):
        raise DatabaseDown(
            f"The database {address(engine)} was made by a newer SpotLab (revision {revision}).",
            remedy="Upgrade SpotLab, or use another database or home.",
        )


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration; a migration needs an open connection."""
    from alembic.config import Config

    config = Config()
    # Alembic reads "%" in an option as the start of a reference.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
