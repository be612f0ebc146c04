"""Port of the progress of reading a region's spot price history, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.market import MarketName

ReadingState = Literal["reading", "complete", "archived"]


@dataclass(frozen=True, slots=True)
class PricePage:
    """One page of spot prices that were checked.

    Args:
        zones, instance_types: (rows,) names.
        times_us: (rows,) microseconds since 1970, UTC.
        usd_per_hour: (rows,) prices.
        set_aside: a sentence for each record that cannot be used.
    """

    zones: Sequence[str]
    instance_types: Sequence[str]
    times_us: NDArray[np.int64]
    usd_per_hour: NDArray[np.float64]
    set_aside: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.times_us)


@dataclass(frozen=True, slots=True)
class PriceReading:
    """How far the price history of a region is read.

    Args:
        market, region: of the prices.
        number: grows with every new window; an older number can no longer add pages.
        state: "reading", "complete" (every page is stored) or "archived" (they became a snapshot).
        covers_since: start of what the stored pages cover, aware UTC.
        since, until: the window that is requested now, aware UTC.
        resume_at: every row of the window that is newer is stored, aware UTC.
        pages: number of stored pages.
        records: number of records in them, with those that were set aside.
        newest_at: newest price of the last archived snapshot, aware UTC; None: none is archived.
    """

    market: MarketName
    region: str
    number: int
    state: ReadingState
    covers_since: datetime
    since: datetime
    until: datetime
    resume_at: datetime
    pages: int
    records: int
    newest_at: datetime | None


class PriceReadings(Protocol):
    """One reading for each market and region, with its pages. Each call is one transaction."""

    def get(self, market: MarketName, region: str) -> PriceReading | None:
        """The reading of a region; None: it was never begun."""
        ...

    def begin(
        self, market: MarketName, region: str, since: datetime, until: datetime
    ) -> PriceReading:
        """Begin a new window; pages of an unfinished one are deleted."""
        ...

    def extend(self, reading: PriceReading, since: datetime, until: datetime) -> PriceReading:
        """Continue a complete reading with a later window; its pages stay.

        Raises:
            ChangedMeanwhile: another process has begun, extended or archived it.
        """
        ...

    def add(
        self, reading: PriceReading, page: PricePage, resume_at: datetime, *, complete: bool
    ) -> PriceReading:
        """Store a page, and how far the window is read with it.

        Raises:
            ChangedMeanwhile: another process has begun, extended or archived it.
        """
        ...

    def pages(self, reading: PriceReading) -> Iterator[PricePage]:
        """Its pages, one at a time, in the order in which they were stored."""
        ...

    def archived(
        self, reading: PriceReading, newest_at: datetime, set_aside: Sequence[str]
    ) -> None:
        """Mark a reading as archived and delete its pages.

        Args:
            reading: a complete one.
            newest_at: newest price of the snapshot, aware UTC.
            set_aside: why records were set aside.
        """
        ...

    def discard(self, reading: PriceReading) -> None:
        """Delete the pages of a reading that cannot be used; the next one begins anew."""
        ...
