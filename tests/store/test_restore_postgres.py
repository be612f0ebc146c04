"""Untrusted PostgreSQL dumps: rows are loaded or rejected; nothing in them is executed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from spotlab.errors import Conflict, DatabaseDown, InvalidInput
from spotlab.store import Store, open_store
from spotlab.store.dumps import Dump, client_path, dump
from spotlab.store.engine import connect
from spotlab.store.restore import is_empty
from spotlab.store.restore_postgres import load_postgres
from tests.support import builders as make
from tests.support.databases import fresh_postgres

pytestmark = pytest.mark.postgres
MARK = "m" * 500


@pytest.fixture(scope="module")
def filled_url() -> Iterator[str]:
    """URL of a database with rows."""
    with fresh_postgres() as url:
        store = open_store(url, Path("none.db"))
        for number in range(3):
            store.ledger.record(make.experiment(instance=make.instance(f"i-{number}")))
        store.audit.add(make.BY, "instance.shadow", MARK)
        store.close()
        yield url


@pytest.fixture(scope="module")
def empty() -> Iterator[Engine]:
    """A database that stays empty, as every restore into it is rejected."""
    with fresh_postgres() as url:
        engine = connect(url, Path("none.db"))
        yield engine
        engine.dispose()


@pytest.fixture
def source(filled_url: str) -> Iterator[Engine]:
    """A copy of the database with rows, to be changed."""
    with fresh_postgres(like=filled_url) as url:
        engine = connect(url, Path("none.db"))
        yield engine
        engine.dispose()


def plain_dump(engine: Engine, target: Path) -> Path:
    """A dump without compression, so that tests can modify it."""
    address = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    command = [client_path("pg_dump", 1), "--format=custom", "--compress=0", f"--file={target}"]
    subprocess.run([*command, f"--dbname={address}"], check=True)
    return target


def restore(engine: Engine, copy: Path, dumped: Dump) -> str | None:
    return load_postgres(engine, copy, dumped, "20261130T000000", lambda _connection: None)


def assert_rejected(empty: Engine, copy: Path, dumped: Dump, why: str) -> None:
    with pytest.raises((InvalidInput, DatabaseDown), match=why):
        restore(empty, copy, dumped)
    assert is_empty(empty)


def test_what_stands_between_the_rows_is_not_run(source: Engine, tmp_path: Path) -> None:
    dumped = dump(source, tmp_path / "copy")
    copy = plain_dump(source, tmp_path / "plain")
    mark = tmp_path / "run"
    # This text ends the row and the data; the rest would be part of the script.
    injected = f"\t\t\t\t\t\n\\.\n\\! touch {mark}\nCOPY (SELECT 1) TO PROGRAM 'touch {mark}';\n"
    injected += "DROP TABLE users;\n"
    content = copy.read_bytes()
    changed = content.replace(MARK.encode(), injected.ljust(len(MARK), "-").encode())
    assert changed != content
    assert len(changed) == len(content)
    copy.write_bytes(changed)
    with fresh_postgres() as url:
        store = Store.of(connect(url, Path("none.db")))
        restore(store.engine, copy, dumped)
        assert store.users.list() == []
        assert [entry.target for entry in store.audit.entries()] == [""]
        assert store.audit.check().broken_at == 1
        store.close()
    assert not mark.exists()


DEFINED = (
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN DELETE FROM users; RETURN NEW; END $$",
    "CREATE TRIGGER t AFTER INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION f()",
    "CREATE VIEW v AS SELECT pg_read_file('/etc/passwd')",
    "CREATE RULE r AS ON INSERT TO audit_log DO ALSO DELETE FROM users",
    "ALTER TABLE audit_log ALTER actor SET DEFAULT current_user",
    "ALTER TABLE audit_log ADD CHECK (actor <> pg_sleep(0)::text)",
)


def test_what_a_dump_defines_is_not_made(source: Engine, tmp_path: Path) -> None:
    dumped = dump(source, tmp_path / "copy")
    change(source, *DEFINED)
    copy = plain_dump(source, tmp_path / "plain")
    with fresh_postgres() as url:
        store = Store.of(connect(url, Path("none.db")))
        restore(store.engine, copy, dumped)
        assert [each.instance_id for each in store.ledger.list()] == ["i-2", "i-1", "i-0"]
        assert store.ledger.record(make.experiment()) == 4
        assert store.audit.check() == Store.of(source).audit.check()
        with store.engine.connect() as connection:
            for query in (
                "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal",
                "SELECT count(*) FROM pg_views WHERE schemaname = 'public'",
                "SELECT count(*) FROM pg_rules WHERE schemaname = 'public'",
                "SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0 "
                "AND connamespace = 'public'::regnamespace",
            ):
                assert connection.execute(text(query)).scalar_one() == 0
        store.close()


def change(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


ODD = {
    "no number": ("UPDATE experiments SET risk = 'NaN'", "a value in risk"),
    "a moment without end": ("UPDATE experiments SET created_at = 'infinity'", "in created_at"),
    "JSON without bottom": (
        "UPDATE experiments SET policy = (repeat('[', 5000) || repeat(']', 5000))::json",
        "experiments has invalid JSON",
    ),
    "another column": ("ALTER TABLE users ADD COLUMN more text", "table users differ from ours"),
    "nothing where something must be": (
        "ALTER TABLE experiments ALTER reason DROP NOT NULL; UPDATE experiments SET reason = NULL",
        "experiments are invalid: null value",
    ),
    "the same twice": (
        "ALTER TABLE home_state DROP CONSTRAINT pk_home_state; "
        "INSERT INTO home_state VALUES ('a', 'b'), ('a', 'c')",
        "home_state are invalid: duplicate key|do not match its manifest",
    ),
    "another table": ("CREATE TABLE more (x int)", "'more', which SpotLab never creates"),
    "another revision": ("UPDATE alembic_version SET version_num = 'r0001'", "match its manifest"),
    "rows less": ("DELETE FROM experiments WHERE id = 1", "match its manifest"),
    "a table less": ("DROP TABLE probes", "match its manifest"),
}


@pytest.mark.parametrize("what", ODD)
def test_rows_that_no_spotlab_writes_are_refused(
    source: Engine, empty: Engine, tmp_path: Path, what: str
) -> None:
    dumped = dump(source, tmp_path / "copy")
    statement, why = ODD[what]
    change(source, statement)
    assert_rejected(empty, plain_dump(source, tmp_path / "plain"), dumped, why)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: b"PGDMP",
        lambda content: content[: len(content) // 2],
        lambda content: b"-- \n\\! touch /tmp/never\n",
        lambda content: content[:50] + b"\xff" * 200 + content[250:],
    ],
)
def test_a_dump_that_is_none_is_refused(
    source: Engine, empty: Engine, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    copy = tmp_path / "copy"
    dumped = dump(source, copy)
    copy.write_bytes(spoil(copy.read_bytes()))
    assert_rejected(empty, copy, dumped, "cannot be read|match its manifest|never creates|invalid")


def test_what_fails_at_the_end_undoes_it_all(source: Engine, empty: Engine, tmp_path: Path) -> None:
    dumped = dump(source, tmp_path / "copy")

    def fail(_connection: Connection) -> None:
        raise Conflict("no")

    with pytest.raises(Conflict):
        load_postgres(source, tmp_path / "copy", dumped, "20261130T000000", fail)
    assert Store.of(source).ledger.count() == 3


def test_a_dump_of_another_schema_is_told(source: Engine, empty: Engine, tmp_path: Path) -> None:
    dumped = dump(source, tmp_path / "copy")
    with pytest.raises(Conflict, match="are in the schema other"):
        restore(empty, tmp_path / "copy", replace(dumped, schema="other"))
