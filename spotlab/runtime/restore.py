"""Puts a backup in the place of a home's database and models. Runtime floor.

Everything is checked before anything is touched: checksums, rows by table, revision, and that
nobody uses what is replaced. Where a step fails, all is as it was.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from spotlab.domain.access import Principal, Right
from spotlab.domain.ports import By, Clock
from spotlab.errors import Conflict, InvalidInput, NotAvailable
from spotlab.runtime.access.keys import FILE as SECRET_KEY
from spotlab.runtime.backup import DATABASE, Manifest
from spotlab.runtime.backup_file import opened
from spotlab.runtime.models import UPLOADS
from spotlab.settings import Settings
from spotlab.store.audit import SqlAudit
from spotlab.store.dumps import Dump, one_file
from spotlab.store.engine import connect
from spotlab.store.failures import is_sqlite
from spotlab.store.foreign import take_rows
from spotlab.store.migrate import upgrade
from spotlab.store.restoring import is_empty, put_postgres, put_sqlite, refuse_newer

_MADE: Final = "made.db"


@dataclass(frozen=True, slots=True)
class Restored:
    """A backup that is in place.

    Args:
        manifest: what it holds.
        revision: of the tables now.
        former: where each thing that was replaced is kept.
    """

    manifest: Manifest
    revision: str
    former: tuple[str, ...]


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
    who.require(Right.KEEP_DATA)
    home = settings.home.absolute()
    url = settings.database_url.get_secret_value() if settings.database_url else None
    stamp = f"{clock.now():%Y%m%dT%H%M%S}"
    by = By(who.name, clock.now(), via=who.via)
    with _in_words(home), ExitStack() as stack:
        file = stack.enter_context(opened(source))
        manifest = file.manifest
        engine = connect(url, home / "spotlab.db")
        stack.callback(engine.dispose)
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix=".restore-", dir=home))
        )
        file.unpack(folder)
        _refuse_other(manifest, engine)
        refuse_newer(manifest.revision)
        _refuse_full(engine, home, manifest, replace)
        if is_sqlite(engine):
            revision = _ready_sqlite(folder, manifest, by, source.name)
        moved = stack.enter_context(_files_in_place(folder, home, manifest, stamp))
        if is_sqlite(engine):
            former: object = put_sqlite(folder / _MADE, home / "spotlab.db", stamp)
        else:
            former = put_postgres(engine, folder / DATABASE, _as_dump(manifest), stamp)
            revision = upgrade(engine)[1]
            _note(engine, by, source.name, manifest)
        moved.keep = True
        kept = [*moved.former, *([str(former)] if former else [])]
    return Restored(manifest, revision, tuple(kept))


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


def _ready_sqlite(folder: Path, manifest: Manifest, by: By, name: str) -> str:
    """Make the database from the backup's rows, bring it to this version and note the restoring."""
    made = folder / _MADE
    take_rows(folder / DATABASE, made, _as_dump(manifest))
    engine = connect(None, made)
    try:
        revision = upgrade(engine)[1]
        _note(engine, by, name, manifest)
    finally:
        engine.dispose()
    one_file(made)
    return revision


def _note(engine: Engine, by: By, name: str, manifest: Manifest) -> None:
    rows = sum(manifest.counts.values())
    told = {"made_at": manifest.made_at.isoformat(), "spotlab": manifest.spotlab, "rows": rows}
    SqlAudit(engine).add(by, "data.restore", name, None, told)


def _as_dump(manifest: Manifest) -> Dump:
    return Dump(manifest.database, manifest.revision, manifest.schema, manifest.counts)


@dataclass(slots=True)
class _Moved:
    """Files that were put in place; put back unless they are to be kept."""

    former: list[str]
    keep: bool = False


@contextmanager
def _files_in_place(folder: Path, home: Path, manifest: Manifest, stamp: str) -> Iterator[_Moved]:
    """Put models (and the secret key) in place for as long as nothing fails."""
    names = [UPLOADS] if _has_models(manifest) else []
    names += [SECRET_KEY] if manifest.with_secrets else []
    moved = _Moved([])
    undo: list[tuple[Path, Path]] = []
    try:
        for name in names:
            final = home / name
            if final.exists():
                beside = final.with_name(f"{name}.before-{stamp}")
                final.rename(beside)
                undo.append((beside, final))
                moved.former.append(str(beside))
            (folder / name).rename(final)
            undo.append((final, folder / name))
        yield moved
    finally:
        if not moved.keep:
            for here, there in reversed(undo):
                os.replace(here, there)  # noqa: PTH105 (also where a folder is there)


@contextmanager
def _in_words(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise NotAvailable(
            f"The backup cannot be restored into {home}: {exc.strerror or exc}.",
            remedy="All is as it was. Check the file, and the space and rights of the home.",
        ) from exc
