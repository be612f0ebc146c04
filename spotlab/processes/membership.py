"""Joining a helper, or starting it."""

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
    ALONE,
    POLL_S,
    SHARED,
    STOP_S,
    Files,
    open_lock,
    opened,
    run_dir,
    take,
)


@dataclass(frozen=True, slots=True)
class Helper:
    """A helper process of a home.

    Args:
        home: SPOTLAB_HOME.
        name: unique within the home, such as "online-store".
        command: what to run, in `home/run`; its output goes to `home/run/<name>.log`.
        ready: True when it answers; asked again and again while it starts.
        idle_s: it is ended this long after its last user is gone.
        start_timeout_s: how long it may take until it is ready.
    """

    home: Path
    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]
    idle_s: float = 60.0
    start_timeout_s: float = 20.0


class Membership:
    """A process's use of a helper, until it is closed or the process ends.

    A forked child counts as a user of its own until it closes its copy or ends.
    """

    def __init__(self, helper: Helper, files: Files, users: int) -> None:
        self._helper = helper
        self._files = files
        self._users = users

    @property
    def pid(self) -> int | None:
        """The helper's process id; None when it is not running."""
        pids = self._files.pids()
        return pids.helper if pids else None

    def ensure(self) -> None:
        """Start the helper again if it died; costs some microseconds where it lives.

        Raises:
            NotAvailable: it could not be started (holds the end of its log), or was left.
        """
        if self._users < 0:
            raise NotAvailable(f"The {self._helper.name} process was left.", remedy="Join again.")
        if not self._files.is_alive():
            with _starting(self._helper, self._files):
                _bring_up(self._helper, self._files)

    def close(self) -> None:
        """Leave. What a forked child holds is not touched."""
        users, self._users = self._users, -1  # first: two threads may leave at once
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
    """Use a helper: join the one that runs, or start it.

    Raises:
        NotAvailable: it could not be started; holds the end of its log.
    """
    files = Files(run_dir(helper.home), helper.name)
    with _starting(helper, files):
        users = open_lock(files.users)
        try:
            take(users, SHARED)
            _bring_up(helper, files)
        except BaseException:
            os.close(users)
            raise
    return Membership(helper, files, users)


@contextmanager
def _starting(helper: Helper, files: Files) -> Iterator[None]:
    with opened(files.start) as handle:
        if not take(handle, ALONE, within_s=helper.start_timeout_s + 2 * STOP_S):
            raise NotAvailable(
                f"Another process has been starting {helper.name} for too long.",
                remedy=f"See who holds {files.start}.",
            )
        yield


def _bring_up(helper: Helper, files: Files) -> None:
    """Wait until the helper answers, starting it where none lives; `start` is held."""
    written = files.log.stat().st_size if files.log.exists() else 0
    if files.is_alive() and _answers(helper, files, written):
        return
    _spawn(helper, files)
    try:
        answers = _answers(helper, files, written)
    except NotAvailable:
        _end(files)
        raise
    if not answers:
        raise _failed(files, "ended while it started", written)


def _answers(helper: Helper, files: Files, written: int) -> bool:
    """True once it is ready; False when it ended meanwhile."""
    deadline = time.monotonic() + helper.start_timeout_s
    while files.is_alive():
        if files.pids() and helper.ready():
            return True
        if time.monotonic() > deadline:
            waited = f"did not answer within {helper.start_timeout_s:g} s"
            raise _failed(files, waited, written)
        time.sleep(POLL_S)
    return False


def _spawn(helper: Helper, files: Files) -> None:
    """Start the supervisor; what is waited for here only starts it, and holds `alive` for it."""
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
    """End what was started just now and does not answer, so that nobody joins it meanwhile."""
    if pids := files.pids():
        with suppress(ProcessLookupError):
            os.kill(pids.supervisor, signal.SIGTERM)
        with opened(files.alive) as alive:
            take(alive, SHARED, within_s=2 * STOP_S)


def _failed(files: Files, what: str, written: int) -> NotAvailable:
    words = " ".join(files.log_end(written).split())
    said = f"Its log ends: {words}" if words else f"Its log, {files.log}, is empty."
    return NotAvailable(f"The {files.name} process {what}.", remedy=said)
