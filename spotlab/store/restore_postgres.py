"""Loads a PostgreSQL backup into a database, in one transaction.

The backup is untrusted, and pg_restore turns it into a psql script, which could even contain shell
commands. So the script is never executed: our own migrations create the tables, and only the data
lines of the script are read and passed to COPY with explicit columns.
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
from spotlab.store.pooler import require_session
from spotlab.store.restore import STOP_REMEDY

_MAX_LINE_BYTES: Final = 2 * MAX_CELL_BYTES + 2**20
"""Binary values are written in hex, with two digits per byte."""
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
"""Values that PostgreSQL accepts but SpotLab cannot read, by column type."""

Types = Mapping[str, Mapping[str, str]]


def load_postgres(
    engine: Engine, copy: Path, dump: Dump, stamp: str, last: Callable[[Connection], None]
) -> str | None:
    """Load a copy into a PostgreSQL database, in one transaction that checks the row counts.

    Args:
        engine: the database; existing tables are moved to a separate schema.
        copy: a file made by pg_dump.
        dump: its contents according to the backup's manifest.
        stamp: part of that schema's name.
        last: called at the end of the transaction, when the tables are up to date.
    Returns:
        The schema with the former tables; None: there were none.
    Raises:
        Conflict: another SpotLab process is connected, or the schema differs.
        InvalidInput: the copy does not match its manifest; nothing was changed.
        DatabaseDown, NotAvailable: it failed; nothing was changed.
    """
    with translated(engine), engine.connect() as connection:
        schema = str(connection.execute(text("SELECT current_schema()")).scalar_one())
        server = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10_000
        former = existing_tables(connection, schema)
        connections = connection.execute(_OTHER_CONNECTIONS).scalar_one()
    if connections:
        require_session(engine, "A restore")
        raise Conflict(
            f"SpotLab is connected to {address(engine)} ({connections} times).", remedy=STOP_REMEDY
        )
    if schema != dump.schema:
        raise Conflict(
            f"The backup's tables are in the schema {dump.schema}; this database uses {schema}.",
            remedy="Set the user's search_path to the same schema.",
        )
    former_schema = f"spotlab_before_{stamp}" if former else None
    with (
        translated(engine),
        writer(engine).begin() as connection,
        _data_script(client_path("pg_restore", server), copy) as lines,
    ):
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = '10s'"))
        if former_schema:
            connection.execute(text(f'CREATE SCHEMA "{former_schema}"'))
        for name in former:
            move = f'ALTER TABLE "{schema}"."{name}" SET SCHEMA "{former_schema}"'
            connection.execute(text(move))
        upgrade_in_transaction(connection, dump.revision)
        _load_rows(connection, schema, lines, dump)
        upgrade_in_transaction(connection, "head")
        last(connection)
    return former_schema


class _LimitedLines:
    """The lines of a script, up to a size limit.

    Args:
        stream: where they are read from.
        max_bytes: total size allowed.
    """

    def __init__(self, stream: IO[bytes], max_bytes: int) -> None:
        self._stream = stream
        self._remaining = max_bytes

    def __iter__(self) -> Iterator[bytes]:
        while line := self._stream.readline(_MAX_LINE_BYTES):
            self._remaining -= len(line)
            if self._remaining < 0 or not line.endswith(b"\n"):
                raise InvalidInput("The backup's database contains more than fits into its file.")
            yield line


@contextmanager
def _data_script(command: str, copy: Path) -> Iterator[_LimitedLines]:
    """The data of a copy, as a script written by pg_restore.

    Raises:
        InvalidInput: pg_restore cannot read the copy.
        NotAvailable: pg_restore cannot be run.
    """
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                [command, "--data-only", "--file=-", str(copy)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        except OSError as exc:
            raise NotAvailable(f"pg_restore cannot be run: {exc.strerror}.") from exc
        with process:
            try:
                assert process.stdout is not None
                max_bytes = _MIN_LIMIT_BYTES + _MAX_EXPANSION * copy.stat().st_size
                yield _LimitedLines(process.stdout, max_bytes)
                exit_code = process.wait()
            finally:
                process.kill()
        if exit_code:
            errors.seek(0)
            lines = errors.read(2000).decode(errors="replace").strip().splitlines()
            reason = lines[0].rstrip(".") if lines else f"pg_restore exited with {exit_code}"
            raise InvalidInput(f"The backup's database cannot be read: {reason}.")


def _load_rows(connection: Connection, schema: str, lines: _LimitedLines, dump: Dump) -> None:
    types: dict[str, dict[str, str]] = {name: {} for name in existing_tables(connection, schema)}
    for table, column, kind in connection.execute(_TYPES, {"schema": schema}):
        if table in types:
            types[table][column] = kind
    if set(dump.counts) != set(types) or dump.counts[REVISIONS] != 1:
        raise_manifest_mismatch()
    for table in types.keys() - {REVISIONS}:
        connection.execute(text(f'DELETE FROM "{schema}"."{table}"'))  # noqa: S608
    sequences = set(connection.execute(_SEQUENCES, {"schema": schema}).scalars())
    loaded: set[str] = set()
    stream = iter(lines)
    for line in stream:
        if match := _COPY.fullmatch(line):
            name = _expected_name(match, types.keys() - loaded, schema)
            loaded.add(name)
            columns = [part.strip(' "') for part in match[3].decode().split(",")]
            if sorted(columns) != sorted(types[name]):
                raise InvalidInput(f"The columns of the backup's table {name} differ from ours.")
            target = f'"{schema}"."{name}"'
            _load_table(connection, target, name, columns, types[name], stream, dump)
        elif match := _SETVAL.fullmatch(line):
            name = _expected_name(match, sequences, schema)
            connection.execute(
                text("SELECT setval(CAST(:sequence AS regclass), :value, :called)"),
                {
                    "sequence": f'"{schema}"."{name}"',
                    "value": int(match[3]),
                    "called": match[4] == b"true",
                },
            )
    if loaded != set(types):
        raise_manifest_mismatch()
    _check_readable(connection, schema, types)


def _expected_name(match: re.Match[bytes], names: Any, schema: str) -> str:
    name = match[2].decode()
    if match[1].decode() != schema or name not in names:
        raise InvalidInput(f"The backup's database contains {name!r}, which SpotLab never creates.")
    return name


def _load_table(
    connection: Connection,
    target: str,
    name: str,
    columns: Sequence[str],
    types: Mapping[str, str],
    stream: Iterator[bytes],
    dump: Dump,
) -> None:
    json_columns = [index for index, column in enumerate(columns) if types[column] == "json"]
    names = ", ".join(f'"{column}"' for column in columns)
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    if name == REVISIONS:
        if [*_table_lines(stream, name, (), 1)] != [f"{dump.revision}\n".encode()]:
            raise_manifest_mismatch()
        return
    try:
        with driver.cursor() as cursor, cursor.copy(f"COPY {target} ({names}) FROM STDIN") as copy:
            for line in _table_lines(stream, name, json_columns, dump.counts[name]):
                copy.write(line)
    except (psycopg.DataError, psycopg.IntegrityError) as exc:
        reason = str(exc).splitlines()[0]
        raise InvalidInput(f"Rows of the backup's table {name} are invalid: {reason}.") from exc
    except psycopg.Error as exc:
        raise DatabaseDown(
            f"The rows of table {name} could not be written: {str(exc).splitlines()[0]}.",
            remedy="Nothing was changed.",
        ) from exc


def _table_lines(
    stream: Iterator[bytes], name: str, json_columns: Sequence[int], promised: int
) -> Iterator[bytes]:
    """The rows of a table, one per line; raises if there are not as many as promised."""
    number = 0
    for line in stream:
        if line == _END:
            break
        number += 1
        cells = line[:-1].split(b"\t") if json_columns else []
        for index in json_columns:
            if index >= len(cells) or not (cells[index] == _NULL or _is_escaped_json(cells[index])):
                raise InvalidInput(f"Row {number} of the backup's table {name} has invalid JSON.")
        if number > promised:
            break
        yield line
    if number != promised:
        raise_manifest_mismatch()


def _is_escaped_json(cell: bytes) -> bool:
    unescaped = _ESCAPED.sub(lambda match: bytes([_ESCAPES[match[1][0]]]), cell)
    try:
        return is_json(unescaped.decode())
    except UnicodeDecodeError:
        return False


def _check_readable(connection: Connection, schema: str, types: Types) -> None:
    for table, columns in types.items():
        for column, kind in columns.items():
            if kind not in _UNREADABLE:
                continue
            condition = _UNREADABLE[kind].format(column=f'"{column}"')
            query = f'SELECT 1 FROM "{schema}"."{table}" WHERE {condition} LIMIT 1'  # noqa: S608
            if connection.execute(text(query)).scalar() is not None:
                raise InvalidInput(
                    f"The backup's table {table} has a value in {column} that SpotLab never "
                    "writes.",
                    remedy="The backup was modified: use another one.",
                )
