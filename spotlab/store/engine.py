"""Engines, read and write sessions, fencing, and inserts that both databases understand."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal
from weakref import WeakKeyDictionary

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    column,
    create_engine,
    event,
    inspect,
    make_url,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError
from sqlmodel import Session, SQLModel

from spotlab.errors import DatabaseDown, Fenced, InvalidSetting
from spotlab.store.failures import STILL_READABLE, translated
from spotlab.store.types import to_json

BUSY_TIMEOUT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 5
STATEMENT_TIMEOUT_S: Final = 30
POSTGRES: Final = "postgresql+psycopg"
_DRIVERLESS_SCHEMES: Final = ("postgresql", "postgres")
"""URL schemes as PostgreSQL providers write them, without a driver."""
_REMEDY: Final = "Use postgresql://user:password@host:5432/name, or leave it empty for SQLite."


Pooling = Literal["session", "transaction"]
"""Whether a connection keeps its server process between transactions, or a pooler changes it."""


def connect(url: str | None, sqlite_path: Path, pooling: Pooling = "session") -> Engine:
    """Create an engine; it connects on first use.

    Args:
        url: `postgresql://…`, also with `+psycopg`; None or "": use the SQLite file.
        sqlite_path: used if there is no url; its folder is created, readable by its owner only.
        pooling: see the setting `database_pooling`.
    Raises:
        InvalidSetting: the url cannot be used. The message never contains the url, which may hold
            a password.
        DatabaseDown: the folder cannot be created.
    """
    return _postgres(_parse(url), pooling) if url else _sqlite(sqlite_path)


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Open a short read-only session, which never waits for a writer.

    Raises:
        DatabaseDown: see `failures.translated`.
    """
    with translated(engine), Session(engine) as session:
        yield session


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """Open a short session that commits at its end and rolls back on an error.

    On SQLite it holds the write lock from the start: a transaction that reads before it writes
    could not wait for another writer and would fail immediately.

    Inside `fenced`, it first checks that the lease is still held.

    Raises:
        DatabaseDown: see `failures.translated`; nothing was written.
        Fenced: another process is the leader now; nothing was written.
    """
    try:
        with translated(engine), Session(writer(engine)) as session, session.begin():
            for fence in _fences.get():
                _check_fence(session, fence)
            yield session
    except DatabaseDown as exc:
        if exc.what in STILL_READABLE:
            _write_failures[engine] = str(exc)
        raise
    _write_failures.pop(engine, None)


_write_failures: WeakKeyDictionary[Engine, str] = WeakKeyDictionary()


def write_failure(engine: Engine) -> str:
    """Why this process's last write failed although reads still work; "": it did not fail."""
    return _write_failures.get(engine, "")


@dataclass(frozen=True, slots=True)
class Fence:
    """The lease that a process must still hold when it writes.

    Args:
        lease: its name.
        token: the fencing token; it grows with every new holder.
        run: id of the job run, which must still be running; None: not part of a run.
    """

    lease: str
    token: int
    run: int | None = None


_LEASE_QUERY: Final = "SELECT token FROM leases WHERE name = :name"
_RUN_QUERY: Final = "SELECT state FROM job_runs WHERE id = :run"
_ROW_LOCKS: Final = {"leases": " FOR KEY SHARE", "job_runs": " FOR SHARE"}
"""On PostgreSQL, these locks keep others from taking over the lease (FOR UPDATE) or ending the run
before the commit, but let the holder's heartbeats through. SQLite has one writer anyway."""
_IDLE_TIMEOUT: Final = text(f"SET LOCAL idle_in_transaction_session_timeout = '{BUSY_TIMEOUT_S}s'")
"""A leader that freezes during a transaction must not keep others from taking over."""
_fences: ContextVar[tuple[Fence, ...]] = ContextVar("fences", default=())


@contextmanager
def fenced(fence: Fence) -> Iterator[None]:
    """Make every write transaction in this context fail once another process holds the lease."""
    reset = _fences.set((*_fences.get(), fence))
    try:
        yield
    finally:
        _fences.reset(reset)


def fences() -> tuple[Fence, ...]:
    """The fences of this context, for a process that works on its behalf."""
    return _fences.get()


def _check_fence(session: Session, fence: Fence) -> None:
    postgres = session.get_bind().dialect.name == "postgresql"
    connection = session.connection()
    if postgres:
        connection.execute(_IDLE_TIMEOUT)

    def select_locked(query: str, table: str, **parameters: object) -> Any:
        lock = _ROW_LOCKS[table] if postgres else ""
        return connection.execute(text(query + lock), parameters).scalar()

    token = select_locked(_LEASE_QUERY, "leases", name=fence.lease)
    if token != fence.token:
        raise Fenced(
            f"Another process holds the lease {fence.lease} now (token {token}; this process had "
            f"{fence.token}).",
            remedy="Nothing was written; the leader does this work.",
        )
    if fence.run is not None and select_locked(_RUN_QUERY, "job_runs", run=fence.run) != "running":
        raise Fenced(
            f"Run {fence.run} was ended by another process.", remedy="Nothing more is written."
        )


def writer(engine: Engine) -> Engine:
    """The same engine, for transactions that write."""
    return engine.execution_options(spotlab_writes=True)


def lock_until_commit(session: Session, name: str) -> None:
    """Hold the lock `name` until this transaction ends; others who take it wait."""
    # SQLite has one writer anyway, since BEGIN IMMEDIATE.
    if session.get_bind().dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
        session.connection().execute(lock, {"name": f"spotlab:{name}"})


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise InvalidSetting(
            "SPOTLAB_DATABASE_URL is not a database URL.", remedy=_REMEDY
        ) from None
    if parsed.drivername in _DRIVERLESS_SCHEMES:
        parsed = parsed.set(drivername=POSTGRES)
    if parsed.drivername != POSTGRES:
        raise InvalidSetting(
            f"SPOTLAB_DATABASE_URL begins with {parsed.drivername!r}, which is not supported.",
            remedy=_REMEDY,
        )
    return parsed


def _sqlite(path: Path) -> Engine:
    engine = _create(
        URL.create("sqlite", database=str(path)),
        # None: the begin event below starts transactions, not the driver.
        connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_S},
    )
    with translated(engine):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    event.listen(engine, "connect", partial(_prepare_sqlite, path.parent))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgres(url: URL, pooling: Pooling) -> Engine:
    pooled = pooling == "transaction"
    engine = _create(
        url,
        pool_pre_ping=True,
        pool_timeout=CONNECT_TIMEOUT_S,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "tcp_user_timeout": CONNECT_TIMEOUT_S * 1000,
            "application_name": "spotlab",
            # A prepared statement stays with the server process, which the pooler changes.
            **({"prepare_threshold": None} if pooled else {}),
        },
    )
    if pooled:
        event.listen(engine, "begin", _limit_transaction)
    else:
        event.listen(engine, "connect", _prepare_postgres)
    return engine


def _create(url: URL, **options: Any) -> Engine:
    return create_engine(url, json_serializer=to_json, **options)


def _prepare_sqlite(folder: Path, connection: sqlite3.Connection, _record: object) -> None:
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        with _folder_lock(folder):
            connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


@contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """Lock a folder. If several processes switch a new file to WAL at the same time, SQLite fails
    all but one without waiting."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("spotlab_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare_postgres(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT_S}s'")
        cursor.execute(f"SET lock_timeout = '{BUSY_TIMEOUT_S}s'")
    connection.commit()


def _limit_transaction(connection: Connection) -> None:
    connection.exec_driver_sql(
        f"SELECT set_config('statement_timeout', '{STATEMENT_TIMEOUT_S}s', true), "
        f"set_config('lock_timeout', '{BUSY_TIMEOUT_S}s', true)"
    )


def upsert(
    session: Session,
    row: SQLModel,
    *,
    update: Collection[str] | None = None,
    unique: Collection[str] | None = None,
) -> None:
    """Insert a row, or update these columns of the row with the same key.

    Args:
        session: inside a transaction.
        row: the new values.
        update: columns to update; None: all but the key; empty: leave an existing row unchanged.
        unique: columns of the key; None: the primary key.
    """
    key, values = _key_and_values(row)
    if unique is not None:
        values = {name: each for name, each in values.items() if name not in key}
        key = list(unique)
    if update is None:
        update = [name for name in values if name not in key]
    statement = _insert(session, row, values)
    if not update:
        session.connection().execute(statement.on_conflict_do_nothing(index_elements=key))
        return
    session.connection().execute(
        statement.on_conflict_do_update(
            index_elements=key, set_={name: statement.excluded[name] for name in update}
        )
    )


def add_to(session: Session, row: SQLModel, name: str) -> None:
    """Insert a row, or add its value of a column to that of the row with the same key."""
    key, values = _key_and_values(row)
    statement = _insert(session, row, values)
    session.connection().execute(
        statement.on_conflict_do_update(
            index_elements=key,
            set_={name: inspect(type(row)).local_table.c[name] + statement.excluded[name]},
        )
    )


def insert_new(session: Session, row: SQLModel) -> bool:
    """Insert a row unless a unique key of it exists; of several callers at once, one gets True.

    Args:
        session: inside a transaction.
        row: the values; a key that is None is assigned by the database.
    """
    key, values = _key_and_values(row)
    values = {name: value for name, value in values.items() if name not in key or value is not None}
    # Drivers report -1 as row count of an insert, so ask for the inserted key.
    statement = _insert(session, row, values).on_conflict_do_nothing().returning(*map(column, key))
    return session.connection().execute(statement).first() is not None


def insert_new_rows(
    session: Session, row: type[SQLModel], rows: Sequence[Mapping[str, Any]]
) -> set[Any]:
    """Insert rows into a table, except those of which a unique key exists.

    Args:
        session: inside a transaction.
        row: the table, with a primary key of one column.
        rows: values by column.
    Returns:
        The primary keys inserted.
    """
    if not rows:
        return set()
    table = inspect(row).local_table
    (key,) = inspect(row).primary_key
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).on_conflict_do_nothing().returning(key)
    return set(session.connection().execute(statement, list(rows)).scalars())


def _key_and_values(row: SQLModel) -> tuple[list[str], dict[str, Any]]:
    table = inspect(type(row)).local_table
    values = {each.name: getattr(row, each.name) for each in table.columns}
    return [each.name for each in table.primary_key], values


def _insert(session: Session, row: SQLModel, values: dict[str, Any] | list[dict[str, Any]]) -> Any:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(type(row)).values(values)
