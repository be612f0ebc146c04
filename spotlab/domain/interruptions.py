"""Own interruptions, and the hours in which they could have happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from spotlab.domain.market import Pool

SAME_INTERRUPTION: Final = timedelta(hours=2)
"""A notice, and the instance seen gone afterwards, are one interruption."""
EVIDENCE_WINDOW: Final = timedelta(days=90)
"""Older evidence is left out: 41 % of advisor buckets change in 87 days."""
MAX_GAP: Final = timedelta(hours=1)
"""EC2 shows a terminated instance for about an hour. Over a longer gap between two listings an
interruption could be missed while the survivors' hours counted, so such a gap is no exposure."""


class InterruptionKind(StrEnum):
    """How an interruption was noticed."""

    NOTICE = "interruption_notice"
    REBALANCE = "rebalance"
    RECLAIMED = "reclaimed_observed"


INTERRUPTS: Final = frozenset({InterruptionKind.NOTICE, InterruptionKind.RECLAIMED})
"""A rebalance recommendation says that the risk is elevated: nothing was interrupted yet."""


@dataclass(frozen=True, slots=True)
class InterruptionEvent:
    """Something that happened to an own instance.

    Args:
        instance_id: whose.
        pool: where it ran.
        at: when, aware UTC.
        kind: how it was noticed.
        source: a person's name for where it came from.
        recorded_at: when SpotLab learned of it, aware UTC.
        emulated: of the emulated AWS: it teaches the simulated market alone.
        event_id: assigned by the log; 0 while not recorded.
    """

    instance_id: str
    pool: Pool
    at: datetime
    kind: InterruptionKind
    source: str
    recorded_at: datetime
    emulated: bool = False
    event_id: int = 0


@dataclass(frozen=True, slots=True)
class Exposure:
    """An instance that was seen running on a spot pool without a gap.

    Args:
        instance_id: whose.
        pool: where.
        started_at, ended_at: first and last moment it is known to have run, aware UTC.
        emulated: of the emulated AWS.
    """

    instance_id: str
    pool: Pool
    started_at: datetime
    ended_at: datetime
    emulated: bool = False

    def hours_since(self, since: datetime) -> float:
        """Hours of it after a moment."""
        return max(0.0, (self.ended_at - max(self.started_at, since)) / timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class Record:
    """What own instances went through on one pool: interruptions, and hours seen running."""

    events: int = 0
    exposure_h: float = 0.0

    def __add__(self, other: Record) -> Record:
        return Record(self.events + other.events, self.exposure_h + other.exposure_h)


@dataclass(frozen=True, slots=True)
class OwnRecord:
    """What own instances went through, by the pool (with its zone) they ran on."""

    pools: Mapping[Pool, Record] = field(default_factory=dict)

    def on(self, pool: Pool) -> tuple[Record, Record]:
        """The record on a pool, and on its sibling zones (same region, type and system).

        A pool without a zone stands for its whole region: its record is that of every zone.
        """
        of_type = replace(pool, availability_zone=None)
        same = {
            known: record
            for known, record in self.pools.items()
            if replace(known, availability_zone=None) == of_type
        }
        if pool.availability_zone is None:
            return sum(same.values(), Record()), Record()
        own = same.pop(pool, Record())
        return own, sum(same.values(), Record())


def own_record(
    events: Sequence[InterruptionEvent], exposures: Sequence[Exposure], since: datetime
) -> OwnRecord:
    """Count interruptions and hours by pool.

    Args:
        events: of any kind, in any order.
        exposures: in any order.
        since: what was before does not count.
    """
    pools: dict[Pool, Record] = {}
    for event in distinct(events):
        if event.at >= since:
            pools[event.pool] = pools.get(event.pool, Record()) + Record(1, 0.0)
    for exposure in exposures:
        hours = exposure.hours_since(since)
        if hours > 0:
            pools[exposure.pool] = pools.get(exposure.pool, Record()) + Record(0, hours)
    return OwnRecord(pools)


def distinct(events: Sequence[InterruptionEvent]) -> list[InterruptionEvent]:
    """One event an interruption, oldest first: a notice and what followed it count once."""
    found: list[InterruptionEvent] = []
    last: dict[str, datetime] = {}
    for event in sorted(events, key=lambda each: (each.at, each.instance_id)):
        if event.kind not in INTERRUPTS:
            continue
        before = last.get(event.instance_id)
        last[event.instance_id] = event.at
        if before is None or event.at - before > SAME_INTERRUPTION:
            found.append(event)
    return found
