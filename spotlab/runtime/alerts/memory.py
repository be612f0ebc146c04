"""What this process keeps of alerts between two looks. Runtime floor.

It may be lost at any time: what must not be lost is in the database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from spotlab.domain.alerts import AlertRule
from spotlab.domain.ringing import Ringing

T = TypeVar("T")
_MOST: Final = 8


@dataclass(slots=True)
class Alarms:
    """Rules as last read, and what was computed for them.

    Args:
        rules: with the sealed address of each, as the last look of this process read them.
        told: what rings by rule, where that was told while the database was down.
    """

    rules: list[tuple[AlertRule, str]] = field(default_factory=list)
    told: dict[str, Mapping[str, Ringing]] = field(default_factory=dict)
    _kept: dict[Hashable, Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def remembered(self, key: Hashable, make: Callable[[], T]) -> T:
        """What was made for this key, or is now."""
        with self._lock:
            if key in self._kept:
                kept: T = self._kept[key]
                return kept
        made = make()
        with self._lock:
            while len(self._kept) >= _MOST:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = made
        return made
