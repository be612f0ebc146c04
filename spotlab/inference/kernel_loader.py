"""Loading of the compiled kernels in the background; until then, LightGBM does the work.

Importing numba takes half a second and 60 MB. A process loads the kernels when it scores markets
several times within a minute, as somebody who tries values does; jobs do not. If the cache holds no
compiled code for this version yet, another process compiles it first, so that this one stays
responsive. Without a folder for the cache, the kernels are not used, and `why_not` says so.
"""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
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
_REQUESTS, _WITHIN_S = 4, 60.0
_MIN_ROWS: Final = 1000
"""Smaller requests, such as one explanation, do not show that the process scores markets."""


class KernelLoader:
    """The kernels of this process, or why it does not use them.

    Args:
        elapsed_s: a monotonic clock, seconds.
    """

    def __init__(self, elapsed_s: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._module: ModuleType | None = None
        self._elapsed_s = elapsed_s
        self._disabled = False
        self._requests: deque[float] = deque(maxlen=_REQUESTS)
        self.why_not = "they are loaded when markets are scored several times within a minute"

    @property
    def module(self) -> ModuleType | None:
        """The kernels once they are loaded."""
        return self._module

    def disable(self, reason: str) -> None:
        """Never load them in this process; `reason` completes "… because"."""
        with self._lock:
            self._disabled = True
            self._module, self.why_not = None, reason

    def note_request(self, rows: int) -> None:
        """Start loading if this process scores several markets in a short time."""
        if self._module is not None or rows < _MIN_ROWS:
            return
        with self._lock:
            now = self._elapsed_s()
            self._requests.append(now)
            often = len(self._requests) == _REQUESTS and now - self._requests[0] <= _WITHIN_S
            if often and self._thread is None and not self._disabled:
                self._start()

    def load(self) -> str:
        """Load them now, and wait; returns why they cannot be used, or ""."""
        with self._lock:
            if self._module is None and self._thread is None and not self._disabled:
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
            if not self._disabled:
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
