"""How many instances are lost together, as a fleet runs and after the moves that were decided.

Spot capacity is lost by the pool, and to a lesser degree by the type in a region and by the zone.
If one instance is lost, the expected number that is lost with it is

    1 + same_pool * (n_pool - 1) + same_type * (n_type - n_pool) + same_zone * (n_zone - n_pool)

where n_type counts instances of its type in its region, and n_zone those in its zone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from spotlab.domain.decision import Decision, Instance, Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.ports import ExperimentSummary

MIN_GROUP: Final = 2
MAX_TOLD: Final = 2
"""Groups over their share that the description names."""


def share_limit(share: float, size: int) -> int:
    """The number of instances that a share of some instances allows, at least one.

    >>> share_limit(0.34, 3), share_limit(0.5, 6), share_limit(0.25, 24), share_limit(0.25, 1000)
    (1, 3, 6, 250)
    """
    return max(1, int(share * size + 1e-9))


@dataclass(frozen=True, slots=True)
class LossCorrelation:
    """P(another instance is lost soon because one is lost), beyond its own risk.

    Args:
        same_pool: the other instance is on the same pool, 0..1.
        same_type: it has the same type, in another zone of the region.
        same_zone: it has another type, in the same zone.
        within_min: how soon, minutes.
        source: where the figures come from, for a person.
    """

    same_pool: float
    same_type: float
    same_zone: float
    within_min: float
    source: str


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an instance runs.

    Args:
        pool: its spot pool; None: on demand, which is not interrupted.
        hazard_per_hour: expected interruptions per hour; None: unknown.
    """

    pool: Pool | None
    hazard_per_hour: float | None


@dataclass(frozen=True, slots=True)
class Losses:
    """How many instances are lost together.

    Args:
        instances: all of them.
        on_spot: those that can be lost.
        largest: most instances on one pool; they are lost if it fails.
        pool: that pool; None: nothing runs on spot.
        expected: expected number lost together when one is lost, the more often an instance is lost
            the more it counts; None: every hazard is unknown, or nothing runs on spot.
        unknown: instances on spot whose hazard is unknown; `expected` leaves their losses out.
    """

    instances: int
    on_spot: int
    largest: int
    pool: Pool | None
    expected: float | None
    unknown: int


@dataclass(frozen=True, slots=True)
class Change:
    """Before the moves that were decided, and after them."""

    before: Losses
    after: Losses


@dataclass(frozen=True, slots=True)
class GroupLosses:
    """Losses of a group that should not be lost together.

    Args:
        change: before and after.
        limit: how many of the group may be on one pool.
    """

    change: Change
    limit: int

    @property
    def is_over(self) -> bool:
        """Whether a pool has more of the group than it may."""
        return self.change.before.largest > self.limit


@dataclass(frozen=True, slots=True)
class FleetLosses:
    """Losses of a fleet and of its groups.

    Args:
        fleet: of all instances.
        groups: of each group of two or more, by label.
        correlation: as used.
    """

    fleet: Change
    groups: Mapping[str, GroupLosses]
    correlation: LossCorrelation = field(repr=False)


def simultaneous_losses(
    placements: Sequence[Placement],
    correlation: LossCorrelation,
    without_zones: Collection[tuple[str, str, str]] = (),
) -> Losses:
    """How many instances are lost together.

    In a market without zones, a pool is the type in its region: an instance whose zone is unknown
    counts as on the pool of every instance of its type in the region.

    Args:
        placements: of the instances.
        correlation: of losses.
        without_zones: (region, type, operating system) whose zones are not told apart, beside
            those for which a zone is unknown.

    >>> a, b = (Pool("us-east-1", zone, "m6i.large") for zone in ("us-east-1a", "us-east-1b"))
    >>> fleet = [Placement(a, 1e-4), Placement(a, 1e-4), Placement(b, 1e-4)]
    >>> together = simultaneous_losses(fleet, LossCorrelation(0.9, 0.2, 0.1, 30.0, "an example"))
    >>> together.largest, round(together.expected, 3)
    (2, 1.867)
    """
    spot = [(each.pool, each.hazard_per_hour) for each in placements if each.pool is not None]
    pools = _merged([pool for pool, _ in spot], without_zones)
    of_pool = Counter(pools)
    of_type = Counter(_type_of(pool) for pool in pools)
    of_zone = Counter(pool.availability_zone for pool in pools if pool.availability_zone)
    together, weights = [], []
    for pool, (_, hazard) in zip(pools, spot, strict=True):
        if hazard is not None:
            here, zone = of_pool[pool], pool.availability_zone
            others = correlation.same_type * (of_type[_type_of(pool)] - here)
            if zone is not None:
                others += correlation.same_zone * (of_zone[zone] - here)
            together.append(1.0 + correlation.same_pool * (here - 1) + others)
            weights.append(hazard)
    largest = max(of_pool.items(), key=lambda each: (each[1], each[0].key), default=(None, 0))
    expected = float(np.average(together, weights=weights)) if sum(weights) > 0 else None
    return Losses(
        instances=len(placements),
        on_spot=len(spot),
        largest=largest[1],
        pool=largest[0],
        expected=expected if expected is None else min(expected, float(len(spot))),
        unknown=len(spot) - len(weights),
    )


def fleet_losses(
    instances: Iterable[Instance],
    decisions: Mapping[str, ExperimentSummary],
    correlation: LossCorrelation,
    group_of: Callable[[Instance], tuple[str, float]] = lambda _: ("", 1.0),
) -> FleetLosses:
    """Losses as the fleet runs, and if its newest decisions are carried out.

    A decision made while the instance was on another pool is out of date: it stays where it is, and
    its hazard is unknown. Pools of different accounts with the same name count as one.

    Args:
        instances: the fleet.
        decisions: newest decision of each instance, by instance_id.
        correlation: of losses.
        group_of: label of an instance's group, "" for none, and its largest share of a pool.
    """
    before, after = [], []
    members: defaultdict[str, list[int]] = defaultdict(list)
    shares: defaultdict[str, float] = defaultdict(lambda: 1.0)
    for row, instance in enumerate(instances):
        now, then = _moved(instance, decisions.get(instance.instance_id))
        before.append(now)
        after.append(then)
        label, share = group_of(instance)
        if label:
            members[label].append(row)
            shares[label] = min(shares[label], share)
    coarse = _without_zones(each.pool for each in after)

    def change(rows: Sequence[int]) -> Change:
        return Change(
            simultaneous_losses([before[row] for row in rows], correlation, coarse),
            simultaneous_losses([after[row] for row in rows], correlation, coarse),
        )

    groups = {
        label: GroupLosses(change(rows), share_limit(shares[label], len(rows)))
        for label, rows in members.items()
        if len(rows) >= MIN_GROUP
    }
    return FleetLosses(change(range(len(before))), groups, correlation)


def _moved(instance: Instance, last: ExperimentSummary | None) -> tuple[Placement, Placement]:
    """Where an instance runs, and where it will run if its decision is carried out."""
    here = instance.pool if instance.lifecycle is Lifecycle.SPOT else None
    if last is None or last.current_pool != instance.pool.key:
        return Placement(here, None), Placement(here, None)
    now = Placement(here, _hazard(last.risk, last.horizon_h) if here else None)
    if last.decision is Decision.FALLBACK_ONDEMAND:
        return now, Placement(None, None)
    if last.decision is Decision.SWITCH and last.chosen_pool is not None:
        hazard = _hazard(last.chosen_risk, last.horizon_h)
        return now, Placement(Pool.parse(last.chosen_pool), hazard)
    return now, now


def _hazard(risk: float | None, horizon_h: float) -> float | None:
    if risk is None or not 0.0 <= risk < 1.0:
        return None
    return float(-np.log1p(-risk) / horizon_h)


def _merged(pools: Sequence[Pool], without_zones: Collection[tuple[str, str, str]]) -> list[Pool]:
    """The pools; where the zone of one is unknown, all of its type in the region are one pool."""
    coarse = {*without_zones, *_without_zones(pools)}
    return [
        replace(pool, availability_zone=None) if _type_of(pool) in coarse else pool
        for pool in pools
    ]


def _without_zones(pools: Iterable[Pool | None]) -> set[tuple[str, str, str]]:
    return {_type_of(pool) for pool in pools if pool and pool.availability_zone is None}


def _type_of(pool: Pool) -> tuple[str, str, str]:
    return pool.region, pool.instance_type, pool.operating_system


def describe(losses: FleetLosses) -> str:
    """What fails together, in a sentence or two; "" if nothing runs on spot, now or then."""
    before, after = losses.fleet.before, losses.fleet.after
    if not before.on_spot and not after.on_spot:
        return ""
    together = f"{before.largest} of {before.instances} instances are lost together"
    if before.largest == 1:
        together = f"1 of {before.instances} instances is lost"
    elif before.largest == 0:
        together = "no instance is lost: all run on demand"
    text = f"If a pool fails, {together}{_then(str(before.largest), str(after.largest))}."
    if before.expected is not None and after.expected is not None:
        now, then = f"{before.expected:.1f}", f"{after.expected:.1f}"
        text += f" On average, {now} are lost at a time{_then(now, then)}."
    unknown = max(before.unknown, after.unknown)
    if unknown:
        text += f" The average leaves out {unknown} whose risk is unknown."
    over = {label: group for label, group in losses.groups.items() if group.is_over}
    for label, group in sorted(over.items())[:MAX_TOLD]:
        now, then = str(group.change.before.largest), str(group.change.after.largest)
        text += f" {label} has {now} on one pool and may have {group.limit}{_then(now, then)}."
    if len(over) > MAX_TOLD:
        text += f" {len(over) - MAX_TOLD} more groups are over their share."
    return text


def _then(now: str, then: str) -> str:
    return "" if now == then else f"; after the moves, {then}"


def basis(correlation: LossCorrelation) -> str:
    """How the average is computed, and where its figures come from."""
    return (
        f"When an instance is lost, another on the same pool is lost within "
        f"{correlation.within_min:g} min with probability {correlation.same_pool:.0%}, one of the "
        f"same type in another zone with {correlation.same_type:.0%}, one of another type in the "
        f"same zone with {correlation.same_zone:.0%}, beyond its own risk. Source: "
        f"{correlation.source}."
    )
