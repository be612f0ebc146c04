"""Folders and lock files of a home's helpers."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spotlab.errors import NotAvailable

SHARED: Final = fcntl.LOCK_SH
EXCLUSIVE: Final = fcntl.LOCK_EX
POLL_S: Final = 0.02
STOP_S: Final = 5.0
"""A helper that does not end within this time after SIGTERM is killed."""
LOG_BYTES: Final = 1_000_000
_LOG_TAIL_BYTES: Final = 200_000
_SOCKET_PATH_BYTES: Final = 100
"""The limit for the path of a Unix socket is 107 bytes on Linux and 103 on macOS."""
_SOCKET_NAME_BYTES: Final = 24
_SHORT_PARENT: Final = "/tmp"  # noqa: S108  only for a private folder whose owner is checked


def run_dir(home: Path) -> Path:
    """`home/run` with the locks and logs of the home's helpers; only its owner has access.

    Raises:
        NotAvailable: it cannot be created, or belongs to another user.
    """
    return _private_folder(home.resolve() / "run")


def socket_dir(home: Path) -> Path:
    """The folder of the home's Unix sockets: `home/run`, or a shorter path if that is too long.

    The shorter path is stored in `home/run/socket-dir`, so that processes with a different TMPDIR
    find it.

    Raises:
        NotAvailable: it cannot be created, or belongs to another user.
    """
    run = run_dir(home)
    if _fits_socket(run):
        return run
    with opened_lock(run / "socket-dir") as note:
        acquire_lock(note, EXCLUSIVE, within_s=STOP_S)
        noted = os.read(note, 4096).decode()
        if noted:
            return _private_folder(Path(noted))
        name = f"spotlab-{os.getuid()}-{hashlib.sha256(bytes(run)).hexdigest()[:16]}"
        preferred = Path(tempfile.gettempdir()) / name
        folder = _private_folder(
            preferred if _fits_socket(preferred) else Path(_SHORT_PARENT) / name
        )
        os.write(note, bytes(folder))
        return folder


def _fits_socket(folder: Path) -> bool:
    return len(bytes(folder)) + _SOCKET_NAME_BYTES <= _SOCKET_PATH_BYTES


def _private_folder(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
        if ours and status.st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as exc:
        raise NotAvailable(f"The folder {folder} cannot be created: {exc.strerror}.") from exc
    if not ours:
        raise NotAvailable(
            f"The folder {folder} belongs to another user, or is not a folder.",
            remedy="Remove it, or set another home.",
        )
    return folder


@contextmanager
def opened_lock(path: Path) -> Iterator[int]:
    """A lock file's descriptor, unlocked at the end even if a forked process has a copy of it."""
    handle = open_lock(path)
    try:
        yield handle
    finally:
        with suppress(OSError):  # the file system does not support locks
            fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def open_lock(path: Path) -> int:
    """A lock file's descriptor, which is not inherited by programs that are executed.

    Raises:
        NotAvailable: the file cannot be opened.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise NotAvailable(f"The file {path} cannot be opened: {exc.strerror}.") from exc


def acquire_lock(handle: int, how: int, within_s: float = 0.0) -> bool:
    """Lock a file, SHARED or ALONE (exclusively); False if it was still locked after `within_s`.

    Raises:
        NotAvailable: the file system does not support locks.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            with suppress(BlockingIOError):
                fcntl.flock(handle, how | fcntl.LOCK_NB)
                return True
        except OSError as exc:
            raise NotAvailable(
                f"The home's file system does not support file locks: {exc.strerror}.",
                remedy="Set SPOTLAB_HOME to a folder on a local disk.",
            ) from exc
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)


@dataclass(frozen=True, slots=True)
class Pids:
    """Process ids of a helper and its supervisor."""

    supervisor: int
    helper: int


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one helper.

    Args:
        run: see `run_dir`.
        name: the helper's name.
    """

    run: Path
    name: str

    @property
    def users(self) -> Path:
        """Locked by each user (shared)."""
        return self.run / f"{self.name}.users"

    @property
    def start(self) -> Path:
        """Locked while a process joins or starts the helper, and while the supervisor ends it."""
        return self.run / f"{self.name}.start"

    @property
    def alive(self) -> Path:
        """Locked by the supervisor and the helper; contains their process ids."""
        return self.run / f"{self.name}.alive"

    @property
    def log(self) -> Path:
        """Output of the helper and its supervisor."""
        return self.run / f"{self.name}.log"

    def is_alive(self) -> bool:
        """Whether the supervisor or the helper is running."""
        with opened_lock(self.alive) as handle:
            return not acquire_lock(handle, SHARED)

    def pids(self) -> Pids | None:
        """Their process ids; None if the helper is not running."""
        text = self.alive.read_text() if self.is_alive() else ""
        return Pids(*json.loads(text)) if text else None

    def log_end(self, since: int, characters: int = 600) -> str:
        """The end of the log, at most `characters`, without its first `since` bytes."""
        written = self.log.read_bytes() if self.log.exists() else b""
        return written[since if since <= len(written) else 0 :][-characters:].decode(
            errors="replace"
        )

    def bound_log(self) -> None:
        """Delete the older part of a long log; its writers append, so they are not affected."""
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            with self.log.open("r+b") as log:
                tail = log.read()[-_LOG_TAIL_BYTES:]
                log.seek(0)
                log.truncate()
                log.write(tail)
