"""Cache of tables that were read recently."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

Value = TypeVar("Value")


class TableCache:
    """Least-recently-used cache. Values are shared, so callers must not change them.

    Args:
        capacity: largest number of values.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()

    def get_or_build(self, key: Hashable, build: Callable[[], Value]) -> Value:
        """The cached value of this key, or a newly built one; None is not cached."""
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
    """The cache of one archive or store; it is freed together with its owner."""
    try:
        return _CACHES.setdefault(owner, TableCache(capacity))
    except TypeError:  # the owner is not hashable: nothing is cached
        return TableCache(capacity)
