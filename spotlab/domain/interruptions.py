"""Interruptions and exposure of own instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from spotlab.domain.hazard_curve import CapacityForecast, ShortCause, ShortSignal, newest
from spotlab.domain.market import Pool

SAME_INTERRUPTION: Final = timedelta(hours=2)
"""A notice, and the later observation that the instance is gone, are one interruption."""
EVIDENCE_WINDOW: Final = timedelta(days=90)
"""Older evidence is not used: 41 % of advisor buckets change in 87 days."""
SIGNAL_WINDOW: Final = timedelta(hours=24)
"""An older signal of a pool counts for nothing but as evidence."""
MAX_GAP: Final = timedelta(hours=1)
"""EC2 lists a terminated instance for about an hour. In a longer gap between two listings, an
interruption could be missed while surviving instances count, so such a gap is not exposure."""


class InterruptionKind(StrEnum):
    """How an interruption was observed."""

    NOTICE = "interruption_notice"
    REBALANCE = "rebalance"
    RECLAIMED = "reclaimed_observed"
    CAPACITY = "capacity_refused"
    """EC2 refused to launch a spot instance there."""
    LAUNCHED = "launch_succeeded"
    """EC2 launched a spot instance there: the pool has capacity."""


INTERRUPTS: Final = frozenset({InterruptionKind.NOTICE, InterruptionKind.RECLAIMED})
"""Without rebalance recommendations and launches, which only indicate a higher or lower risk."""
LAUNCHES: Final = frozenset({InterruptionKind.CAPACITY, InterruptionKind.LAUNCHED})
"""Launches of SpotLab itself, and probes: together they are a pool's availability history."""


@dataclass(frozen=True, slots=True)
class InterruptionEvent:
    """An interruption of an own instance, a rebalance recommendation, or a launch.

    Args:
        instance_id: the instance; of a launch: the one that was to be replaced; of a probe: its id.
        pool: where it ran, or was to be launched.
        at: aware UTC.
        kind: how it was observed.
        source: name of the source, for a person.
        recorded_at: when SpotLab recorded it, aware UTC.
        emulated: from the emulated AWS: evidence for the simulated market only.
        event_id: assigned by the log; 0 until it is recorded.
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
    """A period in which an instance was observed running on a spot pool, without a gap.

    Args:
        instance_id: the instance.
        pool: where it ran.
        started_at, ended_at: first and last time at which it is known to have run, aware UTC.
        emulated: from the emulated AWS.
    """

    instance_id: str
    pool: Pool
    started_at: datetime
    ended_at: datetime
    emulated: bool = False

    def hours_since(self, since: datetime) -> float:
        """Its hours after a time."""
        return max(0.0, (self.ended_at - max(self.started_at, since)) / timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class Record:
    """Interruptions and exposure of own instances on one pool."""

    events: int = 0
    exposure_h: float = 0.0

    def __add__(self, other: Record) -> Record:
        return Record(self.events + other.events, self.exposure_h + other.exposure_h)


@dataclass(frozen=True, slots=True)
class PoolSignals:
    """When own instances on a pool last signalled.

    Args:
        last_at: newest interruption, notice, recommendation or refused launch, aware UTC.
        rebalance_at: newest rebalance recommendation, aware UTC; None: none.
    """

    last_at: datetime
    rebalance_at: datetime | None = None

    def __or__(self, other: PoolSignals) -> PoolSignals:
        """The newest of both."""
        known = [each for each in (self.rebalance_at, other.rebalance_at) if each is not None]
        return PoolSignals(max(self.last_at, other.last_at), max(known, default=None))


@dataclass(frozen=True, slots=True)
class OwnRecord:
    """Interruptions and exposure of own instances, by pool (with its zone).

    Args:
        pools: within EVIDENCE_WINDOW.
        signals: within SIGNAL_WINDOW.
        short: what raises hazards for a while, by pool, within SIGNAL_WINDOW.
        forecasts: of the capacity of pools that have it now.
    """

    pools: Mapping[Pool, Record] = field(default_factory=dict)
    signals: Mapping[Pool, PoolSignals] = field(default_factory=dict)
    short: Mapping[Pool, tuple[ShortSignal, ...]] = field(default_factory=dict)
    forecasts: Mapping[Pool, CapacityForecast] = field(default_factory=dict)

    def signals_on(self, pool: Pool) -> PoolSignals | None:
        """The signals of a pool; one without a zone stands for its region. None: none."""
        if pool.availability_zone is not None:
            return self.signals.get(pool)
        found = None
        for known, signals in self.signals.items():
            if replace(known, availability_zone=None) == pool:
                found = signals if found is None else found | signals
        return found

    def short_on(self, pool: Pool) -> tuple[ShortSignal, ...]:
        """What raises the hazard of a pool for a while, at most one of each cause.

        A lack of capacity counts in the type's other zones of the region too, as SIBLING. A pool
        without a zone stands for its region.
        """
        if not self.short:
            return ()
        found = [*self.short.get(pool, ())]
        for known, signals in self.short.items():
            if known == pool or replace(known, availability_zone=pool.availability_zone) != pool:
                continue
            if pool.availability_zone is None:
                found += signals
                continue
            found += [
                replace(each, cause=ShortCause.SIBLING, detail=f"{each.detail} ({known.label})")
                for each in signals
                if each.cause is ShortCause.CAPACITY
            ]
        return newest(found)

    def on(self, pool: Pool) -> tuple[Record, Record]:
        """The record of a pool, and that of its sibling zones (same region, type and system).

        A pool without a zone stands for its region: its record is that of all zones.
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


def pool_signals(events: Sequence[InterruptionEvent], since: datetime) -> dict[Pool, PoolSignals]:
    """The newest signals of each pool; those before `since` do not count.

    Neither does a refused launch, if a later one succeeded.
    """
    signals: dict[Pool, PoolSignals] = {}
    launched = _last_launches(events)
    for event in events:
        if event.kind is InterruptionKind.LAUNCHED or (
            event.kind is InterruptionKind.CAPACITY and _is_back(event, launched)
        ):
            continue
        if event.at >= since:
            rebalance_at = event.at if event.kind is InterruptionKind.REBALANCE else None
            found = PoolSignals(event.at, rebalance_at)
            known = signals.get(event.pool)
            signals[event.pool] = found if known is None else found | known
    return dict(sorted(signals.items(), key=lambda each: each[0].key))


_DETAILS: Final = {
    InterruptionKind.NOTICE: (ShortCause.CAPACITY, "an interruption notice"),
    InterruptionKind.RECLAIMED: (ShortCause.CAPACITY, "an interruption"),
    InterruptionKind.CAPACITY: (ShortCause.CAPACITY, "a refused launch"),
    InterruptionKind.REBALANCE: (ShortCause.REBALANCE, "a rebalance recommendation"),
}
_JOINT_LOSS: Final = "an interruption, with which others of the pool are lost,"


def short_signals(
    events: Sequence[InterruptionEvent], since: datetime
) -> dict[Pool, tuple[ShortSignal, ...]]:
    """What raises the hazard of each pool for a while, at most one of each cause.

    A launch that succeeded later than a lack of capacity says that capacity is back. An
    interruption is also a joint loss, once: the observation after its notice is none.

    Args:
        events: of any kind, in any order.
        since: earlier events do not count.
    """
    launched = _last_launches(events)
    found: dict[Pool, list[ShortSignal]] = {}
    for event in events:
        if event.at < since or event.kind not in _DETAILS:
            continue
        cause, detail = _DETAILS[event.kind]
        if cause is not ShortCause.CAPACITY or not _is_back(event, launched):
            signal = ShortSignal(cause, event.at, detail=detail)
            found.setdefault(event.pool, []).append(signal)
    for event in distinct(events):
        if event.at >= since and not _is_back(event, launched):
            signal = ShortSignal(ShortCause.JOINT_LOSS, event.at, detail=_JOINT_LOSS)
            found.setdefault(event.pool, []).append(signal)
    pools = sorted(found, key=lambda pool: pool.key)
    return {pool: newest(found[pool]) for pool in pools}


def _last_launches(events: Sequence[InterruptionEvent]) -> dict[Pool, datetime]:
    """When the last launch in each pool succeeded."""
    launched: dict[Pool, datetime] = {}
    for event in events:
        if event.kind is InterruptionKind.LAUNCHED:
            launched[event.pool] = max(event.at, launched.get(event.pool, event.at))
    return launched


def _is_back(event: InterruptionEvent, launched: Mapping[Pool, datetime]) -> bool:
    """Whether a launch in the pool succeeded after the event."""
    return event.pool in launched and launched[event.pool] > event.at


def own_record(
    events: Sequence[InterruptionEvent], exposures: Sequence[Exposure], since: datetime
) -> OwnRecord:
    """Count interruptions and hours by pool.

    Args:
        events: of any kind, in any order.
        exposures: in any order.
        since: earlier events and hours do not count.
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
    """One event per interruption, oldest first: a notice and the reclaim after it count once."""
    interruptions: list[InterruptionEvent] = []
    last: dict[str, datetime] = {}
    for event in sorted(events, key=lambda each: (each.at, each.instance_id)):
        if event.kind not in INTERRUPTS:
            continue
        before = last.get(event.instance_id)
        last[event.instance_id] = event.at
        if before is None or event.at - before > SAME_INTERRUPTION:
            interruptions.append(event)
    return interruptions
