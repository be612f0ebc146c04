"""A small memory of decoded snapshots. Features floor: knows ports.Archive by identity alone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Final
from weakref import WeakKeyDictionary

import pandas as pd

from spotlab.domain.ports import Archive

_CAPACITY: Final = 80
"""Tables kept: two days of hourly prices, and what else one read_market looks at; about 100 MB."""


class Memory:
    """The frames used last. Frames are shared: whoever reads one must not write into it."""

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._frames: OrderedDict[Hashable, pd.DataFrame] = OrderedDict()
        self._lock = Lock()

    def recall(self, key: Hashable, build: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """The frame kept under this key, else the one built now."""
        with self._lock:
            if key in self._frames:
                self._frames.move_to_end(key)
                return self._frames[key]
        frame = build()
        with self._lock:
            self._frames[key] = frame
            while len(self._frames) > self._capacity:
                self._frames.popitem(last=False)
        return frame


_MEMORIES: Final[WeakKeyDictionary[Archive, Memory]] = WeakKeyDictionary()


def memory_of(archive: Archive) -> Memory:
    """An archive's own memory; it goes when the archive goes."""
    try:
        return _MEMORIES.setdefault(archive, Memory())
    except TypeError:  # ports.Archive does not promise a hash: then nothing is remembered
        return Memory()
