"""One helper process a home, shared by every process of that home. Bottom floor.

Whoever comes first starts it; whoever comes later joins; it ends some time after its last user is
gone, however that user ended. Three files in the run folder carry this, and the kernel releases
their locks even on kill -9:

- `<name>.users`: each user holds it shared; the supervisor can take it alone when nobody is left.
- `<name>.start`: held alone while somebody starts the helper, so that two never start two.
- `<name>.alive`: held alone by the supervisor, the helper's parent, which dies after its child and
  whose child dies with it (Linux: PR_SET_PDEATHSIG; elsewhere the child outlives only a kill -9 of
  the supervisor, and is found again by the next join).
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final

from spotlab.errors import NotAvailable

MAX_SOCKET_PATH: Final = 100
"""A unix socket's address holds 108 bytes on Linux, 104 on macOS."""
_POLL_S: Final = 0.05
_STOP_S: Final = 5.0
_PR_SET_PDEATHSIG: Final = 1
_SUPERVISOR_GONE: Final = 3


@dataclass(frozen=True, slots=True)
class Helper:
    """A helper process of a home.

    Args:
        home: SPOTLAB_HOME.
        name: unique within the home, such as "online-store".
        command: what to run.
        ready: True when it answers; asked again and again while it starts.
        idle_s: it is ended this long after its last user is gone.
        start_timeout_s: how long it may take until it is ready.
    """

    home: Path
    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]
    idle_s: float = 120.0
    start_timeout_s: float = 20.0


def run_dir(home: Path) -> Path:
    """The folder of a home's sockets, locks and logs, for its owner only.

    `home/run`, or where that is too long for a unix socket a folder under the system's temporary
    one, named by a hash of the home, so that all processes of the home find it.

    Raises:
        NotAvailable: it cannot be made, or belongs to somebody else.
    """
    folder = home.absolute() / "run"
    if len(bytes(folder)) > MAX_SOCKET_PATH - 24:
        digest = hashlib.sha256(bytes(home.absolute())).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"spotlab-{os.getuid()}-{digest}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise NotAvailable(f"The folder {folder} cannot be made: {exc.strerror}.") from exc
    if folder.stat().st_uid != os.getuid():
        raise NotAvailable(f"The folder {folder} belongs to another user.")
    return folder


class Membership:
    """A process's use of a helper; leaving it, or dying, lets the helper end."""

    def __init__(self, helper: Helper) -> None:
        self._helper = helper
        self._run = run_dir(helper.home)
        self._users = _open(self._run / f"{helper.name}.users")
        fcntl.flock(self._users, fcntl.LOCK_SH)

    def ensure(self) -> None:
        """Start the helper if it does not answer.

        Raises:
            NotAvailable: it could not be started; holds the end of its log.
        """
        if self._helper.ready():
            return
        with _alone(self._run / f"{self._helper.name}.start"):
            if not self._helper.ready():
                self._start()

    def close(self) -> None:
        """Leave."""
        if self._users >= 0:
            os.close(self._users)
            self._users = -1

    def __enter__(self) -> Membership:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self) -> None:
        log = self._run / f"{self._helper.name}.log"
        with log.open("wb") as output:
            supervisor = subprocess.Popen(
                [
                    *(sys.executable, "-m", "spotlab.processes"),
                    *("--run", str(self._run), "--name", self._helper.name),
                    *("--idle-s", str(self._helper.idle_s), "--", *self._helper.command),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + self._helper.start_timeout_s
        while time.monotonic() < deadline:
            if self._helper.ready():
                return
            if supervisor.poll() not in (None, _SUPERVISOR_GONE):
                break
            time.sleep(_POLL_S)
        words = log.read_text(errors="replace")[-500:].strip()
        raise NotAvailable(
            f"The {self._helper.name} process did not start.", remedy=f"Its log ends: {words}"
        )


def join(helper: Helper) -> Membership:
    """Use a helper: join the one that runs, or start it.

    Raises:
        NotAvailable: it could not be started; holds the end of its log.
    """
    membership = Membership(helper)
    try:
        membership.ensure()
    except BaseException:
        membership.close()
        raise
    return membership


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    handle = _open(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _take(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def supervise(run: Path, name: str, idle_s: float, command: Sequence[str]) -> int:
    """Run the helper until it ends by itself or nobody has used it for idle_s."""
    alive = _open(run / f"{name}.alive")
    deadline = time.monotonic() + _STOP_S
    while not _take(alive):
        if time.monotonic() > deadline:
            return _SUPERVISOR_GONE
        time.sleep(_POLL_S)
    users = _open(run / f"{name}.users")
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        child.terminate()

    signal.signal(signal.SIGTERM, stop)
    unused_since = None
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(timeout=max(_POLL_S, min(1.0, idle_s / 4)))
        if not _take(users):
            unused_since = None
            continue
        unused_since = unused_since or time.monotonic()
        if time.monotonic() - unused_since >= idle_s:
            return _end(child)
        fcntl.flock(users, fcntl.LOCK_UN)


def _end(child: subprocess.Popen[bytes]) -> int:
    """End the child while the users file is held: who joins now waits, then starts anew."""
    child.terminate()
    try:
        return child.wait(timeout=_STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(argv: Sequence[str] | None = None) -> int:
    """The supervisor's entry point."""
    parser = argparse.ArgumentParser(prog="spotlab.processes")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--idle-s", type=float, required=True)
    parser.add_argument("command", nargs="+")
    args = parser.parse_args(argv)
    return supervise(args.run, args.name, args.idle_s, args.command)


if __name__ == "__main__":
    sys.exit(main())
