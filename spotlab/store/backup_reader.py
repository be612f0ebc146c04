"""Copies the rows of an untrusted SQLite file into a database with our own tables.

The file is opened read-only, and only the tables and columns of its revision are read, row by row.
Anything else that it defines (triggers, views, virtual tables, expressions) is rejected and never
executed: the tables of the new database come from our own migrations.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from spotlab.errors import InvalidInput, NotAvailable
from spotlab.store.dumps import REVISIONS, Dump
from spotlab.store.engine import connect
from spotlab.store.migrate import upgrade

_NO_SPACE_REMEDY: Final = "Nothing was changed. Free space on the home's disk."
MAX_CELL_BYTES: Final = 128 * 2**20
_SQLITE_TABLES: Final = frozenset({"sqlite_stat1", "sqlite_stat4", "sqlite_sequence"})
_MIN_MB_PER_S: Final = 0.1
_MIN_TIME_S: Final = 60.0
_TIME_LENGTHS: Final = (len("2026-11-30 07:00:00"), len("2026-11-30 07:00:00.000000"))
_ALLOWED: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_PRAGMA})

Check = Callable[[Any], bool]


def copy_rows(source: Path, target: Path, promised: Dump) -> None:
    """Create a database at a backup's revision, with the rows of the backup's file.

    Args:
        source: an untrusted SQLite file; it is not changed.
        target: the database to create; the file must not exist.
        promised: contents of the file according to the backup's manifest.
    Raises:
        InvalidInput: the tables, number of rows or types of cells differ from the revision's and
            the manifest's; `target` is unusable then.
        DatabaseDown: `target` cannot be written.
        NotAvailable: no space for `target`.
    """
    engine = connect(None, target)
    try:
        upgrade(engine, promised.revision)
    finally:
        engine.dispose()
    try:
        with closing(_reader(source)) as theirs, closing(sqlite3.connect(target)) as ours:
            tables = _columns_of(ours)
            _check_schema(theirs, ours, tables)
            _copy(theirs, ours, tables, promised, source.stat().st_size)
            ours.commit()
            violation = ours.execute("PRAGMA foreign_key_check").fetchone()
    except (sqlite3.Error, UnicodeError) as exc:
        if getattr(exc, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise NotAvailable(
                "No space is left for the database.", remedy=_NO_SPACE_REMEDY
            ) from exc
        raise InvalidInput(f"The backup's database cannot be read: {exc}.") from exc
    if violation:
        raise InvalidInput(
            f"A row of the backup's table {violation[0]} refers to a row that does not exist."
        )


def _reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads, runs nothing that the file defines, and has a time limit."""
    address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    connection = sqlite3.connect(address, uri=True, isolation_level=None)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_CELL_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    for pragma in ("trusted_schema = OFF", "query_only = ON", "cell_size_check = ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.set_authorizer(
        lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY
    )
    size_mb = path.stat().st_size / 1e6
    deadline = time.monotonic() + max(_MIN_TIME_S, size_mb / _MIN_MB_PER_S)
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)
    return connection


def _columns_of(connection: sqlite3.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Each table's columns: name, type, whether it is required, and hidden."""
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return {
        name: [
            (column, kind, bool(required), hidden)
            for _number, column, kind, required, _default, _key, hidden in connection.execute(
                f'PRAGMA table_xinfo("{name}")'
            )
        ]
        for (name,) in names
        if name not in _SQLITE_TABLES
    }


def _check_schema(
    theirs: sqlite3.Connection,
    ours: sqlite3.Connection,
    tables: Mapping[str, Sequence[tuple[Any, ...]]],
) -> None:
    # A virtual table has no root page.
    query = "SELECT type, name, tbl_name, rootpage > 0 FROM sqlite_schema"
    expected = set(ours.execute(query))
    actual = {
        each
        for each in theirs.execute(query)
        if each[0] != "table" or each[1] not in _SQLITE_TABLES
    }
    for kind, name, *_ in sorted(map(_as_texts, actual - expected)):
        raise InvalidInput(
            f"The backup's database defines {kind} {name!r}, which SpotLab never creates.",
            remedy="The backup was modified: use another one.",
        )
    # From here on, the names in the file are known to be those of our own tables.
    if _columns_of(theirs) != tables:
        raise InvalidInput("The backup's database does not have the tables of its revision.")


def _as_texts(row: Sequence[object]) -> tuple[str, ...]:
    return tuple(str(each)[:80] for each in row)


def _copy(
    theirs: sqlite3.Connection,
    ours: sqlite3.Connection,
    tables: Mapping[str, Sequence[tuple[Any, ...]]],
    promised: Dump,
    max_bytes: int,
) -> None:
    if theirs.execute(f"SELECT version_num FROM {REVISIONS}").fetchall() != [(promised.revision,)]:  # noqa: S608
        raise_manifest_mismatch()
    if set(promised.counts) != set(tables) or promised.counts[REVISIONS] != 1:
        raise_manifest_mismatch()
    if sum(promised.counts.values()) > max_bytes:
        raise_manifest_mismatch()
    budget = _ByteBudget(max_bytes)
    for name, columns in tables.items():
        if name == REVISIONS:
            continue
        names = ", ".join(f'"{column}"' for column, *_ in columns)
        placeholders = ", ".join("?" for _ in columns)
        rows = theirs.execute(f'SELECT {names} FROM "{name}" NOT INDEXED')  # noqa: S608
        ours.execute(f'DELETE FROM "{name}"')  # noqa: S608 (rows that a migration has inserted)
        try:
            ours.executemany(
                f'INSERT INTO "{name}" ({names}) VALUES ({placeholders})',  # noqa: S608
                _checked_rows(name, columns, rows, promised.counts[name], budget),
            )
        except sqlite3.IntegrityError as exc:
            raise InvalidInput(f"Rows of the backup's table {name} conflict: {exc}.") from exc


class _ByteBudget:
    """Bytes that a file can contain: if pages refer to each other, reading would never end."""

    def __init__(self, remaining: int) -> None:
        self.remaining = remaining

    def spend(self, row: Sequence[Any]) -> None:
        self.remaining -= sum(len(cell) for cell in row if isinstance(cell, str | bytes))
        if self.remaining < 0:
            raise InvalidInput("The backup's database contains more than fits into its file.")


def _checked_rows(
    table: str,
    columns: Sequence[tuple[Any, ...]],
    rows: Iterator[Sequence[Any]],
    promised: int,
    budget: _ByteBudget,
) -> Iterator[Sequence[Any]]:
    checks = [(name, _check_of(kind), required) for name, kind, required, _ in columns]
    number = 0
    for number, row in enumerate(rows, start=1):
        if number > promised:
            break
        budget.spend(row)
        for cell, (name, is_right, required) in zip(row, checks, strict=True):
            if required if cell is None else not is_right(cell):
                raise InvalidInput(
                    f"Row {number} of the backup's table {table} has a value in {name} that "
                    "SpotLab never writes.",
                    remedy="The backup was modified: use another one.",
                )
        yield row
    if number != promised:
        raise_manifest_mismatch()


def raise_manifest_mismatch() -> NoReturn:
    """Raises InvalidInput."""
    raise InvalidInput("The contents of the backup's database do not match its manifest.")


def _check_of(kind: str) -> Check:
    return _CHECKS[kind.partition("(")[0]]


def is_json(cell: object) -> bool:
    """Whether a cell is JSON that can be parsed: finite numbers, not nested too deeply."""
    if isinstance(cell, int | float):
        return math.isfinite(cell)
    try:
        json.loads(cell, parse_constant=_reject_constant)  # type: ignore[arg-type]
    except (ValueError, TypeError, RecursionError):
        return False
    return isinstance(cell, str)


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _is_time(cell: object) -> bool:
    if not isinstance(cell, str) or len(cell) not in _TIME_LENGTHS or cell[10] != " ":
        return False
    try:
        return datetime.fromisoformat(cell).tzinfo is None
    except ValueError:
        return False


_CHECKS: Final[Mapping[str, Check]] = {
    "VARCHAR": lambda cell: isinstance(cell, str),
    "TEXT": lambda cell: isinstance(cell, str),
    "INTEGER": lambda cell: isinstance(cell, int),
    "BIGINT": lambda cell: isinstance(cell, int),
    "BOOLEAN": lambda cell: isinstance(cell, int) and cell in (0, 1),
    "FLOAT": lambda cell: isinstance(cell, int | float) and math.isfinite(cell),
    "DATETIME": _is_time,
    "JSON": is_json,
    "BLOB": lambda cell: isinstance(cell, bytes),
}
"""By the type that a migration declares; SQLite itself accepts any value in any column."""
