"""Puts a backup in the place of a home's database and models. Runtime floor.

Everything is checked before anything is touched: checksums, rows by table, revision, and that
nobody uses what is replaced. Where a step fails, all is as it was.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec
from sqlalchemy import Engine

from spotlab.domain.access import Principal, Right
from spotlab.domain.ports import By, Clock
from spotlab.errors import Conflict, InvalidInput, NotAvailable
from spotlab.runtime.access.keys import FILE as SECRET_KEY
from spotlab.runtime.backup import DATABASE, FORMAT, MANIFEST, Manifest, hashed
from spotlab.runtime.models import UPLOADS
from spotlab.settings import Settings
from spotlab.store.audit import SqlAudit
from spotlab.store.dumps import TABLES, Dump, examined, one_file
from spotlab.store.engine import connect
from spotlab.store.failures import is_sqlite
from spotlab.store.migrate import upgrade
from spotlab.store.restoring import is_empty, put_postgres, put_sqlite, refuse_newer

_MANIFEST_MAX: Final = 16 * 2**20
_MADE_BY: Final = "Name a file that `spotlab backup FILE` made."


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
    who.require_everywhere(Right.KEEP_DATA)
    home = settings.home.absolute()
    url = settings.database_url.get_secret_value() if settings.database_url else None
    stamp = f"{clock.now():%Y%m%dT%H%M%S}"
    by = By(who.name, clock.now(), via=who.via)
    with _in_words(home), ExitStack() as stack:
        archive = stack.enter_context(_opened(source))
        manifest = _manifest_of(archive, source)
        engine = connect(url, home / "spotlab.db")
        stack.callback(engine.dispose)
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix=".restore-", dir=home))
        )
        _unpack(archive, manifest, source, folder)
        _refuse_other(manifest, engine)
        refuse_newer(manifest.revision)
        _refuse_full(engine, home, manifest, replace)
        if is_sqlite(engine):
            revision = _ready_sqlite(folder / DATABASE, manifest, by, source.name)
        moved = stack.enter_context(_files_in_place(folder, home, manifest, stamp))
        if is_sqlite(engine):
            former: object = put_sqlite(folder / DATABASE, home / "spotlab.db", stamp)
        else:
            former = put_postgres(engine, folder / DATABASE, _as_dump(manifest), stamp)
            revision = upgrade(engine)[1]
            _note(engine, by, source.name, manifest)
        moved.keep = True
        kept = [*moved.former, *([str(former)] if former else [])]
    return Restored(manifest, revision, tuple(kept))


def _opened(source: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(source, "r:")
    except OSError as exc:
        raise InvalidInput(f"{source} cannot be read: {exc.strerror}.", remedy=_MADE_BY) from exc
    except tarfile.TarError as exc:
        raise _no_backup(source) from exc


def _no_backup(source: Path) -> InvalidInput:
    return InvalidInput(f"{source} is no backup of SpotLab.", remedy=_MADE_BY)


def _unpack(archive: tarfile.TarFile, manifest: Manifest, source: Path, folder: Path) -> None:
    """The backup's files into a folder, each as its manifest says."""
    try:
        for name in manifest.files:
            _extract(archive, name, folder)
    except (tarfile.TarError, KeyError, EOFError) as exc:
        raise InvalidInput(f"{source} is no whole backup: {exc}.") from exc
    for name, part in manifest.files.items():
        path = folder / name
        if path.stat().st_size != part.bytes or hashed(path) != part.sha256:
            raise InvalidInput(f"{source}: {name} is not as it was backed up (checksum).")


def _manifest_of(archive: tarfile.TarFile, source: Path) -> Manifest:
    """Raises InvalidInput."""
    try:
        member = archive.next()
        content = None if member is None else archive.extractfile(member)
        if member is None or content is None or member.name != MANIFEST:
            raise _no_backup(source)
        manifest = msgspec.json.decode(content.read(_MANIFEST_MAX), type=Manifest)
    except (tarfile.TarError, KeyError, EOFError) as exc:
        raise _no_backup(source) from exc
    except msgspec.MsgspecError as exc:
        raise InvalidInput(f"{source}: the manifest cannot be read: {exc}.") from exc
    if manifest.format != FORMAT:
        raise InvalidInput(
            f"{source} has format {manifest.format}, this SpotLab reads {FORMAT}.",
            remedy="Restore it with the version that made it.",
        )
    unknown = [name for name in manifest.files if not _may_be_there(name)]
    if unknown or DATABASE not in manifest.files or not set(manifest.counts) <= set(TABLES):
        raise InvalidInput(f"{source} names files or tables that no backup has.")
    return manifest


def _may_be_there(name: str) -> bool:
    parts = PurePosixPath(name).parts
    if ".." in parts or PurePosixPath(name).is_absolute():
        return False
    return name in (DATABASE, SECRET_KEY) or (len(parts) > 1 and parts[0] == UPLOADS)


def _extract(archive: tarfile.TarFile, name: str, folder: Path) -> None:
    member = archive.getmember(name)
    content = archive.extractfile(member) if member.isreg() else None
    if content is None:
        raise InvalidInput(f"{name} is no plain file.")
    path = folder / name
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with path.open("xb") as out:
        shutil.copyfileobj(content, out)
    path.chmod(0o644 if name.startswith(f"{UPLOADS}/") else 0o600)


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


def _ready_sqlite(copy: Path, manifest: Manifest, by: By, name: str) -> str:
    """Check the copy, bring it to this version and note the restoring, all before it is used."""
    found = examined(copy)
    if found.counts != manifest.counts or found.revision != manifest.revision:
        raise InvalidInput("The backup's database does not hold what its manifest says.")
    engine = connect(None, copy)
    try:
        revision = upgrade(engine)[1]
        _note(engine, by, name, manifest)
    finally:
        engine.dispose()
    one_file(copy)
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
