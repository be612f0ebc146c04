"""Engines, sessions and the one place where database errors are translated."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError
from sqlmodel import Session, SQLModel

from spotlab.errors import DatabaseDown, Fenced, InvalidSetting
from spotlab.store.failures import READABLE, translated
from spotlab.store.types import to_json

BUSY_TIMEOUT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 5
STATEMENT_TIMEOUT_S: Final = 30
POSTGRES: Final = "postgresql+psycopg"
_DRIVERLESS_SCHEMES: Final = ("postgresql", "postgres")
"""Schemes of the addresses that providers of PostgreSQL give; they name no driver."""
_REMEDY: Final = (
    "Use postgresql://user@host:5432/name, with the password behind the user, or leave it empty "
    "for SQLite."
)


def connect(url: str | None, sqlite_path: Path) -> Engine:
    """An engine; nothing is opened before its first use.

    Args:
        url: `postgresql://…`, also with `+psycopg`; None or "": the SQLite file.
        sqlite_path: used when there is no url; its folder is made, for its owner only.
    Raises:
        InvalidSetting: the url is none that can be used. It is never echoed: it may hold a
            password.
        DatabaseDown: the folder cannot be made.
    """
    return _postgres(_parse(url)) if url else _sqlite(sqlite_path)


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A short session that changes nothing, and waits for no writer.

    Raises:
        DatabaseDown: see `failures.translated`.
    """
    with translated(engine), Session(engine) as session:
        yield session


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A short session that commits at its end, and rolls everything back on an error.

    On SQLite it holds the write lock from its first statement: a transaction that reads first
    and writes later could not wait for another writer, it would fail at once.

    Inside `fenced`, it first makes sure that its lease is still held.

    Raises:
        DatabaseDown: see `failures.translated`; nothing was written.
        Fenced: another process leads now; nothing was written.
    """
    try:
        with translated(engine), Session(writer(engine)) as session, session.begin():
            for fence in _fences.get():
                _check_fence(session, fence)
            yield session
    except DatabaseDown as exc:
        if exc.what in READABLE:
            _write_failures[engine] = str(exc)
        raise
    _write_failures.pop(engine, None)


_write_failures: WeakKeyDictionary[Engine, str] = WeakKeyDictionary()


def write_failure(engine: Engine) -> str:
    """Why the last write of this process was refused while reading goes on; "": it was not."""
    return _write_failures.get(engine, "")


@dataclass(frozen=True, slots=True)
class Fence:
    """A lease that a process held when it began.

    Args:
        lease: its name.
        token: grows with every new holder.
        run: of a job, which must not have been ended from outside; None: no run's.
    """

    lease: str
    token: int
    run: int | None = None


_LEASE_TOKEN: Final = "SELECT token FROM leases WHERE name = :name"
_RUN_STATE: Final = "SELECT state FROM job_runs WHERE id = :run"
_ROW_LOCKS: Final = {"leases": " FOR KEY SHARE", "job_runs": " FOR SHARE"}
"""PostgreSQL: nobody takes the lease over (FOR UPDATE) or ends the run between this look and the
commit, while the holder's beat passes. SQLite has one writer anyway."""
_IDLE_TIMEOUT: Final = text(f"SET LOCAL idle_in_transaction_session_timeout = '{BUSY_TIMEOUT_S}s'")
"""A leader that is frozen amid a transaction must not keep others from taking over."""
_fences: ContextVar[tuple[Fence, ...]] = ContextVar("fences", default=())


@contextmanager
def fenced(fence: Fence) -> Iterator[None]:
    """Let every transaction of this thread that writes fail once another holds the lease."""
    reset = _fences.set((*_fences.get(), fence))
    try:
        yield
    finally:
        _fences.reset(reset)


def _check_fence(session: Session, fence: Fence) -> None:
    postgres = session.get_bind().dialect.name == "postgresql"
    connection = session.connection()
    if postgres:
        connection.execute(_IDLE_TIMEOUT)

    def look(query: str, table: str, **about: object) -> Any:
        kept = _ROW_LOCKS[table] if postgres else ""
        return connection.execute(text(query + kept), about).scalar()

    held = look(_LEASE_TOKEN, "leases", name=fence.lease)
    if held != fence.token:
        raise Fenced(
            f"Another process leads {fence.lease} now (token {held}, this one's was "
            f"{fence.token}).",
            remedy="Nothing was written; the leader does this work.",
        )
    if fence.run is not None and look(_RUN_STATE, "job_runs", run=fence.run) != "running":
        raise Fenced(
            f"Run {fence.run} was ended while it was at work.", remedy="Nothing more is written."
        )


def writer(engine: Engine) -> Engine:
    """The same engine, for transactions that write."""
    return engine.execution_options(spotlab_writes=True)


def lock_until_commit(session: Session, name: str) -> None:
    """Let nobody else do what `name` names until this transaction ends."""
    # SQLite has one writer anyway, since BEGIN IMMEDIATE.
    if session.get_bind().dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
        session.connection().execute(lock, {"name": f"spotlab:{name}"})


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise InvalidSetting(
            "SPOTLAB_DATABASE_URL is no database address.", remedy=_REMEDY
        ) from None
    if parsed.drivername in _DRIVERLESS_SCHEMES:
        parsed = parsed.set(drivername=POSTGRES)
    if parsed.drivername != POSTGRES:
        raise InvalidSetting(
            f"SPOTLAB_DATABASE_URL names {parsed.drivername!r}, which SpotLab does not speak.",
            remedy=_REMEDY,
        )
    return parsed


def _sqlite(path: Path) -> Engine:
    engine = _create(
        URL.create("sqlite", database=str(path)),
        # None: SQLAlchemy's begin event below says when a transaction starts, not the driver.
        connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_S},
    )
    with translated(engine):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    event.listen(engine, "connect", partial(_prepare_sqlite, path.parent))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgres(url: URL) -> Engine:
    engine = _create(
        url,
        pool_pre_ping=True,
        pool_timeout=CONNECT_TIMEOUT_S,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "tcp_user_timeout": CONNECT_TIMEOUT_S * 1000,
            "application_name": "spotlab",
        },
    )
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
    """Hold a folder's lock: of several processes that switch a new file to WAL at once, SQLite
    lets one and refuses the others without waiting."""
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


def upsert(session: Session, row: SQLModel, *, update: Collection[str] | None = None) -> None:
    """Insert a row; where its primary key exists, update these columns instead.

    Args:
        session: inside a transaction.
        row: the new values.
        update: columns to take over from `row`; None: all but the key; none: the row that is
            there stays as it is.
    """
    table = inspect(type(row)).local_table
    values = {column.name: getattr(row, column.name) for column in table.columns}
    key = [column.name for column in table.primary_key]
    changed = [name for name in values if name not in key] if update is None else update
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(type(row)).values(values)
    if not changed:
        session.connection().execute(statement.on_conflict_do_nothing(index_elements=key))
        return
    session.connection().execute(
        statement.on_conflict_do_update(
            index_elements=key, set_={name: statement.excluded[name] for name in changed}
        )
    )


def insert_new(session: Session, row: SQLModel) -> bool:
    """Insert a row, unless its primary key exists; of several at once, one gets True.

    Args:
        session: inside a transaction.
        row: the values.
    """
    table = inspect(type(row)).local_table
    values = {column.name: getattr(row, column.name) for column in table.columns}
    key = list(table.primary_key)
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    # What it returns, and no count of rows: drivers give -1 for an insert.
    new = dialect.insert(type(row)).values(values).on_conflict_do_nothing().returning(*key)
    return session.connection().execute(new).first() is not None
