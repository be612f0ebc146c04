"""Unpacks an uploaded zip or folder within limits.

Only regular files of one folder are accepted. Links are not followed, nothing is executed, and
number and size of the files are checked while they are written.
"""

from __future__ import annotations

import io
import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

from spotlab.errors import ArtefactRefused

MB: Final = 2**20
_CHUNK_BYTES: Final = 2**16
_PLAIN_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED: Final = 0x1
_NAME_MAX_BYTES: Final = 255
_RESERVED: Final = re.compile(r"(?i)(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?")
"""Names that Windows treats as devices, with any suffix."""
_PICKLES: Final = (".pkl", ".pickle", ".joblib", ".dill", ".npy", ".pt", ".pth")
_REMEDY: Final = (
    "Upload a zip or a folder with the three files of an artefact: the model as text or skops, "
    "card.json and SHA256SUMS."
)


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """Limits of an upload.

    Args:
        archive_mb: size of the zip, MB.
        unpacked_mb: size of all its files, MB.
        files: number of files and folders.
    """

    archive_mb: float = 64.0
    unpacked_mb: float = 128.0
    files: int = 16


def unpack(source: Path | bytes, target: Path, limits: UnpackLimits) -> None:
    """Write the files of a zip or a folder flat into `target`, which is empty.

    Args:
        source: path or content of a zip file, or a folder.
        target: an empty folder.
        limits: a larger upload is rejected.
    Raises:
        ArtefactRefused: names the file and its problem.
        OSError: `target` cannot be written, or the source cannot be read.
    """
    if isinstance(source, Path) and stat.S_ISDIR(source.lstat().st_mode):
        _write_all(_folder_files(source, limits), target, limits)
        return
    content = source if isinstance(source, bytes) else _read_archive(source, limits)
    if len(content) > limits.archive_mb * MB:
        raise _refused(f"The archive is larger than {limits.archive_mb:g} MB.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _write_all(_zipped_files(archive, limits), target, limits)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as exc:
        raise _refused(_zip_problem(source, content, exc)) from exc


def _refused(problem: str) -> ArtefactRefused:
    return ArtefactRefused(problem, remedy=_REMEDY)


def _too_large(limits: UnpackLimits) -> ArtefactRefused:
    return _refused(f"The unpacked files are larger than {limits.unpacked_mb:g} MB.")


def _zip_problem(source: Path | bytes, content: bytes, error: Exception) -> str:
    name = source.name if isinstance(source, Path) else "The upload"
    if content.startswith(b"\x80") or name.lower().endswith(_PICKLES):
        return f"{name} is or contains a pickle, which can run code when it is read."
    return f"{name} is not a readable zip archive: {error}."


def _read_archive(path: Path, limits: UnpackLimits) -> bytes:
    with _open_plain(path, path.name) as handle:
        return handle.read(int(limits.archive_mb * MB) + 1)


def _open_plain(path: Path, shown: str) -> IO[bytes]:
    """Open a regular file without following a link or waiting for the writer of a pipe."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise _refused(f"{shown}: is not a regular file.")
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")


def _folder_files(folder: Path, limits: UnpackLimits) -> Iterator[tuple[str, IO[bytes]]]:
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            names.append(entry.name)
            if len(names) > limits.files:
                raise _refused(f"The folder contains more than {limits.files} files.")
    for name in sorted(names):
        if not is_plain(name):
            raise _refused(f"{name[:100]!r}: is not a valid file name.")
        yield name, _open_plain(folder / name, name)


def _zipped_files(
    archive: zipfile.ZipFile, limits: UnpackLimits
) -> Iterator[tuple[str, IO[bytes]]]:
    infos = archive.infolist()
    if len(infos) > limits.files:
        raise _refused(f"The archive contains {len(infos)} entries; {limits.files} are allowed.")
    files = [info for info in infos if not info.is_dir()]
    paths = [_plain_path(info) for info in files]
    if len({path.parent for path in paths}) > 1:
        raise _refused("The archive contains files in several folders.")
    if len({_folded(path.name) for path in paths}) < len(paths):
        raise _refused("The archive contains two files of the same name.")
    if sum(info.file_size for info in files) > limits.unpacked_mb * MB:
        raise _too_large(limits)
    for info, path in zip(files, paths, strict=True):
        yield path.name, archive.open(info)


def _plain_path(info: zipfile.ZipInfo) -> PurePosixPath:
    shown = info.orig_filename[:100]
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise _refused(f"{shown!r}: is not a regular file.")
    if info.flag_bits & _ENCRYPTED:
        raise _refused(f"{shown!r}: is encrypted.")
    if info.compress_type not in _PLAIN_METHODS:
        raise _refused(f"{shown!r}: is compressed with a method other than deflate.")
    parts = info.orig_filename.split("/")
    if not all(map(is_plain, parts)):
        raise _refused(f"{shown!r}: is not a valid path inside the archive.")
    return PurePosixPath(*parts)


def is_plain(name: str) -> bool:
    """Whether a name is a valid file name with the same meaning on every operating system."""
    return (
        name.isprintable()
        and not set(name) & set('/\\:*?"<>|')
        and not name.endswith((".", " "))
        and 0 < len(name.encode()) <= _NAME_MAX_BYTES
        and not _RESERVED.fullmatch(name)
    )


def _folded(name: str) -> str:
    """A key that is equal for names that some file system treats as the same."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _write_all(files: Iterable[tuple[str, IO[bytes]]], target: Path, limits: UnpackLimits) -> None:
    bytes_left = int(limits.unpacked_mb * MB)
    for name, source in files:
        with source, (target / name).open("xb") as written:
            while chunk := source.read(_CHUNK_BYTES):
                bytes_left -= len(chunk)
                if bytes_left < 0:
                    raise _too_large(limits)
                written.write(chunk)
            written.flush()
            os.fsync(written.fileno())
