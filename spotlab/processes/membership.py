"""Starting and joining helpers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from spotlab.errors import NotAvailable
from spotlab.processes.files import (
    EXCLUSIVE,
    POLL_S,
    SHARED,
    STOP_S,
    Files,
    acquire_lock,
    open_lock,
    opened_lock,
    run_dir,
)


@dataclass(frozen=True, slots=True)
class Helper:
    """A helper process of a home.

    Args:
        home: SPOTLAB_HOME.
        name: unique within the home, such as "online-store".
        command: program and arguments, run in `home/run`; output goes to `home/run/<name>.log`.
        ready: whether it responds; called repeatedly while it starts.
        idle_s: it is ended this long after its last user has ended.
        start_timeout_s: maximum time until it is ready.
    """

    home: Path
    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]
    idle_s: float = 60.0
    start_timeout_s: float = 20.0


class Membership:
    """A process's use of a helper, until it is closed or the process ends.

    A forked child is a separate user until it closes its copy or ends.
    """

    def __init__(self, helper: Helper, files: Files, users: int) -> None:
        self._helper = helper
        self._files = files
        self._users = users

    @property
    def pid(self) -> int | None:
        """The helper's process id; None if it is not running."""
        pids = self._files.pids()
        return pids.helper if pids else None

    def ensure_running(self) -> None:
        """Start the helper again if it ended; takes microseconds if it is running.

        Raises:
            NotAvailable: it could not be started (with the end of its log), or this membership is
                closed.
        """
        if self._users < 0:
            raise NotAvailable(
                f"The connection to the {self._helper.name} process was closed.",
                remedy="Join it again.",
            )
        if not self._files.is_alive():
            with _start_lock(self._helper, self._files):
                _ensure_running(self._helper, self._files)

    def close(self) -> None:
        """Leave the helper; copies in forked children are not affected."""
        users, self._users = self._users, -1  # first, because two threads may close it concurrently
        if users >= 0:
            os.close(users)

    def __enter__(self) -> Membership:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()


def join(helper: Helper) -> Membership:
    """Join a helper, starting it if it is not running.

    Raises:
        NotAvailable: it could not be started; contains the end of its log.
    """
    files = Files(run_dir(helper.home), helper.name)
    with _start_lock(helper, files):
        users = open_lock(files.users)
        try:
            acquire_lock(users, SHARED)
            _ensure_running(helper, files)
        except BaseException:
            os.close(users)
            raise
    return Membership(helper, files, users)


def begin(helper: Helper) -> None:
    """Start a helper unless it is running or being started, without joining or waiting for it."""
    files = Files(run_dir(helper.home), helper.name)
    with opened_lock(files.start) as handle:
        if acquire_lock(handle, EXCLUSIVE) and not files.is_alive():
            _spawn(helper, files)


@contextmanager
def _start_lock(helper: Helper, files: Files) -> Iterator[None]:
    with opened_lock(files.start) as handle:
        if not acquire_lock(handle, EXCLUSIVE, within_s=helper.start_timeout_s + 2 * STOP_S):
            raise NotAvailable(
                f"Another process is starting {helper.name}, and has not finished in time.",
                remedy=f"Find the process that has locked {files.start}, and end it.",
            )
        yield


def _ensure_running(helper: Helper, files: Files) -> None:
    """Wait until the helper responds, starting it if necessary; requires the lock on `start`."""
    written = files.log.stat().st_size if files.log.exists() else 0
    if files.is_alive() and _wait_until_ready(helper, files, written):
        return
    _spawn(helper, files)
    try:
        answers = _wait_until_ready(helper, files, written)
    except NotAvailable:
        _end(files)
        raise
    if not answers:
        raise _start_failure(files, "ended during start-up", written)


def _wait_until_ready(helper: Helper, files: Files, written: int) -> bool:
    """Wait until the helper is ready; False if it ended."""
    deadline = time.monotonic() + helper.start_timeout_s
    while files.is_alive():
        if files.pids() and helper.ready():
            return True
        if time.monotonic() > deadline:
            problem = f"did not respond within {helper.start_timeout_s:g} s"
            raise _start_failure(files, problem, written)
        time.sleep(POLL_S)
    return False


def _spawn(helper: Helper, files: Files) -> None:
    """Start the supervisor; returns when it is detached and has locked `alive`."""
    command = [
        *(sys.executable, "-P", "-m", "spotlab.processes"),
        *(str(files.run), helper.name, str(helper.idle_s), *helper.command),
    ]
    with files.log.open("ab") as log:
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=files.run,
            start_new_session=True,
            check=False,
        )


def _end(files: Files) -> None:
    """End a helper that was started but does not respond, so that no other process joins it."""
    if pids := files.pids():
        with suppress(ProcessLookupError):
            os.kill(pids.supervisor, signal.SIGTERM)
        with opened_lock(files.alive) as alive:
            acquire_lock(alive, SHARED, within_s=2 * STOP_S)


def _start_failure(files: Files, problem: str, written: int) -> NotAvailable:
    log_end = " ".join(files.log_end(written).split())
    remedy = f"End of its log: {log_end}" if log_end else f"Its log, {files.log}, is empty."
    return NotAvailable(f"The {files.name} process {problem}.", remedy=remedy)
