"""Backups made during writes, and their restore, on SQLite and PostgreSQL."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import sqlite3
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import text

from spotlab.domain.access import Role
from spotlab.domain.ports import By
from spotlab.errors import Conflict, DatabaseDown, Forbidden, InvalidInput, NotAvailable
from spotlab.maintenance import backup
from spotlab.maintenance import restore as restoring
from spotlab.maintenance.backup import Backup, back_up
from spotlab.maintenance.restore import RestoreReport, restore
from spotlab.settings import Settings
from spotlab.store import Store, dumps, open_store
from spotlab.store.engine import connect, writing
from spotlab.store.migrate import head, upgrade
from spotlab.store.restore import is_empty
from tests.support import builders as make
from tests.support.databases import KINDS, fresh_postgres
from tests.support.market import StillClock
from tests.support.people import ANA, person

CLOCK = StillClock()
MODEL = "toy/1.0.0/model.txt"
DAY = Path("evidence/simulated/us-east-1/2026-11-03.parquet")


@dataclass
class Place:
    """A home with its database."""

    home: Path
    url: str | None

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home, database_url=self.url)

    def open(self) -> Store:
        return open_store(self.url, self.home / "spotlab.db")

    def backup(self, target: Path, **options: bool) -> Backup:
        store = self.open()
        try:
            return back_up(store, self.home, CLOCK, target, **options)
        finally:
            store.close()

    def restore(self, source: Path, replace: bool = False) -> RestoreReport:
        return restore(self.settings, CLOCK, source, ANA, replace=replace)


@pytest.fixture(params=KINDS)
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Place]]:
    """Makes homes with an empty database each, all of one kind."""
    opened = []

    def make_one(name: str) -> Place:
        url = None
        if request.param == "postgres":
            database = fresh_postgres()
            url = database.__enter__()
            opened.append(database)
        return Place(tmp_path / name, url)

    yield make_one
    for database in opened:
        database.__exit__(None, None, None)


@pytest.fixture
def filled(new_place: Callable[[str], Place]) -> Place:
    """A place with decisions, a market, audit entries, a model and a secret key."""
    place = new_place("first")
    store = place.open()
    for number in range(3):
        store.ledger.record(make.experiment(instance=make.instance(f"i-{number}")))
    store.archive.save(make.snapshot())
    by = By("ana", make.NOW, "for a test", "a test")
    for number in range(4):
        store.audit.add(by, "instance.shadow", f"i-{number}", {"shadow": False}, {"shadow": True})
    store.close()
    path = place.home / "models" / MODEL
    path.parent.mkdir(parents=True)
    path.write_text("tree\n")
    day = place.home / DAY
    day.parent.mkdir(parents=True)
    day.write_bytes(b"points")
    (place.home / "secret.key").write_text("k" * 64)
    (place.home / "secret.key").chmod(0o600)
    return place


def contents(store: Store) -> tuple[list[object], object]:
    whole = [store.ledger.get(each.experiment_id) for each in store.ledger.list()]
    return whole, store.audit.entries(limit=1000)


def test_a_day_that_is_joined_to_its_month_meanwhile_is_not_lost(
    filled: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    month, copy = (filled.home / DAY).with_name("2026-11.parquet"), backup._copy_plain

    def after_compaction(source: Path, target: Path) -> None:
        if source == filled.home / DAY:
            source.rename(month)
        copy(source, target)

    monkeypatch.setattr(backup, "_copy_plain", after_compaction)
    made = filled.backup(tmp_path / "one.tar")
    names = [name for name in made.manifest.files if name.startswith("evidence/")]
    assert names == ["evidence/simulated/us-east-1/2026-11.parquet"]


def test_what_is_restored_opens_bit_for_bit_equal_and_its_audit_chain_holds(
    filled: Place, new_place: Callable[[str], Place], tmp_path: Path
) -> None:
    made = filled.backup(tmp_path / "backups" / "one.tar", with_secrets=True)
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in made.path.parent.iterdir()] == ["one.tar"]
    assert made.manifest.counts["experiments"] == 3
    with tarfile.open(made.path) as archive:
        assert archive.getnames()[0] == "manifest.json"

    other = new_place("second")
    done = other.restore(made.path)

    assert done.former == ()
    before, after = filled.open(), other.open()
    decisions, trail = contents(before)
    restored, longer = contents(after)
    assert restored == decisions
    assert [entry.action for entry in longer[:1]] == ["data.restore"]  # type: ignore[index]
    assert longer[1:] == trail  # type: ignore[index]
    assert after.audit.check().broken_at is None
    snapshot = after.archive.latest(
        make.snapshot().kind, make.snapshot().market, make.snapshot().scope
    )
    assert snapshot is not None
    assert snapshot.rows.equals(make.snapshot().rows)
    assert (other.home / "models" / MODEL).read_text() == "tree\n"
    assert (other.home / DAY).read_bytes() == b"points"
    assert (other.home / "secret.key").stat().st_mode & 0o777 == 0o600
    # Ids go on where they were: a new decision takes no old one's place.
    assert after.ledger.record(make.experiment()) == 4
    before.close()
    after.close()


def test_the_secret_key_is_left_out_unless_asked_for(filled: Place, tmp_path: Path) -> None:
    made = filled.backup(tmp_path / "one.tar")
    assert not made.manifest.with_secrets
    assert b"k" * 64 not in made.path.read_bytes()


def test_a_backup_while_others_write_is_of_one_moment(
    filled: Place, new_place: Callable[[str], Place], tmp_path: Path
) -> None:
    store = filled.open()
    stop, wrote = threading.Event(), threading.Event()

    def write() -> None:
        while not stop.is_set():
            # A decision and its audit entry, in one transaction each.
            store.ledger.record(make.experiment(instance=make.instance("i-busy")))
            store.audit.add(make.BY, "instance.shadow", "i-busy")
            wrote.set()

    writer = threading.Thread(target=write)
    writer.start()
    wrote.wait(10)
    made = filled.backup(tmp_path / "one.tar")
    stop.set()
    writer.join()
    written = store.ledger.count()
    store.close()

    other = new_place("second")
    other.restore(made.path)
    after = other.open()
    assert 3 < after.ledger.count() == made.manifest.counts["experiments"] <= written
    assert after.audit.check().broken_at is None
    after.close()


def test_a_place_that_is_taken_is_left_alone_unless_it_is_to_be_replaced(
    filled: Place, new_place: Callable[[str], Place], tmp_path: Path
) -> None:
    made = filled.backup(tmp_path / "one.tar", with_secrets=True)
    other = new_place("second")
    store = other.open()
    store.ledger.record(make.experiment(instance=make.instance("i-own")))
    store.close()
    (other.home / "models" / "own").mkdir(parents=True)

    with pytest.raises(Conflict, match="a database and uploaded models"):
        other.restore(made.path)
    store = other.open()
    assert store.ledger.count() == 1
    store.close()

    done = other.restore(made.path, replace=True)

    store = other.open()
    assert store.ledger.count() == 3
    models, database = done.former
    assert (Path(models) / "own").is_dir()
    if other.url is None:
        former = open_store(None, Path(database))
        assert former.ledger.count() == 1
        former.close()
    else:
        with store.engine.connect() as connection:
            count = text(f'SELECT count(*) FROM "{database}".experiments')
            assert connection.execute(count).scalar_one() == 1
    store.close()
    # And it can be backed up and restored again.
    assert other.backup(tmp_path / "two.tar").manifest.counts["experiments"] == 3


def rewritten(source: Path, target: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """A copy of a backup with one file changed."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            content = old.extractfile(member)
            assert content is not None
            data = content.read()
            if member.name == name:
                data = change(data)
                member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return target


def manifest_with(**changes: object) -> Callable[[bytes], bytes]:
    return lambda data: json.dumps({**json.loads(data), **changes}).encode()


def refused(place: Place, source: Path, why: str) -> None:
    with pytest.raises((InvalidInput, DatabaseDown), match=why):
        place.restore(source)
    names = {path.name for path in place.home.iterdir()} if place.home.exists() else set()
    assert names == set()
    engine = connect(place.url, place.home / "spotlab.db")
    assert is_empty(engine)
    engine.dispose()


def test_a_backup_that_is_not_as_it_was_made_touches_nothing(
    filled: Place, new_place: Callable[[str], Place], tmp_path: Path
) -> None:
    made = filled.backup(tmp_path / "one.tar").path
    other = new_place("second")

    flipped = rewritten(made, tmp_path / "a", "database", lambda d: d[:-9] + b"x" + d[-8:])
    refused(other, flipped, "database is damaged")
    cut = tmp_path / "b"
    cut.write_bytes(made.read_bytes()[: made.stat().st_size // 2])
    refused(other, cut, "not a complete backup")
    newer = rewritten(made, tmp_path / "c", "manifest.json", manifest_with(revision="9999"))
    refused(other, newer, "newer SpotLab")
    counts = json.loads(json.dumps(filled.backup(tmp_path / "d").manifest.counts))
    counts["experiments"] += 1
    lying = rewritten(made, tmp_path / "e", "manifest.json", manifest_with(counts=counts))
    refused(other, lying, "do not match its manifest|does not have 4 rows")
    climbing = rewritten(
        made,
        tmp_path / "f",
        "manifest.json",
        lambda data: data.replace(b"models/toy", b"models/../../toy"),
    )
    refused(other, climbing, "names files or tables that no backup has")
    text_file = tmp_path / "g"
    text_file.write_text("no backup")
    refused(other, text_file, "not a SpotLab backup")


def test_a_step_that_fails_leaves_all_as_it_was(
    filled: Place,
    new_place: Callable[[str], Place],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = filled.backup(tmp_path / "one.tar", with_secrets=True)
    other = new_place("second")
    store = other.open()
    store.ledger.record(make.experiment(instance=make.instance("i-own")))
    store.close()
    (other.home / "models" / "own").mkdir(parents=True)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(restoring, "replace_sqlite", full)
    monkeypatch.setattr(restoring, "load_postgres", full)
    with pytest.raises(NotAvailable, match="No space left"):
        other.restore(made.path, replace=True)

    assert (other.home / "models" / "own").is_dir()
    assert not (other.home / "secret.key").exists()
    assert not [path for path in other.home.iterdir() if "restore" in path.name]
    store = other.open()
    assert store.ledger.count() == 1
    store.close()


def test_a_database_in_use_is_not_replaced(
    filled: Place, new_place: Callable[[str], Place], tmp_path: Path
) -> None:
    made = filled.backup(tmp_path / "one.tar")
    other = new_place("second")
    used = other.open()
    used.ledger.record(make.experiment())
    with pytest.raises(Conflict, match="Stop SpotLab first"):
        other.restore(made.path, replace=True)
    assert used.ledger.count() == 1
    used.close()


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_only_an_administrator_may_restore(role: Role, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    with pytest.raises(Forbidden, match="restore data"):
        restore(settings, CLOCK, tmp_path / "none.tar", person(role))
    assert not settings.home.exists()


def test_a_backup_overwrites_nothing_and_leaves_nothing_half(
    filled: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "own" / "there.tar"
    target.parent.mkdir()
    target.write_text("mine")
    with pytest.raises(Conflict, match="exists"):
        filled.backup(target)
    assert target.read_text() == "mine"

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotAvailable, match="No space left"):
        filled.backup(target.with_name("new.tar"))
    assert [path.name for path in target.parent.iterdir()] == ["there.tar"]


def test_a_client_that_is_too_old_or_absent_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 11.4'\n")
    old.chmod(0o755)
    monkeypatch.setattr(dumps, "_CLIENT_FOLDERS", str(tmp_path / "none" / "*"))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(
        NotAvailable, match=r"version 11, which is too old for the server.s 15.*version 15 or newer"
    ):
        dumps.client_path("pg_dump", 15)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(NotAvailable, match="not on PATH"):
        dumps.client_path("pg_dump", 15)


def test_one_kind_of_database_is_not_restored_into_another(tmp_path: Path) -> None:
    here = Place(tmp_path / "sqlite", None)
    made = here.backup(tmp_path / "one.tar")
    changed = rewritten(
        made.path, tmp_path / "two.tar", "manifest.json", manifest_with(database="postgresql")
    )
    with pytest.raises(InvalidInput, match="backup is of postgresql"):
        replace(here, home=tmp_path / "other").restore(changed)


def test_writes_are_not_kept_waiting_by_a_copy(tmp_path: Path) -> None:
    here = Place(tmp_path / "sqlite", None)
    store = here.open()
    with writing(store.engine):  # somebody holds the write lock, and the copy does not mind
        made = back_up(store, here.home, CLOCK, tmp_path / "one.tar")
    assert made.manifest.counts["experiments"] == 0
    store.close()


def summed_anew(source: Path, target: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """A backup with one file changed, and a manifest that agrees with it."""
    changed = rewritten(source, target, name, change)
    with tarfile.open(changed) as archive:
        content = archive.extractfile(name)
        assert content is not None
        data = content.read()

    def agree(text: bytes) -> bytes:
        manifest = json.loads(text)
        part = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        return json.dumps({**manifest, "files": {**manifest["files"], name: part}}).encode()

    return rewritten(changed, target.with_name(f"{target.name}.summed"), "manifest.json", agree)


def on_sqlite(tmp_path: Path, *statements: str) -> Callable[[bytes], bytes]:
    """Changes a database file as somebody with sqlite3 does."""

    def change(content: bytes) -> bytes:
        path = tmp_path / "changed.db"
        path.write_bytes(content)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)
        return path.read_bytes()

    return change


EVIL_USER = (
    "INSERT INTO users (name, role, email, active, must_change, failures, created_at) "
    "VALUES ('mallory', 'admin', '', 1, 0, 0, '2026-01-01 00:00:00')"
)


def test_a_trigger_in_a_backup_is_not_run(tmp_path: Path) -> None:
    here = Place(tmp_path / "here", None)
    made = here.backup(tmp_path / "one.tar").path
    trigger = f"CREATE TRIGGER t AFTER INSERT ON audit_log BEGIN {EVIL_USER}; END"
    changed = summed_anew(made, tmp_path / "two.tar", "database", on_sqlite(tmp_path, trigger))
    refused(
        Place(tmp_path / "there", None), changed, "defines trigger 't', which SpotLab never creates"
    )


def test_an_audit_log_that_was_changed_is_restored_and_told(tmp_path: Path) -> None:
    here, there = Place(tmp_path / "here", None), Place(tmp_path / "there", None)
    store = here.open()
    for number in range(3):
        store.audit.add(make.BY, "instance.shadow", f"i-{number}")
    store.close()
    made = here.backup(tmp_path / "one.tar").path
    change = on_sqlite(tmp_path, "UPDATE audit_log SET actor = 'nobody' WHERE number = 2")
    done = there.restore(summed_anew(made, tmp_path / "two.tar", "database", change))
    assert done.broken == "Entry 2 was changed since it was written."
    store = there.open()
    last = store.audit.entries()[0]
    assert (last.action, last.after["audit"]) == ("data.restore", done.broken)
    assert store.audit.check().broken_at == 2
    store.close()


def test_a_backup_of_a_former_version_is_brought_up_to_date(tmp_path: Path) -> None:
    here, there = Place(tmp_path / "here", None), Place(tmp_path / "there", None)
    engine = connect(None, here.home / "spotlab.db")
    upgrade(engine, "r0008")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO home_state VALUES ('a', 'b')"))
    whole = Store.of(engine)
    made = back_up(whole, here.home, CLOCK, tmp_path / "one.tar")
    engine.dispose()
    assert made.manifest.revision == "r0008"
    assert there.restore(made.path).revision == head()
    store = there.open()
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT * FROM home_state")).all() == [("a", "b")]
    store.close()


def tampered(change: Callable[[tarfile.TarInfo], None], data: bytes = b"") -> Callable[..., Path]:
    """Gives the database's entry of a backup another header."""

    def make_one(source: Path, target: Path) -> Path:
        with tarfile.open(source) as old, tarfile.open(target, "w") as new:
            for member in old:
                content = old.extractfile(member)
                assert content is not None
                whole = content.read()
                if member.name == "database":
                    change(member)
                    whole = data or whole
                    header = member.tobuf(tarfile.GNU_FORMAT)
                    assert new.fileobj is not None
                    new.fileobj.write(header + whole + b"\0" * (-len(whole) % 512))
                    new.offset += len(header) + len(whole) + (-len(whole) % 512)
                else:
                    new.addfile(member, io.BytesIO(whole))
        return target

    return make_one


def become(**values: object) -> Callable[[tarfile.TarInfo], None]:
    def change(member: tarfile.TarInfo) -> None:
        for name, value in values.items():
            setattr(member, name, value)

    return change


HEADERS = {
    "a link": become(type=tarfile.SYMTYPE, linkname="/etc/passwd", size=0),
    "a hard link": become(type=tarfile.LNKTYPE, linkname="manifest.json", size=0),
    "a device": become(type=tarfile.CHRTYPE, size=0),
    "a pipe": become(type=tarfile.FIFOTYPE, size=0),
    "a sparse file": become(type=tarfile.GNUTYPE_SPARSE),
    "another name": become(name="models/toy/x"),
    "a header as long as a disk": become(type=tarfile.XHDTYPE, size=2**33 - 1),
    "a name as long as a disk": become(type=tarfile.GNUTYPE_LONGNAME, size=2**33 - 1),
}


@pytest.mark.parametrize("what", HEADERS)
def test_an_entry_that_is_no_plain_file_is_refused(what: str, tmp_path: Path) -> None:
    made = Place(tmp_path / "here", None).backup(tmp_path / "one.tar").path
    changed = tampered(HEADERS[what])(made, tmp_path / "two.tar")
    refused(Place(tmp_path / "there", None), changed, "not a complete backup|is in the place of")


def test_files_that_the_manifest_does_not_name_are_refused(tmp_path: Path) -> None:
    made = Place(tmp_path / "here", None).backup(tmp_path / "one.tar").path
    with tarfile.open(made, "a") as archive:
        archive.addfile(tarfile.TarInfo("models/more"))
    refused(Place(tmp_path / "there", None), made, "files that its manifest does not name")


NAMES = {
    "climbing": "models/../../x",
    "absolute": "/models/x",
    "of 300 letters": f"models/{'a' * 300}",
    "with a NUL": "models/a\0b",
    "hidden": "models/.quarantine/x",
    "of Windows": "models\\x",
    "with a drive": "models/C:x",
    "twice as a folder": "database/x",
    "empty": "models//x",
    "the manifest": "manifest.json",
    "the journal": ".restoring.json",
    "the database in use": "spotlab.db",
}


@pytest.mark.parametrize("what", NAMES)
def test_a_name_that_no_backup_has_is_refused(what: str, tmp_path: Path) -> None:
    made = Place(tmp_path / "here", None).backup(tmp_path / "one.tar").path

    def more(data: bytes) -> bytes:
        manifest = json.loads(data)
        part = {"sha256": "0" * 64, "bytes": 0}
        return json.dumps({**manifest, "files": {**manifest["files"], NAMES[what]: part}}).encode()

    changed = rewritten(made, tmp_path / "two.tar", "manifest.json", more)
    refused(Place(tmp_path / "there", None), changed, "names files or tables that no backup has")


LIES = {
    "a larger file": manifest_with(files={"database": {"sha256": "0" * 64, "bytes": 2**60}}),
    "a file less than empty": manifest_with(files={"database": {"sha256": "0" * 64, "bytes": -1}}),
    "rows below zero": manifest_with(counts={"users": -1}),
    "no JSON": lambda _data: b"{",
    "JSON without bottom": lambda _data: b'{"format":' + b"[" * 100_000,
    "no text": lambda _data: b"\xff\xfe",
    "a number of tomorrow": manifest_with(format=2),
    "more fields": manifest_with(more=1),
}


@pytest.mark.parametrize("what", LIES)
def test_a_manifest_that_lies_is_refused(what: str, tmp_path: Path) -> None:
    made = Place(tmp_path / "here", None).backup(tmp_path / "one.tar").path
    changed = rewritten(made, tmp_path / "two.tar", "manifest.json", LIES[what])
    refused(Place(tmp_path / "there", None), changed, "not a complete backup|manifest|has format 2")


def test_a_pipe_in_the_place_of_a_backup_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="is not a"):
        Place(tmp_path / "there", None).restore(tmp_path / "pipe")


def test_a_backup_takes_plain_files_alone_and_tells_what_it_left_out(tmp_path: Path) -> None:
    here, there = Place(tmp_path / "here", None), Place(tmp_path / "there", None)
    here.open().close()
    models = here.home / "models"
    (models / "toy").mkdir(parents=True)
    (models / "toy" / "model.txt").write_text("tree\n")
    (models / "toy" / "round").symlink_to(models)
    (models / "toy" / "passwords").symlink_to("/etc/passwd")
    (models / "gone").symlink_to(tmp_path / "nowhere")
    (models / ".quarantine").mkdir()
    os.mkfifo(models / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(models / "socket"))
        made = here.backup(tmp_path / "one.tar")
    out = ("gone", "pipe", "socket", "toy/passwords", "toy/round")
    assert sorted(made.left_out) == [f"models/{name}" for name in out]
    there.restore(made.path)
    assert [path.name for path in (there.home / "models").rglob("*")] == ["toy", "model.txt"]
