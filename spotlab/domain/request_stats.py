"""Requests that an app server answered, counted by five minutes and latency."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

SLOT: Final = timedelta(minutes=5)
FINEST_MS: Final = 0.1
STEP: Final = 1.05
"""Where a class of latencies ends, over where it begins: a percentile is at most 5 % too high."""


@dataclass(frozen=True, slots=True)
class Served:
    """What one process answered within a slot.

    Args:
        process_id: whose.
        at: when the slot began, aware UTC.
        failed: answers with a status of 500 or more.
        took: how many of the others took how long, by `class_of`.
    """

    process_id: str
    at: datetime
    failed: int
    took: Mapping[int, int]


def class_of(latency_ms: float) -> int:
    """The class of a latency: 0 up to FINEST_MS, and then each 5 % wider.

    >>> class_of(0.05), class_of(0.1), class_of(100.0)
    (0, 0, 142)
    """
    return max(0, math.ceil(round(math.log(max(latency_ms, FINEST_MS) / FINEST_MS, STEP), 9)))


def at_most_ms(found: int) -> float:
    """The longest latency of a class, milliseconds."""
    return FINEST_MS * STEP**found


def together(served: Iterable[Served]) -> Counter[int]:
    """Latencies of several slots and processes."""
    took: Counter[int] = Counter()
    for each in served:
        took.update(each.took)
    return took


def percentile_ms(took: Mapping[int, int], share: float) -> float | None:
    """Nearest rank, by the upper end of its class; None where nothing was counted.

    >>> round(percentile_ms({class_of(10.0): 98, class_of(500.0): 2}, 0.99))
    517
    """
    total = sum(took.values())
    left = max(1, math.ceil(round(share * total, 9)))
    for found in sorted(took):
        left -= took[found]
        if left <= 0:
            return at_most_ms(found)
    return None
