"""Consistent copies of a database that is in use, with the number of rows per table.

Restoring a copy is in `restore` and `restore_postgres`.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, text

from spotlab.errors import DatabaseDown, NotAvailable
from spotlab.store.failures import address, is_sqlite, translated
from spotlab.store.pooler import require_session
from spotlab.store.tables.metadata import METADATA

REVISIONS: Final = "alembic_version"
TABLES: Final = (*sorted(METADATA.tables), REVISIONS)
_REVISION: Final = "SELECT version_num FROM alembic_version"
_CLIENT_FOLDERS: Final = "/usr/lib/postgresql/*/bin"
"""Where Debian installs the clients of each version."""


@dataclass(frozen=True, slots=True)
class Dump:
    """A copy of a database.

    Args:
        dialect: "sqlite" or "postgresql".
        revision: of its tables.
        schema: PostgreSQL's schema; "" for SQLite.
        counts: rows by table, at the time of the copy.
    """

    dialect: str
    revision: str
    schema: str
    counts: dict[str, int]


def dump(engine: Engine, target: Path) -> Dump:
    """Copy a database into a file, without blocking writers.

    Args:
        engine: a migrated database.
        target: a file that does not exist yet.
    Raises:
        DatabaseDown: it does not answer, or was never migrated.
        NotAvailable: no space for the copy, pg_dump is absent or too old, or a pooler is in
            transaction mode.
    """
    return _dump_sqlite(engine, target) if is_sqlite(engine) else _dump_postgres(engine, target)


def _dump_sqlite(engine: Engine, target: Path) -> Dump:
    source_path = Path(engine.url.database or "")
    if not source_path.is_file():
        raise DatabaseDown(f"There is no database {source_path}.", remedy="Check the home.")
    try:
        with closing(_open(source_path)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
        merge_wal(target)
        return inspect_copy(target)
    except sqlite3.Error as exc:
        raise NotAvailable(
            f"The database could not be copied: {exc}.", remedy="Check the free disk space."
        ) from exc


def merge_wal(path: Path) -> None:
    """Merge the write-ahead log of a SQLite database that no other process uses into its file."""
    with closing(_open(path)) as copy:
        copy.execute("PRAGMA journal_mode = DELETE")


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=30.0)


def inspect_copy(path: Path) -> Dump:
    """Check a SQLite copy and count its rows.

    Raises:
        DatabaseDown: it is damaged, or was never migrated.
    """
    try:
        with closing(_open(path)) as copy:
            result = copy.execute("PRAGMA integrity_check").fetchone()[0]
            if result != "ok":
                raise DatabaseDown(f"The copy of the database is damaged: {result}.")
            tables = {
                name
                for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            if REVISIONS not in tables:
                raise DatabaseDown("This database was never migrated by SpotLab.")
            counts = {
                name: int(copy.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])  # noqa: S608
                for name in TABLES
                if name in tables
            }
            revision = str(copy.execute(_REVISION).fetchone()[0])
    except sqlite3.Error as exc:
        raise DatabaseDown(f"The copy of the database cannot be read: {exc}.") from exc
    return Dump("sqlite", revision, "", counts)


def _dump_postgres(engine: Engine, target: Path) -> Dump:
    require_session(engine, "A backup")
    with translated(engine), engine.connect() as connection:
        connection = connection.execution_options(isolation_level="REPEATABLE READ")
        schema = str(connection.execute(text("SELECT current_schema()")).scalar_one())
        tables = existing_tables(connection, schema)
        if REVISIONS not in tables:
            raise DatabaseDown(f"The database {address(engine)} was never migrated by SpotLab.")
        server = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10_000
        # With the same snapshot, pg_dump reads exactly the rows that are counted here.
        snapshot = str(connection.execute(text("SELECT pg_export_snapshot()")).scalar_one())
        counts = count_rows(connection, schema, tables)
        revision = str(connection.execute(text(_REVISION)).scalar_one())
        table_options = [f'--table="{schema}"."{name}"' for name in tables]
        _run_on_engine(
            engine,
            [
                client_path("pg_dump", server),
                "--format=custom",
                "--no-owner",
                "--no-privileges",
                f"--snapshot={snapshot}",
                f"--file={target}",
                *table_options,
            ],
        )
    return Dump("postgresql", revision, schema, counts)


def existing_tables(connection: Connection, schema: str) -> list[str]:
    """SpotLab's tables in a schema, sorted."""
    query = text("SELECT tablename FROM pg_tables WHERE schemaname = :schema")
    names = set(connection.execute(query, {"schema": schema}).scalars())
    return sorted(names & set(TABLES))


def count_rows(connection: Connection, schema: str, tables: Sequence[str]) -> dict[str, int]:
    """Number of rows by table."""
    counts = {}
    for name in tables:
        query = text(f'SELECT count(*) FROM "{schema}"."{name}"')  # noqa: S608 (our own names)
        counts[name] = int(connection.execute(query).scalar_one())
    return counts


def client_path(name: str, server: int) -> str:
    """The path of a PostgreSQL client that is new enough for a server.

    Args:
        name: "pg_dump", "pg_restore" or "psql".
        server: its major version.
    Raises:
        NotAvailable: there is none, or only older ones.
    """
    on_path = shutil.which(name)
    installed = sorted(str(folder / name) for folder in Path("/").glob(_CLIENT_FOLDERS[1:]))
    too_old = []
    for path in [*([on_path] if on_path else []), *reversed(installed)]:
        if os.access(path, os.X_OK) and (version := _version(path)):
            if version >= server:
                return path
            too_old.append(version)
    remedy = f"Install PostgreSQL's client of version {server} or newer."
    if too_old:
        raise NotAvailable(
            f"{name} has version {max(too_old)}, which is too old for the server's {server}.",
            remedy=remedy,
        )
    raise NotAvailable(f"{name} is not on PATH.", remedy=remedy)


def _version(path: str) -> int | None:
    result = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10)
    number = re.search(r"(\d+)(?:\.|devel|beta|rc|$| )", result.stdout)
    return int(number.group(1)) if number else None


def _run_on_engine(engine: Engine, command: Sequence[str]) -> None:
    """Run a PostgreSQL client on an engine's database; the password is not in its arguments.

    Raises:
        DatabaseDown: it failed; with its first error message.
        NotAvailable: it cannot be run.
    """
    name, password = Path(command[0]).name, str(engine.url.password or "")
    env = {**os.environ, "PGCONNECT_TIMEOUT": "10", "PGAPPNAME": "spotlab copy"}
    if password:
        env["PGPASSWORD"] = password
    dsn = engine.url.set(drivername="postgresql", password=None).render_as_string()
    try:
        result = subprocess.run(
            [*command, f"--dbname={dsn}"], env=env, stdin=subprocess.DEVNULL, capture_output=True
        )
    except OSError as exc:
        raise NotAvailable(f"{name} cannot be run: {exc.strerror}.") from exc
    if result.returncode:
        lines = result.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        reason = next((line for line in lines if "rror" in line), lines[0]).rstrip(".")
        if password:
            reason = reason.replace(password, "***")
        raise DatabaseDown(
            f"{name} on {address(engine)} failed: {reason}.", remedy="Nothing was changed."
        )
