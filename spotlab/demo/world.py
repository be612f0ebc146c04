"""What one emulated AWS is made of: its seed, its clock, its market."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from spotlab.demo.access_keys import role_key
from spotlab.demo.market import Market
from spotlab.errors import InvalidInput

BASE_ACCOUNT_ID: Final = "123456789012"
"""The account of the base credentials: it owns nothing and may only assume roles."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The demo's time.

    Args:
        frozen_at: the market's "now" stays here (aware UTC); None: it is the real time.
        elapsed_s: a running second counter. Launching, checks and images take real seconds even
            where "now" is frozen, or nothing would ever be ready.
    """

    frozen_at: datetime | None = None
    elapsed_s: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        if self.frozen_at is not None and self.frozen_at.tzinfo is None:
            raise InvalidInput(
                f"The time {self.frozen_at.isoformat()} has no time zone.",
                remedy="Give one, such as 2026-11-23T12:00:00+00:00.",
            )

    def now(self) -> datetime:
        """The market's time, aware UTC, in whole seconds as AWS's are."""
        return (self.frozen_at or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Account:
    """One emulated account, as SpotLab is told of it.

    Args:
        name: such as "payments-prod".
        account_id: twelve digits.
        role_arn: the role that trusts SpotLab.
        external_id: what AssumeRole must carry.
        access_key_id: what AssumeRole gives.
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
        market: its prices and its advisor; carries the seed.
        accounts: who owns instances in it.
    """

    clock: Clock
    market: Market
    accounts: tuple[Account, ...]

    @classmethod
    def of(cls, seed: int, clock: Clock) -> World:
        """The world of a seed."""
        return cls(clock, Market(seed), accounts(seed))
