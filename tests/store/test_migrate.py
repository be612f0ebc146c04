"""Migrations create the tables as declared, once, even if several processes start together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from spotlab.domain.ports import ExperimentFilter
from spotlab.errors import DatabaseDown
from spotlab.store import migrate
from spotlab.store.engine import connect, writer
from spotlab.store.tables.metadata import METADATA
from tests.support import builders as make
from tests.support.databases import Database
from tests.support.outcomes import shadow_decision

START = """
import sys
from pathlib import Path
from spotlab.store import migrate
from spotlab.store.engine import connect
url, path = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
before, after = migrate.upgrade(connect(url or None, Path(path)))
print(before, after)
"""


def test_the_names_of_the_scripts_tell_the_newest_revision() -> None:
    assert (
        migrate.head() == ScriptDirectory.from_config(migrate.alembic_config()).get_current_head()
    )


def test_an_empty_database_is_migrated_once(database: Database) -> None:
    engine = connect(database.url, database.sqlite_path)
    assert migrate.current(engine) is None
    assert migrate.upgrade(engine) == (None, migrate.head())
    assert migrate.upgrade(engine) == (migrate.head(), migrate.head())
    assert migrate.current(engine) == migrate.head()
    engine.dispose()


def test_the_migrations_make_what_the_tables_say(database: Database) -> None:
    with database.opened() as store, store.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        # Alembic also accepts a list, contrary to its types.
        assert compare_metadata(context, METADATA) == []  # type: ignore[arg-type]
        assert connection.dialect.has_index(
            connection, "experiments", "ix_experiments_instance_id_created_at"
        )


def test_a_downgrade_leaves_nothing_behind(database: Database) -> None:
    with database.opened() as store:
        with writer(store.engine).begin() as connection:
            command.downgrade(migrate.alembic_config(connection), "base")
        assert inspect(store.engine).get_table_names() == ["alembic_version"]
        assert migrate.upgrade(store.engine) == (None, migrate.head())


def test_decisions_from_before_counts_are_counted(database: Database) -> None:
    with database.opened() as store:
        for experiment in (make.experiment(), make.experiment(), make.failed_experiment()):
            store.ledger.record(experiment)
        with writer(store.engine).begin() as connection:
            command.downgrade(migrate.alembic_config(connection), "r0020")
        migrate.upgrade(store.engine)
        assert store.ledger.count() == 3
        assert store.ledger.count(ExperimentFilter(failed=True)) == 1
        store.ledger.record(make.experiment())
        assert store.ledger.count(ExperimentFilter(failed=False)) == 3


def test_decisions_from_before_policies_were_made_by_the_built_in_one(
    database: Database,
) -> None:
    with database.opened() as store:
        number = store.ledger.record(make.experiment())
        store.shadow_decisions.record([shadow_decision(number)])
        with writer(store.engine).begin() as connection:
            command.downgrade(migrate.alembic_config(connection), "r0012")
        migrate.upgrade(store.engine)
        with writer(store.engine).begin() as connection:
            versions = connection.execute(text("SELECT policy_version FROM experiments"))
            assert [row[0] for row in versions] == ["default@1"]
        of_policy = shadow_decision(number, policy="cautious@1")
        store.shadow_decisions.record([shadow_decision(number), of_policy])
        assert store.shadow_decisions.of([number]) == [shadow_decision(number), of_policy]
        with writer(store.engine).begin() as connection:
            command.downgrade(migrate.alembic_config(connection), "r0012")
        migrate.upgrade(store.engine)
        assert store.shadow_decisions.of([number]) == [shadow_decision(number)]


def test_processes_that_start_at_once_migrate_once(database: Database) -> None:
    arguments = [sys.executable, "-c", START, database.url or "", str(database.sqlite_path)]
    starts = [
        subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for start in starts:
        assert start.stdout is not None
        assert start.stdout.readline() == "ready\n"
    ends = [start.communicate("go\n", timeout=60) for start in starts]

    assert [error for _, error in ends] == ["", ""]
    head = migrate.head()
    assert sorted(output.strip() for output, _ in ends) == sorted(
        [f"None {head}", f"{head} {head}"]
    )


def test_a_database_of_a_newer_spotlab_is_refused(database: Database) -> None:
    with database.opened() as store, store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'r9999'"))
    with pytest.raises(DatabaseDown, match=r"made by a newer SpotLab \(revision r9999\)") as caught:
        database.open()
    assert "Upgrade SpotLab" in caught.value.remedy


def test_a_migration_that_fails_leaves_nothing_half_made(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = connect(database.url, database.sqlite_path)
    with writer(engine).begin() as connection:
        connection.execute(text("CREATE TABLE model_versions (name VARCHAR)"))
    with pytest.raises(DatabaseDown, match="model_versions"):
        migrate.upgrade(engine)
    assert inspect(engine).get_table_names() == ["model_versions"]
    assert migrate.current(engine) is None
    engine.dispose()


def test_a_home_with_a_percent_sign_is_migrated(tmp_path: Path) -> None:
    engine = connect(None, tmp_path / "100%s home" / "spotlab.db")
    assert migrate.upgrade(engine)[1] == migrate.head()
    engine.dispose()
