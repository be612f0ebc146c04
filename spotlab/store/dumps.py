"""A database copied whole while others write in it, and how many rows each table of it has.

Bringing a copy back is in `restoring`.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, text

from spotlab.errors import DatabaseDown, NotAvailable
from spotlab.store.failures import address, is_sqlite, translated
from spotlab.store.tables.metadata import METADATA

REVISIONS: Final = "alembic_version"
TABLES: Final = (
    *sorted(METADATA.tables),
    REVISIONS,
)
_REVISION: Final = "SELECT version_num FROM alembic_version"
_CLIENT_FOLDERS: Final = "/usr/lib/postgresql/*/bin"
"""Where Debian keeps the clients of each version."""


@dataclass(frozen=True, slots=True)
class Dump:
    """A copy of a database.

    Args:
        dialect: "sqlite" or "postgresql".
        revision: of its tables.
        schema: of PostgreSQL; "" for SQLite.
        counts: rows by table, at the moment of the copy.
    """

    dialect: str
    revision: str
    schema: str
    counts: dict[str, int]


def dump(engine: Engine, target: Path) -> Dump:
    """Copy a database into a file; writers are not kept waiting.

    Args:
        engine: a migrated database.
        target: a file that does not exist yet.
    Raises:
        DatabaseDown: it does not answer, or was never migrated.
        NotAvailable: no room for the copy, or pg_dump is absent or too old.
    """
    return _dump_sqlite(engine, target) if is_sqlite(engine) else _dump_postgres(engine, target)


def _dump_sqlite(engine: Engine, target: Path) -> Dump:
    source_path = Path(engine.url.database or "")
    if not source_path.is_file():
        raise DatabaseDown(f"There is no database {source_path}.", remedy="Name the home.")
    try:
        with closing(_open(source_path)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
        one_file(target)
        return examined(target)
    except sqlite3.Error as exc:
        raise NotAvailable(
            f"The database could not be copied: {exc}.", remedy="Check the space on the disk."
        ) from exc


def one_file(path: Path) -> None:
    """Bring a SQLite database that nobody else uses into one file, without a log beside it."""
    with closing(_open(path)) as copy:
        copy.execute("PRAGMA journal_mode = DELETE")


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=30.0)


def examined(path: Path) -> Dump:
    """What a SQLite copy holds, read from the copy itself.

    Raises:
        DatabaseDown: it is damaged, or was never migrated.
    """
    try:
        with closing(_open(path)) as copy:
            said = copy.execute("PRAGMA integrity_check").fetchone()[0]
            if said != "ok":
                raise DatabaseDown(f"The copy of the database is damaged: {said}.")
            there = {
                name
                for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            if REVISIONS not in there:
                raise DatabaseDown("SpotLab never migrated this database.")
            counts = {
                name: int(copy.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])  # noqa: S608
                for name in TABLES
                if name in there
            }
            revision = str(copy.execute(_REVISION).fetchone()[0])
    except sqlite3.Error as exc:
        raise DatabaseDown(f"The copy of the database cannot be read: {exc}.") from exc
    return Dump("sqlite", revision, "", counts)


def _dump_postgres(engine: Engine, target: Path) -> Dump:
    with translated(engine), engine.connect() as connection:
        connection = connection.execution_options(isolation_level="REPEATABLE READ")
        schema = str(connection.execute(text("SELECT current_schema()")).scalar_one())
        there = existing_tables(connection, schema)
        if REVISIONS not in there:
            raise DatabaseDown(f"SpotLab never migrated the database {address(engine)}.")
        server = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10_000
        # What is counted here is what pg_dump sees, whoever writes meanwhile.
        snapshot = str(connection.execute(text("SELECT pg_export_snapshot()")).scalar_one())
        counts = count_rows(connection, schema, there)
        revision = str(connection.execute(text(_REVISION)).scalar_one())
        chosen = [f'--table="{schema}"."{name}"' for name in there]
        run_on_engine(
            engine,
            [
                client_path("pg_dump", server),
                "--format=custom",
                "--no-owner",
                "--no-privileges",
                f"--snapshot={snapshot}",
                f"--file={target}",
                *chosen,
            ],
        )
    return Dump("postgresql", revision, schema, counts)


def existing_tables(connection: Connection, schema: str) -> list[str]:
    """Which of SpotLab's tables a schema has, sorted."""
    query = text("SELECT tablename FROM pg_tables WHERE schemaname = :schema")
    found = set(connection.execute(query, {"schema": schema}).scalars())
    return sorted(found & set(TABLES))


def count_rows(connection: Connection, schema: str, tables: Sequence[str]) -> dict[str, int]:
    """Rows by table."""
    counts = {}
    for name in tables:
        query = text(f'SELECT count(*) FROM "{schema}"."{name}"')  # noqa: S608 (names of ours)
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
    beside = sorted(str(place / name) for place in Path("/").glob(f"{_CLIENT_FOLDERS[1:]}"))
    seen = []
    for path in [*([on_path] if on_path else []), *reversed(beside)]:
        if os.access(path, os.X_OK) and (version := _version(path)):
            if version >= server:
                return path
            seen.append(version)
    remedy = f"Install PostgreSQL's client of version {server} or newer."
    if seen:
        raise NotAvailable(
            f"{name} is of version {max(seen)}, the server of {server}: it would refuse.",
            remedy=remedy,
        )
    raise NotAvailable(f"{name} is not on PATH.", remedy=remedy)


def _version(path: str) -> int | None:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10)
    found = re.search(r"(\d+)(?:\.|devel|beta|rc|$| )", said.stdout)
    return int(found.group(1)) if found else None


def run_on_engine(engine: Engine, command: Sequence[str]) -> None:
    """Run a PostgreSQL client on an engine's database; its password stays out of the arguments.

    Raises:
        DatabaseDown: it failed; says its first complaint.
    """
    password = engine.url.password
    own = {"PGPASSWORD": str(password)} if password else {}
    env = {**os.environ, "PGCONNECT_TIMEOUT": "10", "PGAPPNAME": "spotlab copy", **own}
    run([*command, f"--dbname={_dsn(engine)}"], address(engine), env, str(password or ""))


def run(
    command: Sequence[str], about: str, env: Mapping[str, str] | None = None, secret: str = ""
) -> None:
    """Run a PostgreSQL client.

    Args:
        command: its path and arguments.
        about: what it works on, in words.
        env: None: this process's.
        secret: is taken out of what it complains; "": there is none.
    Raises:
        DatabaseDown: it failed; says its first complaint.
        NotAvailable: it cannot be run.
    """
    name = Path(command[0]).name
    try:
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True)
    except OSError as exc:
        raise NotAvailable(f"{name} cannot be run: {exc.strerror}.") from exc
    if done.returncode:
        complaint = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        first = next((line for line in complaint if "rror" in line), complaint[0]).rstrip(".")
        told = first.replace(secret, "***") if secret else first
        raise DatabaseDown(f"{name} on {about} failed: {told}.", remedy="Nothing was changed.")


def _dsn(engine: Engine) -> str:
    return engine.url.set(drivername="postgresql", password=None).render_as_string()
