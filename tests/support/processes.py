"""A helper process for tests, and a process that joins it.

python -m tests.support.processes HOME IDLE_S: join, print the helper's pid, stay until stdin ends.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spotlab.processes import Helper, join, run_dir

NAME = "beacon"
BEACON = """
import os, pathlib, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to end"))
print("beacon", os.getpid(), flush=True)
pathlib.Path("beacon.ready").write_text(str(os.getpid()))
while True:
    signal.pause()
"""
"""Creates a file in its working folder when it is ready, and waits."""


def beacon(home: Path, idle_s: float = 0.3, program: str = BEACON) -> Helper:
    """A helper that is ready when its file exists."""
    ready = run_dir(home) / "beacon.ready"
    return Helper(
        home,
        NAME,
        (sys.executable, "-c", program),
        ready=lambda: ready.exists(),
        idle_s=idle_s,
        start_timeout_s=15.0,
    )


@dataclass(frozen=True)
class User:
    """Another process that uses the beacon of a home.

    Args:
        process: the process; it ends when its stdin is closed.
    """

    process: subprocess.Popen[str]

    def helper_pid(self) -> int:
        """The helper's process id; waits until the user has joined."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the user ended with {self.process.wait()}"
        return int(line)

    def leave(self) -> None:
        """Let the process leave the helper and end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(10) == 0


@contextmanager
def user_of(home: Path, idle_s: float = 0.3) -> Iterator[User]:
    """A process that joins immediately; killed at the end if it is still running."""
    command = [sys.executable, "-m", "tests.support.processes", str(home), str(idle_s)]
    root = Path(__file__).resolve().parents[2]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=root) as process:
        try:
            yield User(process)
        finally:
            process.kill()


def main() -> None:
    home, idle_s = sys.argv[1:]
    with join(beacon(Path(home), float(idle_s))) as membership:
        print(membership.pid, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
