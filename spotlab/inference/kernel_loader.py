"""Loading of the compiled kernels in the background; until then, LightGBM does the work.

Importing numba takes half a second, which no first screen and no command waits for. A process
loads the kernels when it scores a market for the second time. If the cache holds no compiled code
for this version yet, another process compiles it first, so that this one stays responsive. Without
a folder for the cache, the kernels are not used, and `why_not` says so.
"""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

log = logging.getLogger("spotlab.inference.kernel_loader")

MODULE: Final = "spotlab.inference.tree_kernels"
COMPILE_TIMEOUT_S: Final = 300.0
THREADS: Final = max(1, min(4, os.cpu_count() or 1))
_SOURCE: Final = Path(__file__).with_name("tree_kernels.py")
_MIN_ROWS: Final = 1000
"""Smaller requests, such as one explanation, do not show that the process scores markets."""


class KernelLoader:
    """The kernels of this process, or why it does not use them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._module: ModuleType | None = None
        self._requests = 0
        self.why_not = "they are loaded when a market is scored for the second time"

    @property
    def module(self) -> ModuleType | None:
        """The kernels once they are loaded."""
        return self._module

    def disable(self, reason: str) -> None:
        """Never load them in this process; `reason` completes "… because"."""
        with self._lock:
            self._requests = -(2**62)
            self._module, self.why_not = None, reason

    def note_request(self, rows: int) -> None:
        """Start loading if this process scores markets again and again."""
        if self._module is not None or rows < _MIN_ROWS:
            return
        with self._lock:
            self._requests += 1
            if self._requests == 2:
                self._start()

    def load(self) -> str:
        """Load them now, and wait; returns why they cannot be used, or ""."""
        with self._lock:
            if self._module is None and self._thread is None and self._requests >= 0:
                self._start()
            thread = self._thread
        if thread is not None:
            thread.join()
        return self.why_not

    def _start(self) -> None:
        self.why_not = "they are being loaded"
        self._thread = threading.Thread(target=self._load, name="load kernels", daemon=True)
        self._thread.start()

    def _load(self) -> None:
        try:
            if not _is_compiled():
                _compile_in_other_process()
            module = importlib.import_module(MODULE)
            module.warm_up()
        except Exception as exc:  # numba's errors have no common base
            self.why_not = f"{type(exc).__name__}: {' '.join(str(exc).split())[:200]}"
            log.info("Trees are evaluated by LightGBM: %s", self.why_not)
            return
        with self._lock:
            if self._requests >= 0:
                self._module, self.why_not = module, ""


def _is_compiled() -> bool:
    """Whether the cache beside the source holds code that is newer than the source."""
    compiled = list((_SOURCE.parent / "__pycache__").glob("tree_kernels._add_*.nbi"))
    newest = _SOURCE.stat().st_mtime
    return len(compiled) >= 2 and all(path.stat().st_mtime >= newest for path in compiled)


def _compile_in_other_process() -> None:
    command = [sys.executable, "-c", f"import os; os.nice(10)\nimport {MODULE} as m; m.warm_up()"]
    subprocess.run(command, check=True, capture_output=True, timeout=COMPILE_TIMEOUT_S)


KERNELS: Final = KernelLoader()


@cache
def thread_pool() -> ThreadPoolExecutor:
    """Threads among which the rows of a large request are divided."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix="kernel")
