"""A small memory of tables that were read before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

Value = TypeVar("Value")


class TableCache:
    """The values used last. They are shared: whoever gets one must not write into it.

    Args:
        capacity: how many are kept.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()

    def get_or_build(self, key: Hashable, build: Callable[[], Value]) -> Value:
        """The value kept under this key, else the one built now; a None is not kept."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                cached: Value = self._values[key]
                return cached
        value = build()
        if value is not None:
            with self._lock:
                self._values[key] = value
                while len(self._values) > self._capacity:
                    self._values.popitem(last=False)
        return value


_CACHES: Final[WeakKeyDictionary[object, TableCache]] = WeakKeyDictionary()


def cache_of(owner: object, capacity: int) -> TableCache:
    """What was read from one archive or store; it goes when that goes."""
    try:
        return _CACHES.setdefault(owner, TableCache(capacity))
    except TypeError:  # no port promises a hash: then nothing is remembered
        return TableCache(capacity)
