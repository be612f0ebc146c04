"""The supervisor of one helper: `python -m spotlab.processes RUN NAME IDLE_S COMMAND…`.

It detaches, runs the command as its child, and ends it when nobody uses it.
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

from spotlab.processes.files import ALONE, POLL_S, STOP_S, Files, open_lock, opened, take
from spotlab.processes.limits import die_with

_LONGEST_WAIT_S: Final = 1.0


def main(arguments: Sequence[str]) -> int:
    """Take `alive`, detach, supervise."""
    run, name, idle_s, *command = arguments
    files = Files(Path(run), name)
    alive = open_lock(files.alive)
    if not take(alive, ALONE, within_s=STOP_S):
        sys.exit(f"Another {name} is alive already.")
    os.ftruncate(alive, 0)
    if os.fork():
        return 0  # the supervisor is nobody's child: whoever started it has no zombie to bury
    return supervise(files, alive, float(idle_s), command)


def supervise(files: Files, alive: int, idle_s: float, command: Sequence[str]) -> int:
    """Run the command until it ends, SIGTERM comes, or nobody has used it for idle_s."""
    signals = Signals()
    child = _child(command, alive)
    try:
        os.write(alive, b"[%d, %d]" % (os.getpid(), child.pid))
        users = open_lock(files.users)
        used_at = time.monotonic()
        while child.poll() is None and not signals.end and _is_there(files.users, users):
            signals.wait(max(POLL_S, min(_LONGEST_WAIT_S, idle_s / 4)))
            files.bound_log()
            with opened(files.start) as start:
                if not (take(start, ALONE) and take(users, ALONE)):
                    used_at = time.monotonic()
                    continue
                if time.monotonic() - used_at >= idle_s:
                    return _end(child, alive)  # `start` is held: who comes now waits
                fcntl.flock(users, fcntl.LOCK_UN)
    finally:
        _end(child, alive)
    return child.returncode


class Signals:
    """A wait that the child's end or SIGTERM cuts short."""

    def __init__(self) -> None:
        self.end = False
        self._reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.signal(signal.SIGTERM, self._asked_to_end)

    def wait(self, longest_s: float) -> None:
        """Until a signal, or so long."""
        if select.select([self._reader], [], [], longest_s)[0]:
            os.read(self._reader, 64)

    def _asked_to_end(self, _number: int, _frame: FrameType | None) -> None:
        self.end = True


def _child(command: Sequence[str], alive: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=(alive,),
            preexec_fn=partial(die_with, os.getpid()),
        )
    except OSError as exc:
        sys.exit(f"{command[0]} cannot be run: {exc.strerror}.")


def _is_there(path: Path, handle: int) -> bool:
    """False when the home was removed: then nobody can join, and nobody should be served."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False


def _end(child: subprocess.Popen[bytes], alive: int) -> int:
    """End the child and say so at once: whoever comes next must not take it for alive."""
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
