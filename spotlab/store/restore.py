"""Puts a database in the place of another, whole or not at all.

The former one is kept beside: a SQLite file under another name. PostgreSQL is in
`restoring_postgres`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Engine, inspect, text

from spotlab.errors import Conflict, InvalidInput
from spotlab.store.dumps import existing_tables
from spotlab.store.failures import is_sqlite, translated
from spotlab.store.migrate import alembic_config

STOP_REMEDY: Final = "Stop SpotLab there first: what it writes meanwhile would be lost."


def refuse_newer(revision: str) -> None:
    """Nothing, if this SpotLab knows a revision.

    Raises:
        InvalidInput: a newer SpotLab made it.
    """
    try:
        ScriptDirectory.from_config(alembic_config()).get_revision(revision)
    except CommandError:
        raise InvalidInput(
            f"The backup was made by a newer SpotLab (revision {revision}).",
            remedy="Upgrade SpotLab, then restore.",
        ) from None


def is_empty(engine: Engine) -> bool:
    """Whether a database holds nothing of SpotLab.

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
def alone_with(target: Path) -> Iterator[None]:
    """Keep everybody else out of a SQLite database, and all of it in its one file.

    Args:
        target: the database's file; where there is none, nobody is kept out.
    Raises:
        Conflict: another process uses it.
    """
    if not target.exists():
        yield
        return
    with closing(sqlite3.connect(target, timeout=1.0, isolation_level=None)) as connection:
        try:
            # Only who is alone with a database can take it out of WAL: nobody else has it open,
            # and all of it is in this one file.
            (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
            if mode == "delete":
                connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            mode = "in use"
        except sqlite3.DatabaseError:
            mode = "delete"  # damaged: that may be why it is replaced
        if mode != "delete":
            raise Conflict(f"Another process uses {target}.", remedy=STOP_REMEDY)
        yield


def put_sqlite(copy: Path, target: Path, stamp: str) -> Path | None:
    """Put a database in the place of a SQLite file; where it was cut off, it goes on.

    At every moment there is the one or the other under the target's name.

    Args:
        copy: sound, and on the target's disk.
        target: the database's file; it need not exist.
        stamp: of the former one's new name.
    Returns:
        Where the former one is; None: there was none.
    """
    former = target.with_name(f"{target.name}.before-{stamp}")
    if copy.exists():
        for log in ("-wal", "-shm"):  # of a damaged one: they would be taken for the new one's
            beside = target.with_name(target.name + log)
            if beside.exists():
                beside.rename(former.with_name(former.name + log))
        if target.exists() and not former.exists():
            os.link(target, former)
        os.replace(copy, target)  # noqa: PTH105 (atomic, which is the point)
    return former if former.exists() else None


def has_noted(engine: Engine, restore_id: str) -> bool:
    """Whether a database's audit log has the entry of a restore.

    Raises:
        DatabaseDown: it does not answer.
    """
    with translated(engine), engine.connect() as connection:
        if not inspect(connection).has_table("audit_log"):
            return False
        query = text(
            "SELECT 1 FROM audit_log WHERE action = 'data.restore' AND \"after\" LIKE :told"
        )
        found = connection.execute(query, {"told": f'%"{restore_id}"%'})
        return found.scalar() is not None
