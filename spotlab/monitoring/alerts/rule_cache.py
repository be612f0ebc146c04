"""What this process keeps of alerts between two looks.

It may be lost at any time: what must not be lost is in the database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from spotlab.domain.alert_state import Ringing
from spotlab.domain.alerts import AlertRule

T = TypeVar("T")


@dataclass(slots=True)
class Alarms:
    """Rules as last read, and what was computed for them.

    Args:
        rules: with the sealed address of each, as the last look of this process read them.
        told: what rings by rule, where that was told while the database was down.
    """

    rules: list[tuple[AlertRule, str]] = field(default_factory=list)
    told: dict[str, Mapping[str, Ringing]] = field(default_factory=dict)
    _kept: dict[str, tuple[Hashable, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def remembered(self, what: str, key: Hashable, make: Callable[[], T]) -> T:
        """What was made for this key, or is now; of each thing only the newest is kept, because a
        market is large."""
        with self._lock:
            known, kept = self._kept.get(what, (None, None))
        if kept is not None and known == key:
            found: T = kept
            return found
        made = make()
        with self._lock:
            self._kept[what] = (key, made)
        return made
