"""Counts of an app server's requests, per five minutes and latency class."""

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
"""Upper limit of a latency class over its lower limit: a percentile is at most 5 % too high."""


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """The requests of one process in one slot.

    Args:
        process_id: of the process.
        at: start of the slot, aware UTC.
        failed: number of responses with a status of 500 or more.
        took: number of other responses by latency class, see `latency_class_of`.
    """

    process_id: str
    at: datetime
    failed: int
    took: Mapping[int, int]


def latency_class_of(latency_ms: float) -> int:
    """The class of a latency: 0 up to FINEST_MS, then classes with limits 5 % apart.

    >>> class_of(0.05), class_of(0.1), class_of(100.0)
    (0, 0, 142)
    """
    return max(0, math.ceil(round(math.log(max(latency_ms, FINEST_MS) / FINEST_MS, STEP), 9)))


def class_limit_ms(latency_class: int) -> float:
    """Upper limit of a latency class, milliseconds."""
    return FINEST_MS * STEP**latency_class


def merge_latencies(served: Iterable[RequestCounts]) -> Counter[int]:
    """Latency classes of several slots and processes, added up."""
    took: Counter[int] = Counter()
    for each in served:
        took.update(each.took)
    return took


def percentile_ms(took: Mapping[int, int], share: float) -> float | None:
    """Percentile by nearest rank, as the upper limit of its class; None without requests.

    >>> round(percentile_ms({class_of(10.0): 98, class_of(500.0): 2}, 0.99))
    517
    """
    total = sum(took.values())
    rank = max(1, math.ceil(round(share * total, 9)))
    for latency_class in sorted(took):
        rank -= took[latency_class]
        if rank <= 0:
            return class_limit_ms(latency_class)
    return None
