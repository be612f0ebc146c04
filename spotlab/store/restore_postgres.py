"""Brings a backup of PostgreSQL into a database, in one transaction.

The backup's file is one that anybody may have changed, and what pg_restore makes of it is a script
that psql would run: commands of the system's shell, too. So no script is run. Our own migrations
make the tables, and of the script only the lines of data are taken, which the server reads as data
of the columns that we name.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import psycopg
from sqlalchemy import Connection, Engine, text

from spotlab.errors import Conflict, DatabaseDown, InvalidInput, NotAvailable
from spotlab.store.backup_reader import MAX_CELL_BYTES, is_json, raise_manifest_mismatch
from spotlab.store.dumps import REVISIONS, Dump, client_path, existing_tables
from spotlab.store.engine import writer
from spotlab.store.failures import address, translated
from spotlab.store.migrate import upgrade_in_transaction
from spotlab.store.restore import STOP_REMEDY

_MAX_LINE_BYTES: Final = 2 * MAX_CELL_BYTES + 2**20
"""Bytes are written as twice as many digits."""
_MAX_EXPANSION: Final = 200
_MIN_LIMIT_BYTES: Final = 64 * 2**20
_COPY: Final = re.compile(rb'COPY "?(\w+)"?\."?(\w+)"? \(([\w", ]+)\) FROM stdin;\n')
_SETVAL: Final = re.compile(
    rb"SELECT pg_catalog\.setval\('\"?(\w+)\"?\.\"?(\w+)\"?', (\d{1,19}), (true|false)\);\n"
)
_END: Final = b"\\.\n"
_NULL: Final = b"\\N"
_ESCAPED: Final = re.compile(rb"\\([bfnrtv\\])")
_ESCAPES: Final = dict(zip(b"bfnrtv\\", b"\b\f\n\r\t\v\\", strict=True))
_TYPES: Final = text(
    "SELECT table_name, column_name, data_type FROM information_schema.columns "
    "WHERE table_schema = :schema ORDER BY table_name, ordinal_position"
)
_SEQUENCES: Final = text("SELECT sequencename FROM pg_sequences WHERE schemaname = :schema")
_OTHER_CONNECTIONS: Final = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name = 'spotlab' AND pid <> pg_backend_pid()"
)
_UNREADABLE: Final = {
    "double precision": "{column} IN ('NaN', 'Infinity', '-Infinity')",
    "timestamp with time zone": "NOT isfinite({column}) OR {column} < '0001-01-02' "
    "OR {column} > '9999-12-30'",
}
"""What PostgreSQL takes and nobody here can read, by a column's type."""

Types = Mapping[str, Mapping[str, str]]


def put_postgres(
    engine: Engine, copy: Path, dump: Dump, stamp: str, last: Callable[[Connection], None]
) -> str | None:
    """Bring a copy into a PostgreSQL database: one transaction, that counts before it commits.

    Args:
        engine: the database; its tables, if it has any, move to a schema of their own.
        copy: as pg_dump made it.
        dump: what it holds.
        stamp: of that schema's name.
        last: called in the same transaction, when the tables are up to date.
    Returns:
        The schema that has the former tables; None: there were none.
    Raises:
        Conflict: another process of SpotLab is connected, or the schema is another.
        InvalidInput: the copy holds something else than it should; all is as it was.
        DatabaseDown, NotAvailable: it failed; all is as it was.
    """
    with translated(engine), engine.connect() as connection:
        schema = str(connection.execute(text("SELECT current_schema()")).scalar_one())
        server = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10_000
        former = existing_tables(connection, schema)
        others = connection.execute(_OTHER_CONNECTIONS).scalar_one()
    if others:
        raise Conflict(f"SpotLab is connected to {address(engine)} ({others} times).", remedy=STOP_REMEDY)
    if schema != dump.schema:
        raise Conflict(
            f"The backup's tables are in the schema {dump.schema}, this database uses {schema}.",
            remedy="Set the user's search_path to the same schema.",
        )
    beside = f"spotlab_before_{stamp}" if former else None
    with (
        translated(engine),
        writer(engine).begin() as connection,
        _data_script(client_path("pg_restore", server), copy) as lines,
    ):
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = '10s'"))
        if beside:
            connection.execute(text(f'CREATE SCHEMA "{beside}"'))
        for name in former:
            connection.execute(text(f'ALTER TABLE "{schema}"."{name}" SET SCHEMA "{beside}"'))
        upgrade_in_transaction(connection, dump.revision)
        _load_rows(connection, schema, lines, dump)
        upgrade_in_transaction(connection, "head")
        last(connection)
    return beside


class _LimitedLines:
    """The lines of a script that may be endless.

    Args:
        stream: they are read from it.
        left: how many bytes they may have together.
    """

    def __init__(self, stream: IO[bytes], left: int) -> None:
        self._stream = stream
        self._left = left

    def __iter__(self) -> Iterator[bytes]:
        while line := self._stream.readline(_MAX_LINE_BYTES):
            self._left -= len(line)
            if self._left < 0 or not line.endswith(b"\n"):
                raise InvalidInput("The backup's database holds more than its file has room for.")
            yield line


@contextmanager
def _data_script(command: str, copy: Path) -> Iterator[_LimitedLines]:
    """The data that a copy holds, as pg_restore writes it.

    Raises:
        InvalidInput: pg_restore cannot read the copy.
        NotAvailable: pg_restore cannot be run.
    """
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(
                [command, "--data-only", "--file=-", str(copy)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
            )
        except OSError as exc:
            raise NotAvailable(f"pg_restore cannot be run: {exc.strerror}.") from exc
        with process:
            try:
                assert process.stdout is not None
                most = _MIN_LIMIT_BYTES + _MAX_EXPANSION * copy.stat().st_size
                yield _LimitedLines(process.stdout, most)
                failed = process.wait()
            finally:
                process.kill()
        if failed:
            complaints.seek(0)
            said = complaints.read(2000).decode(errors="replace").strip().splitlines()
            why = said[0].rstrip(".") if said else f"it ended with {failed}"
            raise InvalidInput(f"The backup's database cannot be read: {why}.")


def _load_rows(connection: Connection, schema: str, lines: _LimitedLines, dump: Dump) -> None:
    types: dict[str, dict[str, str]] = {}
    for table, column, kind in connection.execute(_TYPES, {"schema": schema}):
        if table in existing_tables(connection, schema):
            types.setdefault(table, {})[column] = kind
    if set(dump.counts) != set(types) or dump.counts[REVISIONS] != 1:
        raise_manifest_mismatch()
    for table in types.keys() - {REVISIONS}:
        connection.execute(text(f'DELETE FROM "{schema}"."{table}"'))  # noqa: S608
    sequences = set(connection.execute(_SEQUENCES, {"schema": schema}).scalars())
    taken: set[str] = set()
    stream = iter(lines)
    for line in stream:
        if found := _COPY.fullmatch(line):
            name = _expected_name(found, types.keys() - taken, schema)
            taken.add(name)
            listed = [part.strip(' "') for part in found[3].decode().split(",")]
            if sorted(listed) != sorted(types[name]):
                raise InvalidInput(f"The backup's table {name} has other columns.")
            _load_table(connection, f'"{schema}"."{name}"', name, listed, types[name], stream, dump)
        elif found := _SETVAL.fullmatch(line):
            name = _expected_name(found, sequences, schema)
            connection.execute(
                text("SELECT setval(CAST(:sequence AS regclass), :value, :called)"),
                {
                    "sequence": f'"{schema}"."{name}"',
                    "value": int(found[3]),
                    "called": found[4] == b"true",
                },
            )
    if taken != set(types):
        raise_manifest_mismatch()
    _check_readable(connection, schema, types)


def _expected_name(found: re.Match[bytes], names: Any, schema: str) -> str:
    name = found[2].decode()
    if found[1].decode() != schema or name not in names:
        raise InvalidInput(f"The backup's database holds {name!r}, which no SpotLab makes.")
    return name


def _load_table(
    connection: Connection,
    target: str,
    name: str,
    listed: Sequence[str],
    types: Mapping[str, str],
    stream: Iterator[bytes],
    dump: Dump,
) -> None:
    documents = [place for place, column in enumerate(listed) if types[column] == "json"]
    columns = ", ".join(f'"{column}"' for column in listed)
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    if name == REVISIONS:
        if [*_table_lines(stream, name, (), 1)] != [f"{dump.revision}\n".encode()]:
            raise_manifest_mismatch()
        return
    try:
        with driver.cursor() as cursor, cursor.copy(f"COPY {target} ({columns}) FROM STDIN") as to:
            for line in _table_lines(stream, name, documents, dump.counts[name]):
                to.write(line)
    except (psycopg.DataError, psycopg.IntegrityError) as exc:
        why = str(exc).splitlines()[0]
        raise InvalidInput(f"The rows of the backup's table {name} are refused: {why}.") from exc
    except psycopg.Error as exc:
        raise DatabaseDown(
            f"The rows of table {name} could not be written: {str(exc).splitlines()[0]}.",
            remedy="Nothing was changed.",
        ) from exc


def _table_lines(
    stream: Iterator[bytes], name: str, documents: Sequence[int], promised: int
) -> Iterator[bytes]:
    """The rows of a table, each a line; as many as promised."""
    number = 0
    for line in stream:
        if line == _END:
            break
        number += 1
        cells = line[:-1].split(b"\t") if documents else []
        for place in documents:
            if place >= len(cells) or not (cells[place] == _NULL or _is_escaped_json(cells[place])):
                raise InvalidInput(f"Row {number} of the backup's table {name} holds no JSON.")
        if number > promised:
            break
        yield line
    if number != promised:
        raise_manifest_mismatch()


def _is_escaped_json(cell: bytes) -> bool:
    plain = _ESCAPED.sub(lambda found: bytes([_ESCAPES[found[1][0]]]), cell)
    try:
        return is_json(plain.decode())
    except UnicodeDecodeError:
        return False


def _check_readable(connection: Connection, schema: str, types: Types) -> None:
    for table, columns in types.items():
        for column, kind in columns.items():
            if kind not in _UNREADABLE:
                continue
            odd = _UNREADABLE[kind].format(column=f'"{column}"')
            query = f'SELECT 1 FROM "{schema}"."{table}" WHERE {odd} LIMIT 1'  # noqa: S608
            if connection.execute(text(query)).scalar() is not None:
                raise InvalidInput(
                    f"The backup's table {table} holds in {column} what no SpotLab writes there.",
                    remedy="It was changed after it was made: use another backup.",
                )
