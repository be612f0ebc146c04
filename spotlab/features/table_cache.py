"""A small memory of tables that were read before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

Value = TypeVar("Value")


class Memory:
    """The values used last. They are shared: whoever gets one must not write into it.

    Args:
        capacity: how many are kept.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()

    def recall(self, key: Hashable, build: Callable[[], Value]) -> Value:
        """The value kept under this key, else the one built now; a None is not kept."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                kept: Value = self._values[key]
                return kept
        value = build()
        if value is not None:
            with self._lock:
                self._values[key] = value
                while len(self._values) > self._capacity:
                    self._values.popitem(last=False)
        return value


_MEMORIES: Final[WeakKeyDictionary[object, Memory]] = WeakKeyDictionary()


def memory_of(owner: object, capacity: int) -> Memory:
    """What was read from one archive or store; it goes when that goes."""
    try:
        return _MEMORIES.setdefault(owner, Memory(capacity))
    except TypeError:  # no port promises a hash: then nothing is remembered
        return Memory(capacity)
