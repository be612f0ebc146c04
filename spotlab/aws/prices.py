"""Spot price history from EC2, page by page, resumable after an interruption.

Source: Amazon EC2 API Reference, DescribeSpotPriceHistory. It returns the newest rows first, up to
1000 per page; adds the price of each pool at the start time, with its own older timestamp; repeats
rows at page boundaries; repeats an unchanged price about once a day; and rejects old page tokens.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from spotlab.aws.failures import translated
from spotlab.aws.feed_checks import check_region, digest_of_rows, reject
from spotlab.aws.price_pages import PRODUCT, ChangePoints, checked_page, from_us, to_us
from spotlab.aws.region_source import RegionSource
from spotlab.domain.market import FeedKind, MarketName, Provenance, Snapshot
from spotlab.domain.odd_records import MAX_SET_ASIDE_SHARE
from spotlab.domain.ports import Archive, Clock, PricePage, PriceReading, PriceReadings
from spotlab.errors import AwsError, Cancelled, NoMarketData, Throttled

if TYPE_CHECKING:
    import pandas as pd
    from mypy_boto3_ec2 import EC2Client

log = logging.getLogger("spotlab.aws.prices")

HISTORY_DAYS: Final = 90.0
"""AWS stores this many days."""
NEWEST_DAYS: Final = 30.0
"""Days of a first reading that are archived before the older ones are read."""
SNAPSHOT_DAYS: Final = 7
"""Days that a snapshot covers at least, without reading them again: the features use one snapshot
every three days."""
OVERLAP: Final = timedelta(hours=6)
"""Read again each time, for prices that AWS publishes late."""
_CATCH_UP: Final = timedelta(minutes=5)
"""A resumed reading that ends earlier is continued up to now."""
_MAX_PAUSE: Final = timedelta(days=7)
"""A reading that was interrupted longer ago begins anew."""
_PAGE_ROWS: Final = 1000
_ONE_SECOND: Final = timedelta(seconds=1)
"""Resolution of AWS's times: whether EndTime is included is not documented."""
_MAX_SET_ASIDE: Final = 10
"""So many records may be set aside whatever their share: a region may have changed little."""
_WAITS_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Waits before the next attempt while AWS throttles, in addition to those of the client."""
_TOKEN_REFUSED: Final = frozenset(
    {"InvalidNextToken", "InvalidPaginationToken", "InvalidParameterValue", "ExpiredNextToken"}
)


class SpotPriceHistory(RegionSource):
    """Change points of the spot prices of one region's pools, by zone.

    The first reading covers `days`; later ones continue from the newest archived price. Each page
    is stored as it comes, so an interrupted reading continues where it was.

    Args:
        ec2: client of the region.
        region, market, clock: as for `RegionSource`.
        readings: stores the pages.
        archive: has the earlier snapshots.
        days: how far back the first reading goes; AWS stores 90 days.
        newest_days: until a region was read whole, the first `fetch` returns so many newest days,
            and the next one the whole; None: it returns the whole.
        cancelled: checked before each page.
        wait: waits some seconds.
    """

    _kind = FeedKind.PRICE_HISTORY
    _title = "spot price history"
    _client: EC2Client

    def __init__(
        self,
        ec2: EC2Client,
        region: str,
        market: MarketName,
        clock: Clock,
        readings: PriceReadings,
        archive: Archive,
        *,
        days: float = HISTORY_DAYS,
        newest_days: float | None = None,
        cancelled: Callable[[], bool] | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(ec2, region, market, clock)
        self._readings = readings
        self._archive = archive
        self._days = days
        self._newest_days = newest_days
        self.unfinished = False
        self._cancelled = cancelled
        self._wait = wait
        self._fetched: tuple[PriceReading, datetime, tuple[str, ...]] | None = None

    def fetch(self, validators: Mapping[FeedKind, str]) -> Sequence[Snapshot]:  # noqa: ARG002
        """As `FeedSource.fetch`; the API has no conditional requests.

        Raises:
            Cancelled: pages read before it stay stored.
            ChangedMeanwhile: another process has read the region meanwhile.
        """
        check_region(self.name, self._region)
        earlier = self._archive.latest(self._kind, self._market, self._region)
        reading = self._window(earlier)
        newest_first = not self.unfinished and reading.newest_at is None
        self.unfinished = False
        if self._newest_days is not None and newest_first:
            reading = self._read(reading, reading.until - timedelta(days=self._newest_days))
            newest = self._newest(reading) if reading.state != "complete" else None
            if newest is not None:
                self.unfinished = True
                return (newest,)
        reading = self._read(reading)
        now = self._clock.now()
        if now - reading.until > _CATCH_UP:
            since = reading.until - OVERLAP
            reading = self._read(self._readings.extend(reading, since, now))
        return (self._merged(reading, earlier),)

    def archived(self) -> None:
        """As `ResumableSource.archived`."""
        if self._fetched is not None:
            self._readings.archived(*self._fetched)
            self._fetched = None

    def _window(self, earlier: Snapshot | None) -> PriceReading:
        """The interrupted reading, or a new one from the newest archived price on."""
        now = self._clock.now()
        known = self._readings.get(self._market, self._region)
        if known is not None and known.state != "archived" and now - known.until <= _MAX_PAUSE:
            return known
        since = now - timedelta(days=self._days)
        if known is not None and known.newest_at is not None and _has(earlier, known.newest_at):
            since = max(since, min(known.newest_at, now) - OVERLAP)
        return self._readings.begin(self._market, self._region, since, now)

    def _read(self, reading: PriceReading, back_to: datetime | None = None) -> PriceReading:
        """Read the rest of a window, or down to a time, and store it page by page."""
        token, asked_at, in_order = "", reading.resume_at, True
        while reading.state != "complete" and (back_to is None or reading.resume_at > back_to):
            try:
                response = self._page(reading, asked_at, token)
            except AwsError as exc:
                if token and exc.code in _TOKEN_REFUSED and reading.resume_at < asked_at:
                    log.info("the page token of %s expired; resuming by time", self.name)
                    token, asked_at = "", reading.resume_at
                    continue
                raise
            with translated(f"Reading the {self.name}"):
                page = checked_page(response["SpotPriceHistory"], self._region)
            next_token = response.get("NextToken") or ""
            if next_token and next_token == token:
                raise AwsError(f"AWS returned the same page of the {self.name} again.")
            in_order = in_order and _is_in_order(page, reading)
            resume_at = _oldest(page, reading) if in_order else reading.until
            reading = self._readings.add(reading, page, resume_at, complete=not next_token)
            token = next_token
        return reading

    def _page(self, reading: PriceReading, asked_at: datetime, token: str) -> Any:
        """One page; throttling is waited out."""
        request: dict[str, Any] = {
            "StartTime": reading.since,
            "EndTime": min(asked_at + _ONE_SECOND, reading.until),
            "ProductDescriptions": [PRODUCT],
            "MaxResults": _PAGE_ROWS,
        }
        if token:
            request["NextToken"] = token
        waits_s = iter(_WAITS_S)
        while True:
            if self._cancelled is not None and self._cancelled():
                raise Cancelled(
                    f"Reading the {self.name} was cancelled; its first {reading.pages} pages are "
                    "stored."
                )
            try:
                with translated(f"Reading the {self.name}"):
                    return self._client.describe_spot_price_history(**request)
            except Throttled:
                wait_s = next(waits_s, None)
                if wait_s is None:
                    raise
                self._wait(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 (not for security)

    def _newest(self, reading: PriceReading) -> Snapshot | None:
        """The pages so far; None: too many records are odd, which the whole reading decides."""
        points = self._points(reading)
        rows = points.table()
        if rows.empty or _too_odd(points, reading):
            return None
        return self._snapshot_of(reading, rows, points.set_aside)

    def _points(self, reading: PriceReading) -> ChangePoints:
        points = ChangePoints(self._region)
        for page in self._readings.pages(reading):
            points.add(page)
        return points

    def _merged(self, reading: PriceReading, earlier: Snapshot | None) -> Snapshot:
        """The pages of a complete reading as a snapshot, with the archived rows before them."""
        points = self._points(reading)
        if reading.newest_at is not None and _has(earlier, reading.newest_at):
            assert earlier is not None, "it has rows"
            midnight = reading.until.replace(hour=0, minute=0, second=0, microsecond=0)
            covered_since = midnight - timedelta(days=SNAPSHOT_DAYS)
            points.add_archived(earlier.rows, min(reading.covers_since, covered_since))
        rows = points.table()
        set_aside = points.set_aside
        if _too_odd(points, reading) or (set_aside and rows.empty):
            self._readings.discard(reading)
            reject(
                self.name,
                f"{len(set_aside)} of {reading.records} records cannot be used: {set_aside[0]}",
                f"at most {MAX_SET_ASIDE_SHARE:.0%} of odd records",
            )
        if rows.empty:
            self._readings.discard(reading)
            raise NoMarketData(
                f"{self.name} returned no rows.",
                remedy="Check that the region is enabled and offers spot instances.",
            )
        newest_at = rows["event_time"].max().to_pydatetime()
        self._fetched = (reading, newest_at, set_aside)
        return self._snapshot_of(reading, rows, set_aside)

    def _snapshot_of(
        self, reading: PriceReading, rows: pd.DataFrame, set_aside: tuple[str, ...]
    ) -> Snapshot:
        now = self._clock.now()
        origin = Provenance(self.name, min(reading.until, now), now)
        digest = digest_of_rows(rows)
        return Snapshot(
            self._kind, self._market, self._region, origin, digest, rows, set_aside=set_aside
        )


def _too_odd(points: ChangePoints, reading: PriceReading) -> bool:
    """Whether too many records of a reading were set aside."""
    limit = max(_MAX_SET_ASIDE, MAX_SET_ASIDE_SHARE * reading.records)
    return len(points.set_aside) > limit


def _has(earlier: Snapshot | None, newest_at: datetime) -> bool:
    """Whether a snapshot has the prices up to a time; it may have been deleted meanwhile."""
    return earlier is not None and bool((earlier.rows["event_time"] >= newest_at).any())


def _is_in_order(page: PricePage, reading: PriceReading) -> bool:
    """Whether a page continues the newest-first order, which resuming by time relies on.

    Prices at the start of the window come last, in any order.
    """
    if len(page) == 0:
        return True
    times = np.maximum(page.times_us, to_us(reading.since))
    newest = to_us(reading.resume_at + _ONE_SECOND)
    return bool(times[0] <= newest and (times[1:] <= times[:-1]).all())


def _oldest(page: PricePage, reading: PriceReading) -> datetime:
    """The time down to which every row of the window is stored with this page."""
    if len(page) == 0:
        return reading.resume_at
    return max(min(from_us(int(page.times_us.min())), reading.resume_at), reading.since)
