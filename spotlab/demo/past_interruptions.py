"""Interruptions of former instances, as an account's CloudTrail history has them.

They follow from the seed and the day, so that a restarted server tells the same history.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Final
from uuid import UUID

from spotlab.demo.catalogue import POOLS
from spotlab.demo.cloudtrail import DAYS, TrailEvent, evicted, launched
from spotlab.demo.world import World

_SHARE_OF_DAYS: Final = 1 / 25
_MAX_AGE_D: Final = 20
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def add_past_interruptions(world: World) -> None:
    """Record the interruptions of the last 90 days, with the launches of their instances."""
    now = world.clock.now()
    today = (now - _EPOCH).days
    for account in world.accounts:
        for region in account.regions:
            for day in range(today - DAYS, today + 1):
                for event in _events(world.market.seed, account.account_id, region, day):
                    if event.at <= now:
                        world.trail.add(event)


def _events(seed: int, account_id: str, region: str, day: int) -> Iterator[TrailEvent]:
    digest = sha256(f"{seed}/{account_id}/{region}/{day}".encode()).digest()
    source = Random(digest)  # noqa: S311  (no secret)
    if source.random() >= _SHARE_OF_DAYS:
        return
    at = _EPOCH + timedelta(days=day, seconds=source.randrange(86_400))
    age = timedelta(seconds=source.randrange(3600, _MAX_AGE_D * 86_400))
    pool = source.choice([each for each in POOLS if each.region.name == region])
    instance_id = f"i-0{digest.hex()[:16]}"
    numbers = (UUID(bytes=digest[16:32]), UUID(bytes=digest[8:24]))
    yield launched(
        account_id,
        region,
        instance_id,
        (pool.zone, pool.spec.name),
        at - age,
        spot=True,
        event_id=str(numbers[0]),
    )
    yield evicted(account_id, region, [instance_id], at, event_id=str(numbers[1]))
