"""Uptime of a component from its probes, success rates, and percentiles.

A probe's state is valid until the next probe, at most for MAX_HOLD. Time after that, and before the
first probe, is unknown; it never counts as up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from spotlab.domain.components import DEGRADED, DOWN, HEALTHY, STATES, UNKNOWN

PROBE_EVERY: Final = timedelta(seconds=30)
MAX_HOLD: Final = 3 * PROBE_EVERY
"""Two probes can be lost before a component's state is unknown."""
WINDOW: Final = timedelta(hours=24)
QUANTILES: Final = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Spell:
    """A period in which a component's state did not change.

    Args:
        state: healthy, degraded, down or unknown.
        since, until: aware UTC.
    """

    state: str
    since: datetime
    until: datetime

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.until - self.since).total_seconds()


@dataclass(frozen=True, slots=True)
class Uptime:
    """Time that a component spent in each state.

    Args:
        seconds: by state, for all four states.
    """

    seconds: Mapping[str, float]

    @property
    def total_s(self) -> float:
        """Length of the window."""
        return sum(self.seconds.values())

    @property
    def known_s(self) -> float:
        """Time in a known state."""
        return self.seconds[HEALTHY] + self.seconds[DEGRADED] + self.seconds[DOWN]

    @property
    def up(self) -> float | None:
        """Share of the known time in which it was healthy or degraded; None: no known time."""
        if self.known_s <= 0:
            return None
        up_s = self.seconds[HEALTHY] + self.seconds[DEGRADED]
        return up_s / (up_s + self.seconds[DOWN])

    @property
    def unknown(self) -> float:
        """Share of the window in which its state is unknown."""
        return self.seconds[UNKNOWN] / self.total_s if self.total_s > 0 else 1.0

    @property
    def down_s(self) -> float:
        """Time in which it is known to have been down."""
        return self.seconds[DOWN]


@dataclass(frozen=True, slots=True)
class Rate:
    """Successes and failures of a component.

    Args:
        ok, failed: counts.
    """

    ok: int
    failed: int

    @property
    def total(self) -> int:
        """Number of attempts."""
        return self.ok + self.failed

    @property
    def success(self) -> float | None:
        """Share of attempts that succeeded; None: no attempts."""
        return self.ok / self.total if self.total else None

    @property
    def failure(self) -> float | None:
        """Share of attempts that failed; None: no attempts."""
        return self.failed / self.total if self.total else None


def spells(
    probes: Sequence[tuple[datetime, str]],
    since: datetime,
    until: datetime,
    max_hold: timedelta = MAX_HOLD,
) -> list[Spell]:
    """The window as spells, oldest first and without gaps; neighbours differ in state.

    Args:
        probes: times and states, oldest first; the newest at or before `since` counts, too.
        since, until: the window.
        max_hold: how long a probe is valid if none follows.
    """
    found: list[Spell] = []
    at = since
    for index, (moment, state) in enumerate(probes):
        if moment >= until:
            break
        following = probes[index + 1][0] if index + 1 < len(probes) else until
        begins, ends = max(moment, since), min(moment + max_hold, following, until)
        if ends <= begins or ends <= at:
            continue
        begins = max(begins, at)
        _append(found, UNKNOWN, at, begins)
        _append(found, state if state in STATES else UNKNOWN, begins, ends)
        at = ends
    _append(found, UNKNOWN, at, until)
    return found


def uptime(found: Sequence[Spell]) -> Uptime:
    """The time in each state, from the spells of a window."""
    seconds = dict.fromkeys(STATES, 0.0)
    for spell in found:
        seconds[spell.state] += spell.seconds
    return Uptime(seconds)


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of the values do not exceed (nearest rank).

    It is always a value that was measured; None where there is none.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5), percentile([1.0, 2.0, 3.0, 4.0], 0.95)
    (2.0, 4.0)
    """
    known = sorted(value for value in values if math.isfinite(value))
    if not known:
        return None
    # A share such as 0.95 is no exact binary number: 0.95 * 20 must be rank 19, not 20.
    rank = math.ceil(round(share * len(known), 9))
    return known[max(1, rank) - 1]


def _append(found: list[Spell], state: str, since: datetime, until: datetime) -> None:
    if until <= since:
        return
    if found and found[-1].state == state:
        found[-1] = Spell(state, found[-1].since, until)
    else:
        found.append(Spell(state, since, until))
