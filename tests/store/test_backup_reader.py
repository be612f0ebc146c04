"""Untrusted database files: rows are copied or the file is rejected; nothing in it is executed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from spotlab.errors import InvalidInput
from spotlab.store import open_store
from spotlab.store.backup_reader import copy_rows
from spotlab.store.dumps import Dump, dump, inspect_copy
from spotlab.store.engine import connect
from spotlab.store.migrate import alembic_config, head, upgrade
from tests.support import builders as make

REVISIONS = sorted(
    each.revision for each in ScriptDirectory.from_config(alembic_config()).walk_revisions()
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A valid copy of a small database."""
    store = open_store(None, tmp_path / "own" / "spotlab.db")
    store.archive.save(make.snapshot())
    for number in range(3):
        store.ledger.record(make.experiment(instance=make.instance(f"i-{number}")))
        store.audit.add(make.BY, "instance.shadow", f"i-{number}")
    copied = tmp_path / "copy.db"
    dump(store.engine, copied)
    store.close()
    return copied


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def manifest_of(path: Path) -> Dump:
    """The manifest as an attacker would write it for a changed file."""
    with closing(sqlite3.connect(path)) as connection:
        counts = {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'"
            )
            if not name.startswith(("sqlite_", "docs", "more"))
        }
    return Dump("sqlite", head(), "", counts)


def assert_rejected(source: Path, why: str, dumped: Dump | None = None) -> None:
    before = source.read_bytes()
    with pytest.raises(InvalidInput, match=why):
        copy_rows(source, source.with_name("made.db"), dumped or manifest_of(source))
    assert source.read_bytes() == before
    assert sorted(path.name for path in source.parent.glob("copy.db*")) == ["copy.db"]


def test_the_rows_of_a_sound_copy_are_all_taken(source: Path, tmp_path: Path) -> None:
    made = tmp_path / "made.db"
    copy_rows(source, made, inspect_copy(source))
    assert inspect_copy(made) == inspect_copy(source)
    was, now = open_store(None, source), open_store(None, made)
    assert [now.ledger.get(n) for n in (1, 2, 3)] == [was.ledger.get(n) for n in (1, 2, 3)]
    assert now.audit.check() == was.audit.check()
    was.close()
    now.close()


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_copy_of_every_revision_is_taken_and_brought_up_to_date(
    revision: str, tmp_path: Path
) -> None:
    old, made = tmp_path / "old.db", tmp_path / "made.db"
    engine = connect(None, old)
    upgrade(engine, revision)
    engine.dispose()
    change(old, "PRAGMA journal_mode = DELETE", "INSERT INTO home_state VALUES ('a', 'b')")
    found = inspect_copy(old)
    assert found.revision == revision
    copy_rows(old, made, found)
    store = open_store(None, made)
    assert store.is_migrated()
    assert inspect_copy(made).counts["home_state"] == 1
    store.close()


EVIL = "INSERT INTO home_state VALUES ('evil', 'x')"
DEFINED = {
    "trigger 'evil'": f"CREATE TRIGGER evil AFTER INSERT ON audit_log BEGIN {EVIL}; END",
    "view 'evil'": "CREATE VIEW evil AS SELECT load_extension('x')",
    "table 'docs'": "CREATE VIRTUAL TABLE docs USING fts5(body)",
    "table 'more'": "CREATE TABLE more (x)",
    "index 'evil'": "CREATE INDEX evil ON users (abs(name))",
}


@pytest.mark.parametrize("what", DEFINED)
def test_what_no_migration_makes_is_refused(source: Path, what: str) -> None:
    change(source, DEFINED[what])
    assert_rejected(source, f"defines {what}")


def rewrite(table: str, old: str, new: str) -> tuple[str, ...]:
    """Change a table's definition, which is only possible by editing the file's schema."""
    return (
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_schema SET sql = replace(sql, '{old}', '{new}') WHERE name = '{table}'",
        "PRAGMA writable_schema = RESET",
    )


TABLES = {
    "a column more": ("ALTER TABLE users ADD COLUMN more VARCHAR",),
    "a column less": ("ALTER TABLE users DROP COLUMN email",),
    "a generated column": (
        "DROP TABLE home_state",
        "CREATE TABLE home_state (key VARCHAR NOT NULL, value VARCHAR NOT NULL AS (upper(key)), "
        "CONSTRAINT pk_home_state PRIMARY KEY (key))",
    ),
    "another type": rewrite("users", "role VARCHAR", "role BLOB"),
    "a virtual table": (
        "PRAGMA writable_schema = ON",
        "DELETE FROM sqlite_schema WHERE name = 'sqlite_autoindex_home_state_1'",
        "UPDATE sqlite_schema SET rootpage = 0, sql = 'CREATE VIRTUAL TABLE home_state USING "
        "fts5(key, value)' WHERE name = 'home_state'",
    ),
    "a view in a table's place": (
        "DROP TABLE home_state",
        "CREATE VIEW home_state AS SELECT name AS key, name AS value FROM users",
    ),
}


@pytest.mark.parametrize("what", TABLES)
def test_tables_of_another_shape_are_refused(source: Path, what: str) -> None:
    dumped = manifest_of(source)
    change(source, *TABLES[what])
    assert_rejected(
        source,
        "does not have the tables of its revision|defines view|defines table|do not match",
        dumped,
    )


def test_a_table_that_is_missing_is_refused(source: Path) -> None:
    dumped = manifest_of(source)
    change(source, "DROP TABLE probes")
    assert_rejected(source, "does not have the tables of its revision", dumped)


CELLS = {
    "text in a number": ("experiments", "horizon_h = 'x'"),
    "infinity": ("experiments", "risk = 9e999"),
    "a blob in a text": ("experiments", "reason = x'00ff'"),
    "a number in a blob": ("experiments", "candidates = 7"),
    "a fraction in an integer": ("experiments", "candidates_evaluated = 1.5"),
    "a boolean of 2": ("experiments", "shadow = 2"),
    "no moment": ("experiments", "created_at = 'now'"),
    "a moment as a number": ("experiments", "created_at = 2460000.5"),
    "a day that is none": ("experiments", "created_at = '2026-02-31 00:00:00.000000'"),
    "a moment with a zone": ("experiments", "created_at = '2026-02-01 00:00:00+01:00'"),
    "no JSON": ("experiments", "policy = '{'"),
    "NaN in JSON": ("experiments", "policy = '[NaN]'"),
    "JSON without bottom": (
        "experiments",
        f"policy = '{'[' * 100_000}{']' * 100_000}'",
    ),
}


@pytest.mark.parametrize("what", CELLS)
def test_a_cell_of_another_type_is_refused(source: Path, what: str) -> None:
    table, setting = CELLS[what]
    change(source, f"UPDATE {table} SET {setting} WHERE id = 2")
    column = setting.split(" ")[0]
    assert_rejected(source, f"Row 2 of the backup's table {table} has a value in {column}")


def test_nothing_where_something_must_be_is_refused(source: Path) -> None:
    change(
        source,
        *rewrite("experiments", "reason VARCHAR NOT NULL", "reason VARCHAR"),
        "UPDATE experiments SET reason = NULL",
        *rewrite("experiments", "reason VARCHAR, ", "reason VARCHAR NOT NULL, "),
    )
    assert_rejected(source, "Row 1 of the backup's table experiments has a value in reason")


def test_text_that_is_no_text_is_refused(source: Path) -> None:
    change(source, "UPDATE experiments SET reason = CAST(x'ff' AS TEXT)")
    assert_rejected(source, "cannot be read: Could not decode")


def test_rows_that_clash_are_refused(source: Path) -> None:
    one, two = (f"INSERT INTO home_state VALUES ('{key}', 'x')" for key in "ab")
    change(source, one, two)
    with closing(sqlite3.connect(source, isolation_level=None)) as connection:
        (text,) = connection.execute(
            "SELECT sql FROM sqlite_schema WHERE name = 'home_state'"
        ).fetchone()
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("DELETE FROM sqlite_schema WHERE name LIKE 'sqlite_autoindex_home_%'")
        free = text.replace('CONSTRAINT pk_home_state PRIMARY KEY ("key")', "CHECK (1)")
        connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'home_state'", [free])
    change(source, "UPDATE home_state SET key = 'same'")
    assert_rejected(source, "Rows of the backup's table home_state conflict")


@pytest.mark.parametrize(
    "lie",
    [
        lambda dumped: replace(dumped, counts=dumped.counts | {"experiments": 2}),
        lambda dumped: replace(dumped, counts=dumped.counts | {"experiments": 4}),
        lambda dumped: replace(dumped, counts=dumped.counts | {"experiments": 2**60}),
        lambda dumped: replace(dumped, counts={"experiments": 3}),
        lambda dumped: replace(dumped, revision="r0009"),
    ],
)
def test_what_the_manifest_promises_is_what_there_is(
    source: Path, lie: Callable[[Dump], Dump]
) -> None:
    assert_rejected(
        source, "do not match its manifest|defines|not have the tables", lie(manifest_of(source))
    )


def test_rows_that_are_there_a_thousand_times_end(source: Path) -> None:
    """Tables that share a root page, so that the same rows are read many times."""
    change(
        source,
        f"INSERT INTO home_state VALUES ('a', '{'x' * 200_000}')",
        "INSERT INTO sweep_cells SELECT 's', 'k', '[]'",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema "
        "WHERE name = 'home_state') WHERE type = 'table' AND name IN ('users', 'secret_keys', "
        "'one_time_links', 'api_tokens', 'jobs', 'leases', 'accounts')",
    )
    with pytest.raises(InvalidInput):
        copy_rows(source, source.with_name("made.db"), manifest_of(source))


@pytest.mark.parametrize("at", range(0, 100, 7))
def test_a_file_that_is_damaged_anywhere_is_refused_or_read(source: Path, at: int) -> None:
    content = bytearray(source.read_bytes())
    dumped = manifest_of(source)
    step = len(content) // 100
    for place in range(at * step, len(content), step * 9 + 1):
        content[place] ^= 0xFF
    source.write_bytes(content)
    try:
        copy_rows(source, source.with_name("made.db"), dumped)
    except InvalidInput:
        return
    assert inspect_copy(source.with_name("made.db")).counts == dumped.counts
