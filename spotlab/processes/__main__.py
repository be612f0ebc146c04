"""The supervisor of one helper: `python -m spotlab.processes RUN NAME IDLE_S COMMAND…`.

It detaches, runs the command as its child, and ends it when it has no users.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final

from spotlab.processes.files import (
    EXCLUSIVE,
    POLL_S,
    STOP_S,
    Files,
    acquire_lock,
    open_lock,
    opened_lock,
)
from spotlab.processes.limits import die_with_parent

_MAX_WAIT_S: Final = 1.0


def main(arguments: Sequence[str]) -> int:
    """Lock `alive`, detach and supervise."""
    run, name, idle_s, *command = arguments
    files = Files(Path(run), name)
    alive = open_lock(files.alive)
    if not acquire_lock(alive, EXCLUSIVE, within_s=STOP_S):
        sys.exit(f"Another {name} is already running.")
    os.ftruncate(alive, 0)
    if os.fork():
        return 0  # detached: the starting process does not have to wait for the supervisor
    return supervise(files, alive, float(idle_s), command)


def supervise(files: Files, alive: int, idle_s: float, command: Sequence[str]) -> int:
    """Run the command until it ends, SIGTERM is received, or it has had no users for idle_s."""
    signals = Signals()
    child = _start_child(command, alive)
    try:
        os.write(alive, b"[%d, %d]" % (os.getpid(), child.pid))
        users = open_lock(files.users)
        used_at = time.monotonic()
        while child.poll() is None and not signals.terminated and _is_same_file(files.users, users):
            signals.wait(max(POLL_S, min(_MAX_WAIT_S, idle_s / 4)))
            files.bound_log()
            with opened_lock(files.start) as start:
                if not (acquire_lock(start, EXCLUSIVE) and acquire_lock(users, EXCLUSIVE)):
                    used_at = time.monotonic()
                    continue
                if time.monotonic() - used_at >= idle_s:
                    return _end_child(child, alive)  # `start` is locked: new users wait
                fcntl.flock(users, fcntl.LOCK_UN)
    finally:
        _end_child(child, alive)
    return child.returncode


class Signals:
    """Waiting that is interrupted by SIGTERM and by the end of the child."""

    def __init__(self) -> None:
        self.terminated = False
        self._reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.signal(signal.SIGTERM, self._on_sigterm)

    def wait(self, longest_s: float) -> None:
        """Wait for a signal, at most this long."""
        if select.select([self._reader], [], [], longest_s)[0]:
            os.read(self._reader, 64)

    def _on_sigterm(self, _number: int, _frame: FrameType | None) -> None:
        self.terminated = True


def _start_child(command: Sequence[str], alive: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=(alive,),
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
    except OSError as exc:
        sys.exit(f"{command[0]} cannot be started: {exc.strerror}.")


def _is_same_file(path: Path, handle: int) -> bool:
    """False if the home was removed or replaced: then no process can join the helper."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False


def _end_child(child: subprocess.Popen[bytes], alive: int) -> int:
    """End the child and unlock `alive` immediately, so that the next user starts a new helper."""
    if child.poll() is None:
        child.terminate()
    try:
        return child.wait(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()
    finally:
        fcntl.flock(alive, fcntl.LOCK_UN)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
