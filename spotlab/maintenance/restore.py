"""Puts a backup in the place of a home's database and models.

Everything is checked before anything is touched: checksums, rows by table, revision, and that
nobody uses what is replaced. Where a step fails, all is as it was.
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
from spotlab.maintenance.backup import DATABASE, Manifest
from spotlab.maintenance.backup_file import opened
from spotlab.runtime.home import usable_home
from spotlab.runtime.model_registration import UPLOADS
from spotlab.runtime.restore_journal import (
    DATABASE_FILE,
    JOURNAL,
    NEW,
    PREFIX,
    Plan,
    alone_in,
    begin,
    end,
    free_stamp,
    put_files,
    undo,
)
from spotlab.settings import Settings
from spotlab.store.audit import append, check
from spotlab.store.backup_reader import take_rows
from spotlab.store.dumps import Dump, one_file
from spotlab.store.engine import connect, writer
from spotlab.store.failures import is_sqlite, translated
from spotlab.store.migrate import head, upgrade
from spotlab.store.restore import alone_with, has_noted, is_empty, put_sqlite, refuse_newer
from spotlab.store.restore_postgres import put_postgres


@dataclass(frozen=True, slots=True)
class Restored:
    """A backup that is in place.

    Args:
        manifest: what it holds.
        revision: of the tables now.
        former: where each thing that was replaced is kept.
        broken: what is wrong with the chain of the audit log that it brought; "": nothing.
    """

    manifest: Manifest
    revision: str
    former: tuple[str, ...]
    broken: str


def restore(
    settings: Settings, clock: Clock, source: Path, who: Principal, *, replace: bool = False
) -> Restored:
    """Put a backup in place; SpotLab must not run there.

    Args:
        settings: name the home and the database to restore into.
        clock: the time.
        source: a file that `back_up` made.
        who: asks.
        replace: whether there may be something already; it is kept beside.
    Raises:
        Forbidden: who asks may not do this.
        InvalidInput: the file is no backup, damaged, or of a newer SpotLab.
        Conflict: something is there already, or in use.
        NotAvailable: no room, or a client of PostgreSQL is wanting.
        DatabaseDown: the database cannot be written; all is as it was.
    """
    who.require_everywhere(Right.KEEP_DATA)
    home = settings.home.absolute()
    url = settings.database_url.get_secret_value() if settings.database_url else None
    with _in_words(home), ExitStack() as stack:
        file = stack.enter_context(opened(source))
        engine = connect(url, home / DATABASE_FILE)
        stack.callback(engine.dispose)
        usable_home(settings)
        stack.enter_context(alone_in(home))
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))
        stack.callback(_clear, home, folder)
        file.unpack(folder)
        manifest = file.manifest
        _refuse_other(manifest, engine)
        refuse_newer(manifest.revision)
        _refuse_full(engine, home, manifest, replace)
        names = _names_of(manifest, engine)
        stamp = free_stamp(home, names, f"{clock.now():%Y%m%dT%H%M%S}")
        plan = Plan(uuid4().hex, folder.name, names, stamp, not is_sqlite(engine))
        note = _Note(By(who.name, clock.now(), via=who.via), source.name, manifest, plan.restore_id)
        (folder / NEW).mkdir()
        for name in names:
            if name != DATABASE_FILE:
                (folder / name).rename(folder / NEW / name)
        place = _in_place_sqlite if is_sqlite(engine) else _in_place_postgres
        former = place(engine, home, plan, note)
    return Restored(manifest, head(), former, note.broken)


def _in_place_sqlite(_engine: Engine, home: Path, plan: Plan, note: _Note) -> tuple[str, ...]:
    folder = home / plan.folder
    made = folder / NEW / DATABASE_FILE
    take_rows(folder / DATABASE, made, note.dump)
    engine = connect(None, made)
    try:
        upgrade(engine)
        with translated(engine), writer(engine).begin() as connection:
            note(connection)
    finally:
        engine.dispose()
    one_file(made)
    with alone_with(home / DATABASE_FILE):
        begin(home, plan)
        try:
            former = [*put_files(home, plan), put_sqlite(made, home / DATABASE_FILE, plan.stamp)]
        except BaseException:
            undo(home, plan)
            end(home, plan)
            raise
        end(home, plan)
    return tuple(str(each) for each in former if each)


def _in_place_postgres(engine: Engine, home: Path, plan: Plan, note: _Note) -> tuple[str, ...]:
    begin(home, plan)
    try:
        beside = put_postgres(engine, home / plan.folder / DATABASE, note.dump, plan.stamp, note)
    except BaseException:
        # Who is cut off while the server commits learns only by asking whether it did. Where that
        # is not answered either, the journal stands, and the next start asks.
        if not has_noted(engine, plan.restore_id):
            end(home, plan)
        raise
    try:
        former = put_files(home, plan)
        end(home, plan)
    except OSError as exc:
        raise NotAvailable(
            f"The database is restored, but not all files of {home}: {exc.strerror or exc}.",
            remedy="Check the space and the rights of the home; the next start finishes it.",
        ) from exc
    return (*former, *([beside] if beside else []))


def _clear(home: Path, folder: Path) -> None:
    """Remove what is no longer needed; where a journal stands, the next start needs it."""
    if not (home / JOURNAL).exists():
        shutil.rmtree(folder, ignore_errors=True)


def _names_of(manifest: Manifest, engine: Engine) -> tuple[str, ...]:
    names = [UPLOADS] if _has_models(manifest) else []
    names += [SECRET_KEY] if SECRET_KEY in manifest.files else []
    names += [DATABASE_FILE] if is_sqlite(engine) else []
    return tuple(names)


def _refuse_other(manifest: Manifest, engine: Engine) -> None:
    there = "sqlite" if is_sqlite(engine) else "postgresql"
    if manifest.database != there:
        raise InvalidInput(
            f"The backup is of {manifest.database}, the database to restore into is {there}.",
            remedy="Set SPOTLAB_DATABASE_URL as it was where the backup was made.",
        )


def _refuse_full(engine: Engine, home: Path, manifest: Manifest, replace: bool) -> None:
    if replace:
        return
    full = [] if is_empty(engine) else ["a database"]
    if _has_models(manifest) and _is_full(home / UPLOADS):
        full.append("uploaded models")
    if manifest.with_secrets and (home / SECRET_KEY).exists():
        full.append("a secret key")
    if full:
        raise Conflict(
            f"There is {' and '.join(full)} already.",
            remedy="Restore into an empty home and database, or use --replace, which keeps what "
            "is there beside.",
        )


def _has_models(manifest: Manifest) -> bool:
    return any(name.startswith(f"{UPLOADS}/") for name in manifest.files)


def _is_full(folder: Path) -> bool:
    return folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir())


class _Note:
    """Writes a restoring into the audit log that it brought, in an open transaction.

    Args:
        by: who restores.
        name: of the backup's file.
        manifest: what it holds.
        restore_id: of this restoring.
    """

    def __init__(self, by: By, name: str, manifest: Manifest, restore_id: str) -> None:
        self._by = by
        self._name = name
        self._manifest = manifest
        self._restore_id = restore_id
        self.broken = ""

    @property
    def dump(self) -> Dump:
        """What the manifest says of the database."""
        manifest = self._manifest
        return Dump(manifest.database, manifest.revision, manifest.schema, manifest.counts)

    def __call__(self, connection: Connection) -> None:
        """Follow the chain as it came, and go on with it."""
        manifest = self._manifest
        with Session(connection) as session:
            self.broken = check(lambda: nullcontext(session)).reason
            told = {
                "restore": self._restore_id,
                "made_at": manifest.made_at.isoformat(),
                "spotlab": manifest.spotlab,
                "rows": sum(manifest.counts.values()),
                "audit": self.broken or "unbroken",
            }
            append(session, self._by, "data.restore", self._name, None, told)


@contextmanager
def _in_words(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise NotAvailable(
            f"The backup cannot be restored into {home}: {exc.strerror or exc}.",
            remedy="All is as it was. Check the file, and the space and rights of the home.",
        ) from exc
