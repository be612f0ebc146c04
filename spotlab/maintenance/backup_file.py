"""Reader of backup files, which are untrusted input.

The file is unpacked in the order in which it was written and as its manifest states, and never into
more bytes than the file itself has.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, FileIO
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from spotlab.access.secret_key import FILE as SECRET_KEY
from spotlab.errors import InvalidInput
from spotlab.maintenance.backup import (
    DATABASE,
    FOLDERS,
    FORMAT,
    MANIFEST,
    Manifest,
    hashed,
    is_plain,
)
from spotlab.runtime.model_registration import UPLOADS
from spotlab.store.dumps import TABLES

_MANIFEST_MAX: Final = 16 * 2**20
_REMEDY: Final = "Use a file made by `spotlab backup FILE`."


@dataclass(frozen=True, slots=True)
class BackupFile:
    """An open backup file.

    Args:
        source: its path.
        manifest: its stated contents.
        archive: positioned behind the manifest.
    """

    source: Path
    manifest: Manifest
    archive: tarfile.TarFile

    def unpack(self, folder: Path) -> None:
        """Write the backup's files into a folder, checked against the manifest.

        Raises:
            InvalidInput: a file is missing, damaged, of another type, or not in the manifest.
            OSError: the folder cannot be written.
        """
        try:
            for name, part in self.manifest.files.items():
                self._extract(name, part.bytes, folder)
            if self.archive.next() is not None:
                raise InvalidInput(f"{self.source} contains files that its manifest does not name.")
        except (tarfile.TarError, EOFError, ValueError) as exc:
            raise InvalidInput(f"{self.source} is not a complete backup: {exc}.") from exc
        for name, part in self.manifest.files.items():
            if hashed(folder / name) != part.sha256:
                raise InvalidInput(f"{self.source}: {name} is damaged (checksum).")

    def _extract(self, name: str, size: int, folder: Path) -> None:
        member = self.archive.next()
        if member is None:
            raise InvalidInput(f"{self.source} is not a complete backup: {name} is missing.")
        content = self.archive.extractfile(member) if member.isreg() else None
        if content is None or member.name != name or member.issparse():
            raise InvalidInput(f"{self.source}: another entry is in the place of {name}.")
        if member.size != size:
            raise InvalidInput(f"{self.source}: {name} is damaged (size).")
        path = folder / name
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with path.open("xb") as out:
            shutil.copyfileobj(content, out)
        path.chmod(0o644 if name.startswith(f"{UPLOADS}/") else 0o600)


@contextmanager
def open_backup(source: Path) -> Iterator[BackupFile]:
    """Open a backup file and read its manifest; a pipe is rejected without waiting for its writer.

    Raises:
        InvalidInput: it cannot be read, or is not a backup.
    """
    try:
        raw = FileIO(source, opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK))
    except OSError as exc:
        raise InvalidInput(f"{source} cannot be read: {exc.strerror}.", remedy=_REMEDY) from exc
    if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        raw.close()
        raise _not_a_backup(source)
    try:
        with _Bounded(raw) as content, tarfile.open(fileobj=content, mode="r:") as archive:
            yield BackupFile(source, _manifest_of(archive, source), archive)
    except tarfile.TarError as exc:
        raise _not_a_backup(source) from exc


class _Bounded(BufferedReader):
    """Limits reads to the size of a manifest: the headers of a tar file may state any length."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Raises tarfile.ReadError."""
        if size is None or not 0 <= size <= _MANIFEST_MAX:
            raise tarfile.ReadError("a header is too long")
        return super().read(size)


def _not_a_backup(source: Path) -> InvalidInput:
    return InvalidInput(f"{source} is not a SpotLab backup.", remedy=_REMEDY)


def _manifest_of(archive: tarfile.TarFile, source: Path) -> Manifest:
    member = archive.next()
    content = None if member is None else archive.extractfile(member)
    if member is None or content is None or member.name != MANIFEST or member.issparse():
        raise _not_a_backup(source)
    try:
        manifest = msgspec.json.decode(content.read(_MANIFEST_MAX), type=Manifest)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as exc:
        raise InvalidInput(f"{source}: the manifest cannot be read: {exc}.") from exc
    if manifest.format != FORMAT:
        raise InvalidInput(
            f"{source} has format {manifest.format}, but this version of SpotLab reads {FORMAT}.",
            remedy="Restore it with the version that made it.",
        )
    if DATABASE not in manifest.files or not set(manifest.counts) <= set(TABLES):
        raise InvalidInput(f"{source} names files or tables that no backup has.")
    folders = {str(parent) for name in manifest.files for parent in PurePosixPath(name).parents}
    if not all(map(_is_allowed_name, manifest.files)) or folders & set(manifest.files):
        raise InvalidInput(f"{source} names files or tables that no backup has.")
    if not manifest.with_secrets and SECRET_KEY in manifest.files:
        raise InvalidInput(f"{source} contains a secret key that its manifest denies.")
    _check_sizes(manifest, source)
    return manifest


def _check_sizes(manifest: Manifest, source: Path) -> None:
    sizes = [part.bytes for part in manifest.files.values()]
    rows = manifest.counts.values()
    if min(sizes) < 0 or sum(sizes) > source.stat().st_size or min(rows, default=0) < 0:
        raise InvalidInput(
            f"{source} is not a complete backup: its manifest states more bytes than the file has."
        )


def _is_allowed_name(name: str) -> bool:
    if name in (DATABASE, SECRET_KEY):
        return True
    first, *rest = name.split("/")
    return first in FOLDERS and bool(rest) and all(map(is_plain, rest))
