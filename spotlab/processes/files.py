"""The folders and lock files of a home's helpers."""

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
ALONE: Final = fcntl.LOCK_EX
POLL_S: Final = 0.02
STOP_S: Final = 5.0
"""A helper that does not end within this time of SIGTERM is killed."""
LOG_BYTES: Final = 1_000_000
_LOG_KEPT_BYTES: Final = 200_000
_SOCKET_PATH_BYTES: Final = 100
"""A unix socket's address holds 107 bytes on Linux and 103 on macOS."""
_SOCKET_NAME_BYTES: Final = 24
_SHORT: Final = "/tmp"  # noqa: S108  a folder of our own is made in it, and its owner is checked


def run_dir(home: Path) -> Path:
    """`home/run`: locks and logs of the home's helpers, for its owner only.

    Raises:
        NotAvailable: it cannot be made, or belongs to somebody else.
    """
    return _private(home.resolve() / "run")


def socket_dir(home: Path) -> Path:
    """The folder of the home's unix sockets: `home/run`, or a short one where that is too long.

    The short one is noted in `home/run/socket-dir`, so that processes with another TMPDIR find it.

    Raises:
        NotAvailable: it cannot be made, or belongs to somebody else.
    """
    run = run_dir(home)
    if _fits(run):
        return run
    with opened(run / "socket-dir") as note:
        take(note, ALONE, within_s=STOP_S)
        noted = os.read(note, 4096).decode()
        if noted:
            return _private(Path(noted))
        name = f"spotlab-{os.getuid()}-{hashlib.sha256(bytes(run)).hexdigest()[:16]}"
        wanted = Path(tempfile.gettempdir()) / name
        folder = _private(wanted if _fits(wanted) else Path(_SHORT) / name)
        os.write(note, bytes(folder))
        return folder


def _fits(folder: Path) -> bool:
    return len(bytes(folder)) + _SOCKET_NAME_BYTES <= _SOCKET_PATH_BYTES


def _private(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
        if ours and status.st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as exc:
        raise NotAvailable(f"The folder {folder} cannot be made: {exc.strerror}.") from exc
    if not ours:
        raise NotAvailable(
            f"{folder} is not a folder of your own.", remedy="Remove it, or set another home."
        )
    return folder


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A lock file's descriptor; the lock ends with it, though a fork may hold a copy by then."""
    handle = open_lock(path)
    try:
        yield handle
    finally:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def open_lock(path: Path) -> int:
    """A lock file's descriptor, which a program that is executed does not inherit.

    Raises:
        NotAvailable: the file cannot be opened.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise NotAvailable(f"The file {path} cannot be opened: {exc.strerror}.") from exc


def take(handle: int, how: int, within_s: float = 0.0) -> bool:
    """Lock, SHARED or ALONE; False when others still held it after that time.

    Raises:
        NotAvailable: the file system has no locks.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            with suppress(BlockingIOError):
                fcntl.flock(handle, how | fcntl.LOCK_NB)
                return True
        except OSError as exc:
            raise NotAvailable(
                f"The file system of the home cannot lock files: {exc.strerror}.",
                remedy="Set SPOTLAB_HOME to a folder on a local disk.",
            ) from exc
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)


@dataclass(frozen=True, slots=True)
class Pids:
    """Process ids of a helper and of its supervisor."""

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
        """Held shared by each user."""
        return self.run / f"{self.name}.users"

    @property
    def start(self) -> Path:
        """Held alone while somebody joins or starts, and while the supervisor ends."""
        return self.run / f"{self.name}.start"

    @property
    def alive(self) -> Path:
        """Held by the supervisor and the helper; names their process ids."""
        return self.run / f"{self.name}.alive"

    @property
    def log(self) -> Path:
        """What the helper and its supervisor wrote."""
        return self.run / f"{self.name}.log"

    def is_alive(self) -> bool:
        """True while the supervisor or the helper lives."""
        with opened(self.alive) as handle:
            return not take(handle, SHARED)

    def pids(self) -> Pids | None:
        """Who is alive; None while the helper is not there yet, or no longer."""
        text = self.alive.read_text() if self.is_alive() else ""
        return Pids(*json.loads(text)) if text else None

    def log_end(self, since: int, characters: int = 600) -> str:
        """The last words of the log that were written after its first `since` bytes."""
        written = self.log.read_bytes() if self.log.exists() else b""
        return written[since if since <= len(written) else 0 :][-characters:].decode(
            errors="replace"
        )

    def bound_log(self) -> None:
        """Forget the older part of a long log; its writers append, so they go on undisturbed."""
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            with self.log.open("r+b") as log:
                kept = log.read()[-_LOG_KEPT_BYTES:]
                log.seek(0)
                log.truncate()
                log.write(kept)
