"""Cache of alert rules and of data computed for them, per process.

It may be lost at any time: everything that must not be lost is in the database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from spotlab.domain.alert_state import FiringAlert
from spotlab.domain.alerts import AlertRule

T = TypeVar("T")


@dataclass(slots=True)
class RuleCache:
    """Rules as last read, and values computed for them.

    Args:
        rules: with the encrypted address of each, as this process last read them.
        notified: firing alerts by rule that were notified while the database was down.
    """

    rules: list[tuple[AlertRule, str]] = field(default_factory=list)
    notified: dict[str, Mapping[str, FiringAlert]] = field(default_factory=dict)
    _values: dict[str, tuple[Hashable, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def cached(self, what: str, key: Hashable, make: Callable[[], T]) -> T:
        """The value for a key, made if it is not cached.

        Only the newest value of each `what` is stored, because a market is large.
        """
        with self._lock:
            cached_key, cached = self._values.get(what, (None, None))
        if cached is not None and cached_key == key:
            value: T = cached
            return value
        value = make()
        with self._lock:
            self._values[what] = (key, value)
        return value
