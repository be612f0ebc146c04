"""Memory of a long-lived process: allocated in few arenas, and given back when it is free.

glibc gives each thread an arena of its own, up to eight a core, and keeps what is freed in them: a
server that reads a market in one thread and scores it in another held both for good. Two arenas
suffice, as threads that compute hold Python's lock most of the time.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from spotlab.runtime.lab import Lab

RELEASE_EVERY_S: Final = 60.0
ARENAS: Final = 2
_M_ARENA_MAX: Final = -8
"""Of glibc's malloc.h."""


def limit_arenas() -> None:
    """Use few arenas, and let Arrow allocate in them too; to be called before threads start."""
    import pyarrow as pa

    if (libc := _glibc()) is not None:
        libc.mallopt(_M_ARENA_MAX, ARENAS)
        pa.set_memory_pool(pa.system_memory_pool())


def release() -> None:
    """Give free memory back to the operating system; takes some milliseconds."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def start_releasing(lab: Lab) -> Callable[[], None]:
    """Every minute, drop what has expired and release free memory; returns a function that stops.

    Args:
        lab: of this process.
    """
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(RELEASE_EVERY_S):
            lab.drop_expired()
            release()

    thread = threading.Thread(target=run, name="memory", daemon=True)
    thread.start()

    def end() -> None:
        stop.set()
        thread.join()

    return end


def _glibc() -> Any | None:
    """The C library if it is glibc; others keep less and have no such functions."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") else None
