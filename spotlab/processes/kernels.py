"""Loading of a module of compiled kernels in the background; until then, plain code does the work.

Importing numba takes half a second and 60 MB, which no first screen and no command waits for. A
process loads the kernels when it makes several large requests in a short time. If the cache holds
no compiled code for this version yet, another process compiles it first, so that this one stays
responsive. Without a folder for the cache, the kernels are not used, and `why_not` says so.
"""

from __future__ import annotations

import importlib
import logging
import math
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

log = logging.getLogger("spotlab.processes.kernels")

COMPILE_TIMEOUT_S: Final = 300.0
THREADS: Final = max(1, min(4, os.cpu_count() or 1))


class KernelLoader:
    """The kernels of this process, or why it does not use them.

    Args:
        source: file of the module, with a function `warm_up` that compiles all of its kernels.
        module: its full name.
        compiled: for each kernel that `warm_up` compiles, the name of its function.
        when: when the kernels are loaded; completes "they are loaded when …".
        instead: what does the work until then, for the log.
        min_size: smaller requests do not count.
        requests, within_s: so many of them, in so many seconds, load the kernels.
        elapsed_s: a monotonic clock, seconds.
    """

    def __init__(
        self,
        source: Path,
        module: str,
        compiled: tuple[str, ...],
        *,
        when: str,
        instead: str,
        min_size: int = 1,
        requests: int = 2,
        within_s: float = math.inf,
        elapsed_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._name, self._compiled = source, module, compiled
        self._instead, self._min_size = instead, min_size
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._module: ModuleType | None = None
        self._disabled = False
        self._requests: deque[float] = deque(maxlen=requests)
        self._within_s, self._elapsed_s = within_s, elapsed_s
        self.why_not = f"they are loaded when {when}"

    @property
    def module(self) -> ModuleType | None:
        """The kernels once they are loaded."""
        return self._module

    def disable(self, reason: str) -> None:
        """Never load them in this process; `reason` completes "… because"."""
        with self._lock:
            self._disabled = True
            self._module, self.why_not = None, reason

    def note_request(self, size: int = 1) -> None:
        """Start loading if this process makes large requests again and again."""
        if self._module is not None or size < self._min_size:
            return
        with self._lock:
            now = self._elapsed_s()
            self._requests.append(now)
            full = len(self._requests) == self._requests.maxlen
            often = full and now - self._requests[0] <= self._within_s
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
            if not self._is_compiled():
                self._compile_in_other_process()
            module = importlib.import_module(self._name)
            module.warm_up()
        except Exception as exc:  # numba's errors have no common base
            self.why_not = f"{type(exc).__name__}: {' '.join(str(exc).split())[:200]}"
            log.info("%s: %s", self._instead, self.why_not)
            return
        with self._lock:
            if not self._disabled:
                self._module, self.why_not = module, ""

    def _is_compiled(self) -> bool:
        """Whether the cache beside the source holds code that is newer than the source."""
        folder, newest = self._source.parent / "__pycache__", self._source.stat().st_mtime
        return all(
            any(
                path.stat().st_mtime >= newest
                for path in folder.glob(f"{self._source.stem}.{name}-*.nbi")
            )
            for name in self._compiled
        )

    def _compile_in_other_process(self) -> None:
        code = f"import os; os.nice(10)\nimport {self._name} as m; m.warm_up()"
        command = [sys.executable, "-c", code]
        subprocess.run(command, check=True, capture_output=True, timeout=COMPILE_TIMEOUT_S)


def thread_bounds(size: int) -> list[int]:
    """Bounds of equal parts, one for each thread."""
    return [size * part // THREADS for part in range(THREADS + 1)]


@cache
def thread_pool() -> ThreadPoolExecutor:
    """Threads among which the rows of a large request are divided."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix="kernel")
