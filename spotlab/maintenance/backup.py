"""Backup: the database, uploaded models, the evidence archive and a manifest in one file.

The file is either complete or absent, and only its owner may read it, because it contains the
hashes of passwords and tokens. `restore` reads it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from spotlab import __version__
from spotlab.access.secret_key import FILE as SECRET_KEY
from spotlab.domain.ports import Clock
from spotlab.errors import Conflict, NotAvailable
from spotlab.runtime.model_registration import UPLOADS
from spotlab.store.dumps import Dump, dump
from spotlab.store.evidence_archive import FOLDER as EVIDENCE
from spotlab.store.store import Store

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
DATABASE: Final = "database"
FOLDERS: Final = {UPLOADS: "uploaded models", EVIDENCE: "an evidence archive"}
"""Folders of a home that a backup contains, with what they are."""
_NAME_MAX_BYTES: Final = 255
_TRIES: Final = 5


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of a backup.

    Args:
        sha256: of its content, in hex.
        bytes: its size.
    """

    sha256: str
    bytes: int


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of a backup.

    Args:
        format: version of the file format.
        spotlab: version that made the backup.
        made_at: aware UTC.
        database: "sqlite" or "postgresql".
        revision: of the database schema.
        schema: of PostgreSQL; "" for SQLite.
        counts: rows by table.
        with_secrets: whether the secret key's file is included.
        files: by name.
    """

    format: int
    spotlab: str
    made_at: datetime
    database: str
    revision: str
    schema: str
    counts: dict[str, int]
    with_secrets: bool
    files: dict[str, Part]


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup.

    Args:
        path: of the file.
        manifest: its contents.
        bytes: size of the whole file.
        sha256: of the whole file, in hex.
        left_out: entries among the models and the evidence that are not plain files, by path in
            the home.
    """

    path: Path
    manifest: Manifest
    bytes: int
    sha256: str
    left_out: tuple[str, ...] = ()


def back_up(
    store: Store, home: Path, clock: Clock, target: Path, *, with_secrets: bool = False
) -> Backup:
    """Write a backup; the database may be written to meanwhile.

    Args:
        store: of the database to back up.
        home: folder with uploaded models, evidence archive and secret key.
        clock: the time.
        target: the file to write; an existing one is not overwritten.
        with_secrets: include the secret key's file.
    Raises:
        Conflict: the file exists.
        NotAvailable: it cannot be written, or the PostgreSQL client programs are missing.
        DatabaseDown: the database cannot be read.
    """
    if target.exists():
        raise Conflict(f"{target} already exists.", remedy="Use another name, or move the file.")
    with _os_errors_translated(target), _folder_beside(target) as folder:
        made_at = clock.now().astimezone(UTC)
        copied = dump(store.engine, folder / DATABASE)
        # Models are copied after the database, so that every upload in the database is on disk.
        left_out = [each for name in FOLDERS for each in _copy_folder(home / name, folder / name)]
        has_key = with_secrets and (home / SECRET_KEY).is_file()
        if has_key:
            shutil.copyfile(home / SECRET_KEY, folder / SECRET_KEY)
        manifest = _manifest(folder, copied, made_at, has_key)
        (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
        packed = folder.with_name(f"{folder.name}.tar")
        try:
            _pack(folder, manifest, packed)
            digest, size = hashed(packed), packed.stat().st_size
            os.link(packed, target)  # unlike a rename, it overwrites nothing
        finally:
            packed.unlink(missing_ok=True)
    return Backup(target, manifest, size, digest, tuple(left_out))


def hashed(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _manifest(folder: Path, copied: Dump, made_at: datetime, has_key: bool) -> Manifest:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return Manifest(
        format=FORMAT,
        spotlab=__version__,
        made_at=made_at,
        database=copied.dialect,
        revision=copied.revision,
        schema=copied.schema,
        counts=copied.counts,
        with_secrets=has_key,
        files={
            path.relative_to(folder).as_posix(): Part(hashed(path), path.stat().st_size)
            for path in files
        },
    )


def is_plain(name: str) -> bool:
    """Whether a backup includes a file or folder of that name; hidden ones are omitted."""
    return (
        name.isprintable()
        and not name.startswith(".")
        and not set(name) & set("\\:")
        and 0 < len(name.encode()) <= _NAME_MAX_BYTES
    )


def _copy_folder(source: Path, target: Path) -> list[str]:
    """Copy plain files and folders; returns the paths of other entries.

    A file that goes while it is copied was joined with others into one that is listed next time.
    """
    for _ in range(_TRIES - 1):
        try:
            return _copy_listed(source, target)
        except FileNotFoundError:
            shutil.rmtree(target)
    return _copy_listed(source, target)


def _copy_listed(source: Path, target: Path) -> list[str]:
    """Copy what is listed now.

    Links are not followed, because they can lead out of the home or in a circle. Pipes are not
    opened.
    """
    others: list[str] = []
    folders = [source] if source.is_dir() else []
    for folder in folders:  # grows while it is walked
        place = target / folder.relative_to(source)
        place.mkdir(mode=0o700)
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False) and is_plain(entry.name):
                folders.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False) and is_plain(entry.name):
                _copy_plain(Path(entry.path), place / entry.name)
            else:
                others.append(Path(entry.path).relative_to(source.parent).as_posix())
    return others


def _copy_plain(source: Path, target: Path) -> None:
    # A file that was plain when it was listed may have become a pipe or a link.
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as content, target.open("xb") as copy:
        shutil.copyfileobj(content, copy)


def _pack(folder: Path, manifest: Manifest, file: Path) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name in (MANIFEST, *manifest.files):
                archive.add(folder / name, name, recursive=False, filter=_anonymous)
        out.flush()
        os.fsync(out.fileno())


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


@contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".spotlab-backup-", dir=target.parent) as folder:
        yield Path(folder)


@contextmanager
def _os_errors_translated(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise NotAvailable(
            f"The backup {target} cannot be written: {exc.strerror or exc}.",
            remedy="No file was left behind. Check free space and permissions of its folder.",
        ) from exc
