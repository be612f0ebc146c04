"""Base class of market sources that call one AWS API in one region."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from spotlab.aws.feed_checks import snapshot_of, source_name
from spotlab.domain.market import FeedKind, MarketName, Provenance, Snapshot
from spotlab.domain.ports import Clock


class RegionSource:
    """A source whose snapshots are of one kind and one region.

    Args:
        client: boto3 client of the API; subclasses declare its type.
        region: such as "us-east-1".
        market: the market it belongs to.
        clock: for fetched_at.
    """

    _kind: FeedKind
    _title: str
    _client: Any

    def __init__(self, client: Any, region: str, market: MarketName, clock: Clock) -> None:
        self._client = client
        self._region = region
        self._market = market
        self._clock = clock

    @property
    def name(self) -> str:
        """Display name."""
        return source_name(self._market, f"{self._title} of {self._region}")

    @property
    def covers(self) -> tuple[tuple[FeedKind, str], ...]:
        """The kind and region of its snapshots."""
        return ((self._kind, self._region),)

    def _snapshot(
        self,
        rows: Sequence[Sequence[object]],
        event_time: datetime | None = None,
        set_aside: tuple[str, ...] = (),
    ) -> tuple[Snapshot, ...]:
        now = self._clock.now()
        origin = Provenance(self.name, min(event_time or now, now), now)
        return (snapshot_of(self._kind, self._market, self._region, origin, rows, set_aside),)
