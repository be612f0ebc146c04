"""A model process for tests whose model does what its card's "behaves" says.

It is what `spotlab.inference.model_worker` is once native code was subverted: anything.
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
    """The pipe that answers are written to: the last one that is open."""
    return max(fd for fd in range(3, 16) if Path(f"/proc/self/fd/{fd}").exists())


class Odd:
    """A model that behaves."""

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
        os.write(_answers(), b"\x05" + bytes(7) + b"\x80\x04\x95X.")  # how a pickle begins
        signal.pause()

    def hang_up(self, _rows: Any) -> None:
        os.close(_answers())
        signal.pause()

    def print(self, rows: Any) -> Any:
        print("[LightGBM] [Warning] words where numbers are expected", flush=True)
        return np.zeros(len(rows))

    def answer_nan(self, rows: Any) -> Any:
        return np.full(len(rows), np.nan)

    def open_a_file(self, rows: Any) -> Any:
        return self._whether(lambda: Path("/etc/passwd").read_bytes(), rows)

    def connect(self, rows: Any) -> Any:
        return self._whether(socket.socket, rows)

    def start_a_program(self, rows: Any) -> Any:
        return self._whether(lambda: subprocess.run(["/bin/true"], check=True), rows)

    def allow_itself_more(self, rows: Any) -> Any:
        files = resource.RLIMIT_NOFILE
        return self._whether(lambda: resource.setrlimit(files, (64, 64)), rows)

    def signal_the_app(self, rows: Any) -> Any:
        return self._whether(lambda: os.kill(os.getppid(), 0), rows)

    @staticmethod
    def _whether(reach: Callable[[], Any], rows: Any) -> Any:
        """1 where it could, 0 where it could not."""
        try:
            reach()
        except (OSError, ValueError):
            return np.zeros(len(rows))
        return np.ones(len(rows))

    def object(self, _rows: Any) -> None:
        raise ValueError("[click](http://evil.example) www.evil.example <script> " + "x" * 5000)


def opened(artefact: Artefact, folder: Path, trees: TreeLimits) -> Any:
    """The model, or what its card asks for instead."""
    behaves = artefact.card.text.get("behaves", "")
    if behaves == "crash_as_it_opens":
        ctypes.string_at(0)
    return Odd(behaves) if behaves else open_verified(artefact, folder, trees)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], opened))
