"""A restore that is killed at any step leaves the complete old or new state."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from spotlab.errors import NotAvailable
from spotlab.maintenance import restore as restoring
from spotlab.maintenance.backup import back_up
from spotlab.maintenance.restore import restore
from spotlab.runtime.home import usable_home
from spotlab.runtime.restore_journal import JOURNAL, PREFIX, complete_restore, locked_home
from spotlab.settings import Settings
from spotlab.store import open_store
from spotlab.store.engine import connect
from tests.support import builders as make
from tests.support.databases import KINDS, fresh_postgres
from tests.support.market import StillClock
from tests.support.people import ANA

CLOCK = StillClock()
OLD, NEW = ("old", "old", "o" * 64), ("new", "new", "n" * 64)
MOST_STEPS = 30


def fill(settings: Settings, word: str) -> None:
    """A home whose database, model and secret key say the same word."""
    store = open_store(url_of(settings), settings.sqlite_path)
    store.ledger.record(make.experiment(instance=make.instance(f"i-{word}")))
    store.close()
    model = settings.home / "models" / "toy" / "model.txt"
    model.parent.mkdir(parents=True, exist_ok=True)
    model.write_text(word)
    (settings.home / "secret.key").write_text(word[0] * 64)
    (settings.home / "secret.key").chmod(0o600)


def url_of(settings: Settings) -> str | None:
    return settings.database_url.get_secret_value() if settings.database_url else None


def state(settings: Settings) -> tuple[str, str, str]:
    """What a start finds."""
    home = usable_home(settings)
    store = open_store(url_of(settings), settings.sqlite_path)
    (found,) = store.ledger.list()
    assert store.audit.check().broken_at is None
    store.close()
    model = (home / "models" / "toy" / "model.txt").read_text()
    return found.instance_id.removeprefix("i-"), model, (home / "secret.key").read_text()


@pytest.fixture(params=KINDS)
def new_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Any]:
    """A context with the settings of an empty home and database."""

    @contextmanager
    def make_one(name: str) -> Iterator[Settings]:
        home = tmp_path / name
        if request.param == "postgres":
            with fresh_postgres() as url:
                yield Settings(home=home, database_url=url)
        else:
            yield Settings(home=home)

    return make_one


def killed_at(number: int, act: Callable[[], object], *, begun: bool = False) -> bool:
    """Act in a process of its own that kills itself before its so manieth step; did it?

    Steps are counted from the journal's first, or from the start where something was begun.
    """

    def run() -> None:
        left, counting = number, begun

        def counted(real: Callable[..., Any], begins: bool = False) -> Callable[..., Any]:
            def step(*args: Any, **options: Any) -> Any:
                nonlocal left, counting
                counting = counting or begins
                if counting and left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= counting
                return real(*args, **options)

            return step

        # Before the journal is begun, nothing of the home is touched.
        restoring.write_journal = counted(restoring.write_journal, begins=True)
        for name in ("rename", "replace", "link", "unlink"):
            setattr(os, name, counted(getattr(os, name)))
        psycopg.Connection.commit = counted(psycopg.Connection.commit)  # type: ignore[method-assign]
        act()

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    child.join(60)
    assert child.exitcode in (0, -signal.SIGKILL)
    return child.exitcode != 0


def left_over(home: Path) -> list[str]:
    return [path.name for path in home.iterdir() if path.name.startswith((JOURNAL, PREFIX))]


def test_wherever_it_is_killed_the_next_start_has_the_old_or_the_new_state(
    new_settings: Callable[..., Any], tmp_path: Path
) -> None:
    source = tmp_path / "backup.tar"
    with new_settings("source") as settings:
        fill(settings, "new")
        store = open_store(url_of(settings), settings.sqlite_path)
        back_up(store, settings.home, CLOCK, source, with_secrets=True)
        store.close()
    found = []
    with new_settings("home") as settings:
        fill(settings, "old")
        kept = tmp_path / "kept"
        shutil.copytree(settings.home, kept)
        for number in range(MOST_STEPS):
            killed = killed_at(number, lambda: restore(settings, CLOCK, source, ANA, replace=True))
            found.append(state(settings))
            assert left_over(settings.home) == [], number
            if not killed:
                break
            if found[-1] == NEW:
                again(settings, kept)
    assert not killed
    assert set(found) == {OLD, NEW}
    assert found == sorted(found, key=[OLD, NEW].index)


def test_a_start_that_is_killed_while_it_finishes_is_finished_by_the_next(tmp_path: Path) -> None:
    source, made = tmp_path / "backup.tar", Settings(home=tmp_path / "source")
    fill(made, "new")
    store = open_store(None, made.sqlite_path)
    back_up(store, made.home, CLOCK, source, with_secrets=True)
    store.close()
    settings = Settings(home=tmp_path / "home")
    fill(settings, "old")
    assert killed_at(3, lambda: restore(settings, CLOCK, source, ANA, replace=True))
    assert (settings.home / JOURNAL).exists()
    starts = 0
    while killed_at(1, lambda: usable_home(settings), begun=True):
        starts += 1
        assert starts < MOST_STEPS
    assert starts > 2
    assert state(settings) == NEW
    assert left_over(settings.home) == []


def again(settings: Settings, kept: Path) -> None:
    """Make the old state once more."""
    shutil.rmtree(settings.home)
    shutil.copytree(kept, settings.home)
    if settings.database_url is None:
        return
    engine = connect(url_of(settings), settings.sqlite_path)
    with engine.begin() as connection:
        (former,) = connection.execute(
            text("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'spotlab_before_%'")
        ).scalars()
        tables = connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = :schema"), {"schema": former}
        ).scalars()
        for name in list(tables):
            connection.execute(text(f'DROP TABLE "{name}"'))
            connection.execute(text(f'ALTER TABLE "{former}"."{name}" SET SCHEMA public'))
        connection.execute(text(f'DROP SCHEMA "{former}"'))
    engine.dispose()


def test_while_a_restore_is_at_work_nothing_else_is_begun(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}x").mkdir()
    with locked_home(tmp_path):
        with pytest.raises(NotAvailable, match="being restored"), locked_home(tmp_path):
            pass
        assert left_over(tmp_path) == [f"{PREFIX}x"]
    complete_restore(tmp_path, lambda _restore_id: False)
    assert left_over(tmp_path) == []


def test_a_journal_that_cannot_be_read_is_told_and_left(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text("{")
    with pytest.raises(NotAvailable, match="was interrupted and cannot be completed"):
        complete_restore(tmp_path, lambda _restore_id: False)
    assert left_over(tmp_path) == [JOURNAL]
