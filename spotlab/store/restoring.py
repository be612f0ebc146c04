"""Puts a copy of a database in the place of another, whole or not at all. Store floor.

The former one is kept beside: a SQLite file under another name, PostgreSQL's tables in another
schema.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Engine, text

from spotlab.errors import Conflict, InvalidInput
from spotlab.store.dumps import Dump, client, run, run_on, tables_there
from spotlab.store.failures import address, is_sqlite, translated
from spotlab.store.migrate import scripts

_REPLACE: Final = "Use --replace to put the copy in its place and keep it beside."
_STOP: Final = "Stop SpotLab there first: what it writes meanwhile would be lost."


def refuse_newer(revision: str) -> None:
    """Nothing, if this SpotLab knows a revision.

    Raises:
        InvalidInput: a newer SpotLab made it.
    """
    try:
        ScriptDirectory.from_config(scripts()).get_revision(revision)
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
        return not tables_there(connection, schema)


def put_sqlite(copy: Path, target: Path, stamp: str) -> Path | None:
    """Put a copy in the place of a SQLite file, by one rename.

    Args:
        copy: sound, and in the target's folder.
        target: the database's file; it need not exist.
        stamp: of the former one's new name.
    Returns:
        Where the former one is; None: there was none.
    Raises:
        Conflict: another process uses the former one.
    """
    if not target.exists():
        os.replace(copy, target)  # noqa: PTH105 (as below)
        return None
    former = target.with_name(f"{target.name}.before-{stamp}")
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
            raise Conflict(f"Another process uses {target}.", remedy=_STOP)
        os.link(target, former)
        try:
            os.replace(copy, target)  # noqa: PTH105 (atomic, which is the point)
        except OSError:
            former.unlink()
            raise
    for leftover in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            target.with_name(target.name + leftover).unlink()
    return former


def put_postgres(engine: Engine, copy: Path, dump: Dump, stamp: str) -> str | None:
    """Bring a copy into a PostgreSQL database: one transaction, that counts before it commits.

    Args:
        engine: the database; its tables, if it has any, move to a schema of their own.
        copy: as pg_dump made it.
        dump: what it holds.
        stamp: of that schema's name.
    Returns:
        The schema that has the former tables; None: there were none.
    Raises:
        Conflict: another process of SpotLab is connected, or the schema is another.
        DatabaseDown: it failed; all is as it was.
    """
    with translated(engine), engine.connect() as connection:
        schema = str(connection.execute(text("SELECT current_schema()")).scalar_one())
        server = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10_000
        former = tables_there(connection, schema)
        others = connection.execute(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND application_name = 'spotlab' AND pid <> pg_backend_pid()"
            )
        ).scalar_one()
    if others:
        raise Conflict(f"SpotLab is connected to {address(engine)} ({others} times).", remedy=_STOP)
    if schema != dump.schema:
        raise Conflict(
            f"The backup's tables are in the schema {dump.schema}, this database uses {schema}.",
            remedy="Set the user's search_path to the same schema.",
        )
    beside = f"spotlab_before_{stamp}" if former else None
    with tempfile.TemporaryDirectory(dir=copy.parent) as name:
        folder = Path(name)
        first, tables, last = (folder / part for part in ("first", "tables", "last"))
        first.write_text(_moving(schema, former, beside))
        last.write_text(_checks(schema, dump.counts))
        plain = ["--no-owner", "--no-privileges", f"--file={tables}", str(copy)]
        run([client("pg_restore", server), *plain], "the copy")
        psql = [client("psql", server), "--no-psqlrc", "--quiet", "--single-transaction"]
        parts = [f"--file={part}" for part in (first, tables, last)]
        run_on(engine, [*psql, "--set=ON_ERROR_STOP=1", *parts])
    return beside


def _moving(schema: str, former: Sequence[str], beside: str | None) -> str:
    lines = ["SET lock_timeout = '10s';"]
    if beside:
        lines.append(f'CREATE SCHEMA "{beside}";')
    lines += [f'ALTER TABLE "{schema}"."{name}" SET SCHEMA "{beside}";' for name in former]
    return "\n".join(lines) + "\n"


def _checks(schema: str, counts: Mapping[str, int]) -> str:
    """SQL that fails, and so undoes everything, where a table has another number of rows."""
    checks = "".join(
        f'IF (SELECT count(*) FROM "{schema}"."{name}") <> {count} THEN '  # noqa: S608
        f"RAISE EXCEPTION '{name} does not have {count} rows'; END IF;\n"
        for name, count in counts.items()
    )
    return f"\nDO $check$ BEGIN\n{checks}END $check$;\n"
