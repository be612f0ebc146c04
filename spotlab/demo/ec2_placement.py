"""GetSpotPlacementScores from the simulated market; moto does not implement it.

Source: EC2 API reference, GetSpotPlacementScores, and "Spot placement score" in the user guide.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from math import erf, log10
from threading import Lock
from typing import Any, Final

import numpy as np
from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError

from spotlab.demo.catalogue import POOLS, TYPES
from spotlab.demo.market import Market, day_of
from spotlab.demo.world import Clock, World

CONFIGURATIONS_PER_DAY: Final = 10
"""Different configurations that an account may request per day. AWS's limit is not published;
repeating a configuration is free."""
FEW_TYPES, FEW_TYPES_SCORE = 3, 3
"""With fewer types than this, AWS's score is low regardless of capacity."""
_STRAIN_PER_STRESS: Final = 3.0
_MAX_PLACES: Final = 10


def placement_score(
    market: Market,
    at: datetime,
    pools: Collection[int],
    capacity: int,
    short: Collection[int] = (),
) -> int:
    """How likely a request for these pools finds capacity, from 1 (unlikely) to 10.

    Only the best three pools count, as a request is fulfilled where that is easiest; those that are
    short of capacity count as full.
    """
    offers = np.array([POOLS[pool].offer for pool in pools])
    strain = (
        market.pressure(day_of(at))[offers] + _STRAIN_PER_STRESS * market.stress(at)[list(pools)]
    )
    easiest = (
        0.0 if pool in short else 0.5 * (1 - erf(each))
        for pool, each in zip(pools, strain, strict=True)
    )
    ease = sorted(easiest, reverse=True)[:3]
    if not ease:
        return 1
    return round(min(10.0, max(1.0, 1 + 9 * float(np.mean(ease)) - log10(max(1, capacity)))))


class PlacementQuota:
    """Counts the different configurations that an account requests per day.

    Args:
        clock: determines the day.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._used: dict[tuple[str, int], set[object]] = {}

    def spend(self, account_id: str, configuration: object) -> None:
        """Count a configuration.

        Raises:
            EC2ClientError: MaxConfigLimitExceeded.
        """
        with self._lock:
            used = self._used.setdefault((account_id, day_of(self._clock.now())), set())
            if configuration not in used and len(used) >= CONFIGURATIONS_PER_DAY:
                raise EC2ClientError(
                    "MaxConfigLimitExceeded",
                    "You have exceeded your maximum allowed Spot placement configurations. "
                    "You can retry configurations that you used within the last 24 hours, or wait.",
                )
            used.add(configuration)


def placement_scores(world: World) -> Callable[[Any], ActionResult]:
    """The method of moto's EC2 that returns placement scores."""
    quota = PlacementQuota(world.clock)

    def get_spot_placement_scores(self: Any) -> ActionResult:
        self.error_on_dryrun()
        types = frozenset(self._get_param("InstanceTypes", []))
        regions = frozenset(self._get_param("RegionNames", [])) or frozenset({self.region})
        by_zone = bool(self._get_param("SingleAvailabilityZone", False))
        capacity = int(self._get_param("TargetCapacity") or 1)
        _check_types(types)
        quota.spend(self.current_account, (types, regions, by_zone, capacity))
        max_score = FEW_TYPES_SCORE if len(types) < FEW_TYPES else 10
        scores = [
            (
                min(
                    max_score,
                    placement_score(
                        world.market,
                        world.clock.now(),
                        pools,
                        capacity,
                        {each for each in pools if _is_short(world, each)},
                    ),
                ),
                place,
            )
            for place, pools in _places(types, regions, by_zone=by_zone).items()
        ]
        scores.sort(key=lambda each: (-each[0], each[1]))
        return ActionResult({"SpotPlacementScores": [_row(*each) for each in scores[:_MAX_PLACES]]})

    return get_spot_placement_scores


def _is_short(world: World, pool: int) -> bool:
    return world.is_short(POOLS[pool].region.name, POOLS[pool].spec.name)


def _check_types(types: Collection[str]) -> None:
    unknown = sorted(set(types) - {spec.name for spec in TYPES})
    if unknown or not types:
        raise EC2ClientError(
            "InvalidParameterValue", f"The instance types {unknown} are not valid."
        )


def _places(
    types: Collection[str], regions: Collection[str], *, by_zone: bool
) -> dict[tuple[str, str], list[int]]:
    """The requested pools by (region, zone id); the zone id is "" for whole regions."""
    places: dict[tuple[str, str], list[int]] = {}
    for index, pool in enumerate(POOLS):
        if pool.region.name in regions and pool.spec.name in types:
            zone_id = pool.region.zone_id(pool.zone) if by_zone else ""
            places.setdefault((pool.region.name, zone_id), []).append(index)
    return places


def _row(score: int, place: tuple[str, str]) -> dict[str, object]:
    region, zone_id = place
    zone = {"AvailabilityZoneId": zone_id} if zone_id else {}
    return {"Region": region, "Score": score} | zone
