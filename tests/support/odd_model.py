"""A model process for tests, whose model behaves as the field "behaves" of its card says.

It stands for a `spotlab.inference.model_worker` that was compromised by a model.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from spotlab.inference.artefacts import Artefact, open_verified
from spotlab.inference.model_worker import main
from spotlab.inference.tree_limits import TreeLimits

PROGRAM: Final = "tests.support.odd_model"


def _answers() -> int:
    """The pipe for responses: the open pipe with the highest descriptor."""
    return max(fd for fd in range(3, 16) if Path(f"/proc/self/fd/{fd}").exists())


class Odd:
    """A model with the method named in its card as its behaviour."""

    def __init__(self, behaves: str) -> None:
        self._behaves = behaves

    def _score(self, rows: Any) -> Any:
        return getattr(self, self._behaves)(rows)

    def _score_contributions(self, rows: Any) -> Any:
        return self.crash(rows) if self._behaves == "explain_nothing" else self._score(rows)

    def explain_nothing(self, rows: Any) -> Any:
        return np.zeros(len(rows))

    def crash(self, _rows: Any) -> None:
        ctypes.string_at(0)

    def hang(self, _rows: Any) -> None:
        while True:
            time.sleep(1)

    def spin(self, _rows: Any) -> None:
        while True:
            pass

    def abort(self, _rows: Any) -> None:
        os.abort()

    def leave(self, _rows: Any) -> None:
        os._exit(0)

    def swallow(self, _rows: Any) -> Any:
        return np.ones(2**29)

    def answer_more(self, rows: Any) -> Any:
        return np.zeros(len(rows) + 1)

    def answer_less(self, rows: Any) -> Any:
        return np.zeros(len(rows) - 1)

    def answer_floats(self, rows: Any) -> Any:
        os.write(
            _answers(), (1 + 4 * len(rows)).to_bytes(8, "little") + b"+" + bytes(4 * len(rows))
        )
        signal.pause()

    def answer_endlessly(self, _rows: Any) -> Any:
        os.write(_answers(), (2**62).to_bytes(8, "little"))
        signal.pause()

    def answer_noise(self, _rows: Any) -> Any:
        os.write(_answers(), b"\x05" + bytes(7) + b"\x80\x04\x95X.")  # the beginning of a pickle
        signal.pause()

    def hang_up(self, _rows: Any) -> None:
        os.close(_answers())
        signal.pause()

    def print(self, rows: Any) -> Any:
        print("[LightGBM] [Warning] text instead of numbers", flush=True)
        return np.zeros(len(rows))

    def answer_nan(self, rows: Any) -> Any:
        return np.full(len(rows), np.nan)

    def try_everything(self, _rows: Any) -> Any:
        """One number for each of ATTEMPTS: 1.0 if it succeeded, otherwise 0.0."""
        return np.array([float(_succeeds(attempt)) for attempt in ATTEMPTS.values()])

    def object(self, _rows: Any) -> None:
        raise ValueError("[click](http://evil.example) www.evil.example <script> " + "x" * 5000)


ATTEMPTS: Final[dict[str, Callable[[], Any]]] = {
    "open_a_file": lambda: Path("/etc/passwd").read_bytes(),
    "connect": socket.socket,
    "start_a_program": lambda: subprocess.run(["/bin/true"], check=True),
    "signal_the_app": lambda: os.kill(os.getppid(), 0),
    "allow_itself_more": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
}
"""Actions that must fail in a model process; raising the limit is last, because it could make
others succeed."""


def _succeeds(attempt: Callable[[], Any]) -> bool:
    try:
        attempt()
    except (OSError, ValueError):
        return False
    return True


def opened(artefact: Artefact, folder: Path, trees: TreeLimits) -> Any:
    """The model, or one with the behaviour in its card."""
    behaves = artefact.card.text.get("behaves", "")
    if behaves == "crash_as_it_opens":
        ctypes.string_at(0)
    return Odd(behaves) if behaves else open_verified(artefact, folder, trees)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], opened))
