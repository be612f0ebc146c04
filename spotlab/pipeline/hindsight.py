"""What the archive knows of a pool at a later moment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import pandas as pd

from spotlab.domain.market import FeedKind, MarketName, Pool
from spotlab.domain.ports import Archive, SnapshotInfo

BUCKET_PATIENCE: Final = timedelta(days=30)
"""An advisor snapshot later than this after it was due says too little about the month asked."""
PRICE_PATIENCE: Final = timedelta(hours=6)
"""A region's price read later than this after it was due is another price."""
HISTORY_PATIENCE: Final = timedelta(days=7)
"""A history tells prices of the past: each read goes back this far."""


class LaterMarket:
    """Looks up buckets and prices after the fact; each snapshot is read once.

    An answer is (value, reason): an empty reason means "not known yet", a value of None with a
    reason "never will be".

    Args:
        archive: every snapshot.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._infos: dict[MarketName, list[SnapshotInfo]] = {}
        self._tables: dict[tuple[FeedKind, MarketName, str, datetime], pd.DataFrame] = {}

    def bucket(
        self, market: MarketName, pool_key: str, after: datetime, now: datetime
    ) -> tuple[int | None, str]:
        """The advisor bucket of the first snapshot after a moment."""
        until = after + BUCKET_PATIENCE
        infos = [
            info
            for info in self._of(FeedKind.ADVISOR, market, "")
            if after < info.event_time <= until
        ]
        if not infos:
            gone = f"No advisor snapshot between {after:%Y-%m-%d} and {until:%Y-%m-%d}."
            return None, gone if now > until else ""
        first = min(infos, key=lambda info: info.event_time)
        pool = Pool.parse(pool_key)
        rows = self._rows(first)
        same = (
            (rows["region"] == pool.region)
            & (rows["instance_type"] == pool.instance_type)
            & (rows["operating_system"] == pool.operating_system)
        )
        when = f"{first.source} of {first.event_time:%Y-%m-%d}"
        if not same.any():
            return None, f"The {when} does not list it."
        return int(rows.loc[same, "bucket"].iloc[0]), f"{when}."

    def price(
        self, market: MarketName, pool_key: str, at: datetime, now: datetime
    ) -> tuple[float | None, str]:
        """The spot price at a moment, of the zone, else of the region."""
        pool = Pool.parse(pool_key)
        known = self._zone_price(market, pool, at)
        known = known if known is not None else self._region_price(market, pool, at)
        if known is not None:
            return known
        has_history = bool(self._of(FeedKind.PRICE_HISTORY, market, pool.region))
        patience = HISTORY_PATIENCE if has_history else PRICE_PATIENCE
        gone = f"No price was read soon enough after {at:%Y-%m-%d %H:%M} UTC."
        return None, gone if now > at + patience else ""

    def _zone_price(self, market: MarketName, pool: Pool, at: datetime) -> tuple[float, str] | None:
        """Change points, from a history that was read after the moment: so none is missing."""
        infos = self._of(FeedKind.PRICE_HISTORY, market, pool.region)
        read_after = [info for info in infos if at <= info.fetched_at <= at + HISTORY_PATIENCE]
        for info in sorted(read_after, key=lambda each: each.fetched_at)[:1]:
            rows = self._rows(info)
            points = rows[
                (rows["instance_type"] == pool.instance_type)
                & (rows["availability_zone"] == pool.availability_zone)
                & (rows["operating_system"] == pool.operating_system)
                & (rows["event_time"] <= at)
            ].dropna(subset="spot_price_usd_per_hour")
            if len(points):
                newest = points.sort_values("event_time").iloc[-1]
                return float(newest["spot_price_usd_per_hour"]), f"{info.source}."
        return None

    def _region_price(
        self, market: MarketName, pool: Pool, at: datetime
    ) -> tuple[float, str] | None:
        """The snapshot in force at the moment and read at or after it, else the next one soon."""
        infos = sorted(self._of(FeedKind.SPOT_PRICES, market, ""), key=lambda each: each.event_time)
        before = [info for info in infos if info.event_time <= at][-1:]
        in_force = [info for info in before if info.fetched_at >= at]
        soon = [info for info in infos if at < info.event_time <= at + PRICE_PATIENCE]
        for info in [*in_force, *soon][:1]:
            rows = self._rows(info)
            same = rows[
                (rows["region"] == pool.region)
                & (rows["instance_type"] == pool.instance_type)
                & (rows["operating_system"] == pool.operating_system)
            ].dropna(subset="spot_price_usd_per_hour")
            if len(same):
                return float(same["spot_price_usd_per_hour"].iloc[0]), f"{info.source}."
        return None

    def _of(self, kind: FeedKind, market: MarketName, scope: str) -> list[SnapshotInfo]:
        if market not in self._infos:
            self._infos[market] = self._archive.infos(market)
        return [each for each in self._infos[market] if each.kind is kind and each.scope == scope]

    def _rows(self, info: SnapshotInfo) -> pd.DataFrame:
        key = (info.kind, info.market, info.scope, info.event_time)
        if key not in self._tables:
            found = self._archive.latest(info.kind, info.market, info.scope, info.event_time)
            assert found is not None, "the archive keeps what it lists"
            self._tables[key] = found.rows
        return self._tables[key]
