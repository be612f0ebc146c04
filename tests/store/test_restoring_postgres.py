"""A dump of PostgreSQL that a stranger changed: rows are taken or refused, nothing is run."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from spotlab.errors import Conflict, DatabaseDown, InvalidInput
from spotlab.store import Store, open_store
from spotlab.store.dumps import Dump, client, dump
from spotlab.store.engine import connect
from spotlab.store.restoring import is_empty
from spotlab.store.restoring_postgres import put_postgres
from tests.support import builders as make
from tests.support.databases import fresh_postgres

pytestmark = pytest.mark.postgres
MARK = "m" * 200


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """One with rows, and an empty database."""
    with ExitStack() as stack:
        urls = [stack.enter_context(fresh_postgres()) for _ in range(2)]
        full = open_store(urls[0], tmp_path / "none.db")
        stack.callback(full.close)
        for number in range(3):
            full.ledger.record(make.experiment(instance=make.instance(f"i-{number}")))
        full.audit.add(make.BY, "instance.shadow", MARK)
        empty = connect(urls[1], tmp_path / "none.db")
        stack.callback(empty.dispose)
        yield full, Store.of(empty)


def plain_dump(engine: Engine, target: Path) -> Path:
    """Uncompressed, so that it can be changed in its place."""
    address = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    command = [client("pg_dump", 1), "--format=custom", "--compress=0", f"--file={target}"]
    subprocess.run([*command, f"--dbname={address}"], check=True)
    return target


def put(engine: Engine, copy: Path, dumped: Dump) -> str | None:
    return put_postgres(engine, copy, dumped, "20261130T000000", lambda _connection: None)


def refused(stores: tuple[Store, Store], copy: Path, dumped: Dump, why: str) -> None:
    with pytest.raises((InvalidInput, DatabaseDown), match=why):
        put(stores[1].engine, copy, dumped)
    assert is_empty(stores[1].engine)


@pytest.mark.parametrize("sly", [r"\! touch {mark}", "DROP TABLE users;", r"\i /etc/passwd"])
def test_what_stands_between_the_rows_is_not_run(
    stores: tuple[Store, Store], tmp_path: Path, sly: str
) -> None:
    dumped = dump(stores[0].engine, tmp_path / "copy")
    copy = plain_dump(stores[0].engine, tmp_path / "plain")
    mark = tmp_path / "run"
    # The row ends, the data ends, and what comes then is the script's.
    lines = f"\t\t\t\t\t\t\n\\.\n{sly.format(mark=mark)}\n".encode()
    whole = copy.read_bytes()
    assert len(lines) <= len(MARK)
    changed = whole.replace(MARK.encode(), lines + b"-" * (len(MARK) - len(lines)))
    assert changed != whole
    copy.write_bytes(changed)
    refused(stores, copy, dumped, "audit_log are refused|manifest says")
    assert not mark.exists()


DEFINED = {
    "a trigger": "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN DELETE FROM users; RETURN NEW; END $$; "
    "CREATE TRIGGER t AFTER INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION f()",
    "a view": "CREATE VIEW v AS SELECT pg_read_file('/etc/passwd')",
    "a rule": "CREATE RULE r AS ON INSERT TO audit_log DO ALSO DELETE FROM users",
    "a default": "ALTER TABLE audit_log ALTER actor SET DEFAULT current_user",
    "a check": "ALTER TABLE audit_log ADD CHECK (actor <> pg_sleep(0)::text)",
}


@pytest.mark.parametrize("what", DEFINED)
def test_what_a_dump_defines_is_not_made(
    stores: tuple[Store, Store], tmp_path: Path, what: str
) -> None:
    dumped = dump(stores[0].engine, tmp_path / "copy")
    change(stores[0].engine, DEFINED[what])
    copy = plain_dump(stores[0].engine, tmp_path / "plain")
    put(stores[1].engine, copy, dumped)
    assert [each.instance_id for each in stores[1].ledger.list()] == ["i-2", "i-1", "i-0"]
    assert stores[1].ledger.record(make.experiment()) == 4
    with stores[1].engine.connect() as connection:
        for query in (
            "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal",
            "SELECT count(*) FROM pg_views WHERE schemaname = 'public'",
            "SELECT count(*) FROM pg_rules WHERE schemaname = 'public'",
            "SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0 "
            "AND connamespace = 'public'::regnamespace",
        ):
            assert connection.execute(text(query)).scalar_one() == 0
    assert stores[1].audit.check() == stores[0].audit.check()


def change(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)


ODD = {
    "no number": ("UPDATE experiments SET risk = 'NaN'", "holds in risk"),
    "no end": ("UPDATE experiments SET horizon_h = '-Infinity'", "holds in horizon_h"),
    "a moment without end": ("UPDATE experiments SET created_at = 'infinity'", "in created_at"),
    "a moment before Christ": (
        "UPDATE experiments SET created_at = '0044-03-15 00:00:00+00 BC'",
        "in created_at",
    ),
    "JSON without bottom": (
        "UPDATE experiments SET policy = (repeat('[', 5000) || repeat(']', 5000))::json",
        "experiments holds no JSON",
    ),
    "another column": ("ALTER TABLE users ADD COLUMN more text", "users has other columns"),
    "a column less": ("ALTER TABLE users DROP COLUMN email", "users has other columns"),
    "another type": (
        "ALTER TABLE experiments ALTER risk TYPE text USING 'high'",
        "experiments are refused: invalid input syntax",
    ),
    "nothing where something must be": (
        "ALTER TABLE experiments ALTER reason DROP NOT NULL; UPDATE experiments SET reason = NULL",
        "experiments are refused: null value",
    ),
    "the same twice": (
        "ALTER TABLE home_state DROP CONSTRAINT pk_home_state; "
        "INSERT INTO home_state VALUES ('a', 'b'), ('a', 'c')",
        "home_state are refused: duplicate key|does not hold what",
    ),
    "another table": ("CREATE TABLE more (x int)", "'more', which no SpotLab makes"),
    "another revision": ("UPDATE alembic_version SET version_num = 'r0001'", "manifest says"),
    "rows less": ("DELETE FROM experiments WHERE id = 1", "manifest says"),
    "a table less": ("DROP TABLE probes", "manifest says"),
}


@pytest.mark.parametrize("what", ODD)
def test_rows_that_no_spotlab_writes_are_refused(
    stores: tuple[Store, Store], tmp_path: Path, what: str
) -> None:
    dumped = dump(stores[0].engine, tmp_path / "copy")
    statement, why = ODD[what]
    change(stores[0].engine, statement)
    refused(stores, plain_dump(stores[0].engine, tmp_path / "plain"), dumped, why)


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
    stores: tuple[Store, Store], tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    copy = tmp_path / "copy"
    dumped = dump(stores[0].engine, copy)
    copy.write_bytes(spoil(copy.read_bytes()))
    refused(stores, copy, dumped, "cannot be read|manifest says|no SpotLab|refused|no JSON")


def test_what_fails_at_the_end_undoes_it_all(stores: tuple[Store, Store], tmp_path: Path) -> None:
    dumped = dump(stores[0].engine, tmp_path / "copy")

    def fail(_connection: Connection) -> None:
        raise Conflict("no")

    with pytest.raises(Conflict):
        put_postgres(stores[0].engine, tmp_path / "copy", dumped, "20261130T000000", fail)
    assert stores[0].ledger.count() == 3


def test_a_dump_of_another_schema_is_told(stores: tuple[Store, Store], tmp_path: Path) -> None:
    dumped = dump(stores[0].engine, tmp_path / "copy")
    with pytest.raises(Conflict, match="are in the schema other"):
        put(stores[1].engine, tmp_path / "copy", replace(dumped, schema="other"))
