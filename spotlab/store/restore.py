"""Replaces a SQLite database atomically, and checks for a restore on any database.

The former file is preserved under another name. PostgreSQL is in `restore_postgres`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, inspect, text

from spotlab.errors import Conflict, InvalidInput
from spotlab.store.dumps import existing_tables
from spotlab.store.failures import is_sqlite, translated
from spotlab.store.migrate import is_known

STOP_REMEDY: Final = "Stop SpotLab first: anything it writes meanwhile would be lost."


def require_known_revision(revision: str) -> None:
    """Check that this version knows a revision.

    Raises:
        InvalidInput: it was made by a newer SpotLab.
    """
    if not is_known(revision):
        raise InvalidInput(
            f"The backup was made by a newer SpotLab (revision {revision}).",
            remedy="Upgrade SpotLab, then restore.",
        )


def is_empty(engine: Engine) -> bool:
    """Whether a database has none of SpotLab's tables.

    Raises:
        DatabaseDown: it does not answer.
    """
    if is_sqlite(engine):
        path = Path(engine.url.database or "")
        return not path.exists() or path.stat().st_size == 0
    with translated(engine), engine.connect() as connection:
        schema = str(connection.execute(text("SELECT current_schema()")).scalar_one())
        return not existing_tables(connection, schema)


@contextmanager
def exclusive_access(target: Path) -> Iterator[None]:
    """Lock a SQLite database exclusively, with all its data in one file.

    Args:
        target: the database's file; if it does not exist, nothing is locked.
    Raises:
        Conflict: another process uses it.
    """
    if not target.exists():
        yield
        return
    with closing(sqlite3.connect(target, timeout=1.0, isolation_level=None)) as connection:
        try:
            # Leaving WAL mode succeeds only if no other process has the database open, and merges
            # the log into the file.
            (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
            if mode == "delete":
                connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            mode = "in use"
        except sqlite3.DatabaseError:
            mode = "delete"  # a damaged database may be replaced
        if mode != "delete":
            raise Conflict(f"Another process uses {target}.", remedy=STOP_REMEDY)
        yield


def replace_sqlite(copy: Path, target: Path, stamp: str) -> Path | None:
    """Replace a SQLite file by a copy; after an interruption, call it again to finish.

    At any time, either the former or the new database exists under the target's name.

    Args:
        copy: an undamaged database, on the target's disk.
        target: the database's file; it need not exist.
        stamp: part of the former file's new name.
    Returns:
        Path of the former file; None: there was none.
    """
    former = target.with_name(f"{target.name}.before-{stamp}")
    if copy.exists():
        for suffix in ("-wal", "-shm"):  # of a damaged one: SQLite would apply them to the new file
            log = target.with_name(target.name + suffix)
            if log.exists():
                log.rename(former.with_name(former.name + suffix))
        if target.exists() and not former.exists():
            os.link(target, former)
        os.replace(copy, target)  # noqa: PTH105 (must be atomic)
    return former if former.exists() else None


def has_restore_entry(engine: Engine, restore_id: str) -> bool:
    """Whether a database's audit log has an entry of this restore.

    Raises:
        DatabaseDown: it does not answer.
    """
    with translated(engine), engine.connect() as connection:
        if not inspect(connection).has_table("audit_log"):
            return False
        query = text(
            "SELECT 1 FROM audit_log WHERE action = 'data.restore' AND \"after\" LIKE :pattern"
        )
        entry = connection.execute(query, {"pattern": f'%"{restore_id}"%'})
        return entry.scalar() is not None
