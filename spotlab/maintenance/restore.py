"""Restore of a backup: replaces the database, models and evidence archive of a home.

Everything is checked before anything is changed: checksums, rows per table, revision, and that the
replaced data is not in use. If a step fails, the previous state is kept.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Connection, Engine
from sqlmodel import Session

from spotlab.access.secret_key import FILE as SECRET_KEY
from spotlab.domain.access import Principal, Right
from spotlab.domain.ports import By, Clock
from spotlab.errors import Conflict, InvalidInput, NotAvailable
from spotlab.maintenance.backup import DATABASE, FOLDERS, Manifest
from spotlab.maintenance.backup_file import open_backup
from spotlab.runtime.home import usable_home
from spotlab.runtime.restore_journal import (
    DATABASE_FILE,
    JOURNAL,
    NEW,
    PREFIX,
    Plan,
    delete_journal,
    locked_home,
    move_files,
    undo,
    unused_stamp,
    write_journal,
)
from spotlab.settings import Settings
from spotlab.store.audit import append, check
from spotlab.store.backup_reader import copy_rows
from spotlab.store.dumps import Dump, merge_wal
from spotlab.store.engine import connect, writer
from spotlab.store.failures import is_sqlite, translated
from spotlab.store.migrate import head, upgrade
from spotlab.store.restore import (
    exclusive_access,
    has_restore_entry,
    is_empty,
    replace_sqlite,
    require_known_revision,
)
from spotlab.store.restore_postgres import load_postgres


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """A finished restore.

    Args:
        manifest: contents of the backup.
        revision: present revision of the database schema.
        former: where the replaced data is kept.
        broken: what is wrong with the restored audit log's hash chain; "": it is intact.
    """

    manifest: Manifest
    revision: str
    former: tuple[str, ...]
    broken: str


def restore(
    settings: Settings, clock: Clock, source: Path, who: Principal, *, replace: bool = False
) -> RestoreReport:
    """Restore a backup; SpotLab must not be running on this home and database.

    Args:
        settings: with the home and database to restore into.
        clock: the time.
        source: a file made by `back_up`.
        who: the user who restores.
        replace: whether existing data may be replaced; it is kept alongside.
    Raises:
        Forbidden: the user may not restore.
        InvalidInput: the file is not a backup, damaged, or of a newer version.
        Conflict: there is data already, or it is in use.
        NotAvailable: no space, or the PostgreSQL client programs are missing.
        DatabaseDown: the database cannot be written; nothing was changed.
    """
    who.require_everywhere(Right.KEEP_DATA)
    home = settings.home.absolute()
    url = settings.database_url.get_secret_value() if settings.database_url else None
    with _os_errors_translated(home), ExitStack() as stack:
        file = stack.enter_context(open_backup(source))
        engine = connect(url, home / DATABASE_FILE, settings.database_pooling)
        stack.callback(engine.dispose)
        usable_home(settings)
        stack.enter_context(locked_home(home))
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))
        stack.callback(_clear, home, folder)
        file.unpack(folder)
        manifest = file.manifest
        _check_database_kind(manifest, engine)
        require_known_revision(manifest.revision)
        _check_empty(engine, home, manifest, replace)
        names = _names_of(manifest, engine)
        stamp = unused_stamp(home, names, f"{clock.now():%Y%m%dT%H%M%S}")
        plan = Plan(uuid4().hex, folder.name, names, stamp, not is_sqlite(engine))
        note = _AuditEntry(
            By(who.name, clock.now(), via=who.via), source.name, manifest, plan.restore_id
        )
        (folder / NEW).mkdir()
        for name in names:
            if name != DATABASE_FILE:
                (folder / name).rename(folder / NEW / name)
        place = _restore_sqlite if is_sqlite(engine) else _restore_postgres
        former = place(engine, home, plan, note)
    return RestoreReport(manifest, head(), former, note.broken)


def _restore_sqlite(_engine: Engine, home: Path, plan: Plan, note: _AuditEntry) -> tuple[str, ...]:
    folder = home / plan.folder
    made = folder / NEW / DATABASE_FILE
    copy_rows(folder / DATABASE, made, note.dump)
    engine = connect(None, made)
    try:
        upgrade(engine)
        with translated(engine), writer(engine).begin() as connection:
            note(connection)
    finally:
        engine.dispose()
    merge_wal(made)
    with exclusive_access(home / DATABASE_FILE):
        write_journal(home, plan)
        try:
            former = [
                *move_files(home, plan),
                replace_sqlite(made, home / DATABASE_FILE, plan.stamp),
            ]
        except BaseException:
            undo(home, plan)
            delete_journal(home, plan)
            raise
        delete_journal(home, plan)
    return tuple(str(each) for each in former if each)


def _restore_postgres(engine: Engine, home: Path, plan: Plan, note: _AuditEntry) -> tuple[str, ...]:
    write_journal(home, plan)
    try:
        beside = load_postgres(engine, home / plan.folder / DATABASE, note.dump, plan.stamp, note)
    except BaseException:
        # If the connection breaks during the commit, only a query shows whether it was committed.
        # If that fails too, the journal remains, and the next start asks again.
        if not has_restore_entry(engine, plan.restore_id):
            delete_journal(home, plan)
        raise
    try:
        former = move_files(home, plan)
        delete_journal(home, plan)
    except OSError as exc:
        raise NotAvailable(
            f"The database is restored, but not all files of {home}: {exc.strerror or exc}.",
            remedy="Check free space and permissions of the home; the next start finishes it.",
        ) from exc
    return (*former, *([beside] if beside else []))


def _clear(home: Path, folder: Path) -> None:
    """Remove temporary files, unless a journal exists: the next start then needs them."""
    if not (home / JOURNAL).exists():
        shutil.rmtree(folder, ignore_errors=True)


def _names_of(manifest: Manifest, engine: Engine) -> tuple[str, ...]:
    names = [name for name in FOLDERS if _has_folder(manifest, name)]
    names += [SECRET_KEY] if SECRET_KEY in manifest.files else []
    names += [DATABASE_FILE] if is_sqlite(engine) else []
    return tuple(names)


def _check_database_kind(manifest: Manifest, engine: Engine) -> None:
    there = "sqlite" if is_sqlite(engine) else "postgresql"
    if manifest.database != there:
        raise InvalidInput(
            f"The backup is of {manifest.database}, but the database to restore into is {there}.",
            remedy="Set SPOTLAB_DATABASE_URL to a database of the same kind.",
        )


def _check_empty(engine: Engine, home: Path, manifest: Manifest, replace: bool) -> None:
    if replace:
        return
    full = [] if is_empty(engine) else ["a database"]
    full += [
        what
        for name, what in FOLDERS.items()
        if _has_folder(manifest, name) and _has_visible_files(home / name)
    ]
    if manifest.with_secrets and (home / SECRET_KEY).exists():
        full.append("a secret key")
    if full:
        raise Conflict(
            f"Already present: {' and '.join(full)}.",
            remedy="Restore into an empty home and database, or use --replace, which keeps the "
            "existing data alongside.",
        )


def _has_folder(manifest: Manifest, folder: str) -> bool:
    return any(name.startswith(f"{folder}/") for name in manifest.files)


def _has_visible_files(folder: Path) -> bool:
    return folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir())


class _AuditEntry:
    """Appends an entry about a restore to the restored audit log, in an open transaction.

    Args:
        by: who restores.
        name: of the backup file.
        manifest: its contents.
        restore_id: of this restore.
    """

    def __init__(self, by: By, name: str, manifest: Manifest, restore_id: str) -> None:
        self._by = by
        self._name = name
        self._manifest = manifest
        self._restore_id = restore_id
        self.broken = ""

    @property
    def dump(self) -> Dump:
        """The manifest's description of the database."""
        manifest = self._manifest
        return Dump(manifest.database, manifest.revision, manifest.schema, manifest.counts)

    def __call__(self, connection: Connection) -> None:
        """Check the restored hash chain, then append to it."""
        manifest = self._manifest
        with Session(connection) as session:
            self.broken = check(lambda: nullcontext(session)).reason
            details = {
                "restore": self._restore_id,
                "made_at": manifest.made_at.isoformat(),
                "spotlab": manifest.spotlab,
                "rows": sum(manifest.counts.values()),
                "audit": self.broken or "unbroken",
            }
            append(session, self._by, "data.restore", self._name, None, details)


@contextmanager
def _os_errors_translated(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise NotAvailable(
            f"The backup cannot be restored into {home}: {exc.strerror or exc}.",
            remedy="Nothing was changed. Check the file, and the home's free space and rights.",
        ) from exc
