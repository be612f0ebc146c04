"""An emulated AWS: its clock, market and accounts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from spotlab.demo.access_keys import role_key
from spotlab.demo.cloudtrail import Trail
from spotlab.demo.delays import FAST, Delays
from spotlab.demo.faults import Denials, Faults
from spotlab.demo.market import Market
from spotlab.demo.timeline import Timeline
from spotlab.errors import InvalidInput

if TYPE_CHECKING:
    from spotlab.demo.recorded_history import RecordedHistory

BASE_ACCOUNT_ID: Final = "123456789012"
"""The account of the base credentials: it owns nothing and may only assume roles."""
EVENTS_QUEUE: Final = "spotlab-events"
"""The queue of each region that receives EC2's events."""
DEAD_LETTER_QUEUE: Final = "spotlab-events-dlq"


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of the emulated AWS.

    Args:
        frozen_at: the market's time (aware UTC); None: the real time.
        elapsed_s: a monotonic clock, seconds. Launches, status checks and images take real seconds
            even if the time is frozen, as they would never complete otherwise.
        advances: whether the frozen time moves with elapsed_s, which then starts at 0: for drills
            on a test's clock.
    """

    frozen_at: datetime | None = None
    elapsed_s: Callable[[], float] = time.monotonic
    advances: bool = False

    def __post_init__(self) -> None:
        if self.frozen_at is not None and self.frozen_at.tzinfo is None:
            raise InvalidInput(
                f"The time {self.frozen_at.isoformat()} has no time zone.",
                remedy="Add one, as in 2026-11-23T12:00:00+00:00.",
            )

    def now(self) -> datetime:
        """The market's time, aware UTC, in whole seconds as in AWS."""
        now = self.frozen_at or datetime.now(UTC)
        if self.advances and self.frozen_at is not None:
            now += timedelta(seconds=self.elapsed_s())
        return now.astimezone(UTC).replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Account:
    """One emulated account.

    Args:
        name: such as "payments-prod".
        account_id: twelve digits.
        role_arn: the role that trusts SpotLab.
        external_id: required by AssumeRole.
        access_key_id: returned by AssumeRole.
        regions: where it has instances.
    """

    name: str
    account_id: str
    role_arn: str
    external_id: str
    access_key_id: str
    regions: tuple[str, ...]


def accounts(seed: int) -> tuple[Account, ...]:
    """The emulated accounts of a seed."""
    return tuple(
        Account(
            name,
            account_id,
            f"arn:aws:iam::{account_id}:role/SpotLab",
            f"{name}-{sha256(f'{seed}/{name}'.encode()).hexdigest()[:12]}",
            role_key(seed, name),
            regions,
        )
        for name, account_id, regions in (
            ("payments-prod", "111122223333", ("us-east-1", "eu-west-1")),
            ("research", "444455556666", ("us-west-2", "us-east-1", "eu-west-1")),
        )
    )


@dataclass(frozen=True, slots=True)
class World:
    """One emulated AWS.

    Args:
        clock: its time.
        market: its prices and advisor buckets, and the seed.
        accounts: the owners of its instances.
        trail: the accounts' CloudTrail event history.
        delays: how long things take.
        recorded: prices for DescribeSpotPriceHistory instead of the market's.
        timeline: what happens later.
        faults: which calls fail, and how.
        denials: actions that are denied.
        short: regions and families that are short of capacity, see `imposed_shortages`.
    """

    clock: Clock
    market: Market
    accounts: tuple[Account, ...]
    trail: Trail = field(default_factory=Trail)
    recorded: RecordedHistory | None = None
    delays: Delays = FAST
    denials: Denials = field(default_factory=Denials)
    short: set[tuple[str, str]] = field(default_factory=set)
    timeline: Timeline = field(init=False)
    faults: Faults = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "timeline", Timeline(self.clock.elapsed_s))
        object.__setattr__(self, "faults", Faults(self.clock.elapsed_s, self.market.seed))

    @classmethod
    def of(
        cls, seed: int, clock: Clock, recorded: RecordedHistory | None = None, delays: Delays = FAST
    ) -> World:
        """The world of a seed."""
        return cls(clock, Market(seed), accounts(seed), recorded=recorded, delays=delays)

    def is_short(self, region: str, instance_type: str) -> bool:
        """Whether a region is short of a type's family."""
        return (region, instance_type.partition(".")[0]) in self.short
