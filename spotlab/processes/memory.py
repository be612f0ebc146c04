"""Memory of a long-lived process: allocated in few arenas, and given back when it is free.

glibc gives each thread an arena of its own, up to eight a core, and keeps what is freed in them: a
server that reads a market in one thread and scores it in another holds both for good. Two arenas
suffice, as threads that compute hold Python's lock most of the time.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

RELEASE_EVERY_S: Final = 60.0
ARENAS: Final = 2
_M_ARENA_MAX: Final = -8
"""Of glibc's malloc.h."""


def limit_arenas() -> None:
    """Use few arenas; to be called before threads start."""
    if (libc := _glibc()) is not None:
        libc.mallopt(_M_ARENA_MAX, ARENAS)


def release() -> None:
    """Collect what only refers to itself, and give free memory back to the operating system.

    With more than a million objects, which never change, Python itself does so after hours only.
    """
    gc.collect()
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


class _Pause:
    """Whether collections are suspended, and by how many at once."""

    def __init__(self) -> None:
        self._lock, self._users, self._was_enabled = threading.Lock(), 0, True

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Suspend collections of circles while many objects are made that are used.

        It counts for the whole process, so it must be short. It may be nested, and used by several
        threads.
        """
        with self._lock:
            if not self._users:
                self._was_enabled = gc.isenabled()
                gc.disable()
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users and self._was_enabled:
                    gc.enable()


without_collections: Final = _Pause()


def start_releasing(drop: Callable[[], None] = lambda: None) -> Callable[[], None]:
    """Release free memory every minute, in a thread.

    What exists at the first time, such as modules, is not looked at again: then a collection takes
    milliseconds.

    Args:
        drop: called before, to drop what has expired.
    Returns:
        A function that stops the thread.
    """
    stop = threading.Event()

    def run() -> None:
        first = True
        while not stop.wait(RELEASE_EVERY_S):
            drop()
            release()
            if first:
                gc.freeze()
            first = False

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
