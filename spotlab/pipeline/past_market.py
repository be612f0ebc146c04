"""Advisor buckets and prices of pools at a past time, from the archive."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import pandas as pd

from spotlab.domain.market import FeedKind, MarketName, Pool
from spotlab.domain.ports import Archive, SnapshotInfo

BUCKET_PATIENCE: Final = timedelta(days=30)
"""How long after the due time an advisor snapshot still describes the month in question."""
PRICE_PATIENCE: Final = timedelta(hours=6)
"""How long after the due time a region's price is still accepted."""
HISTORY_PATIENCE: Final = timedelta(days=7)
"""How long after the due time a price history is accepted: each reading goes back this far."""


class PastMarket:
    """Looks up past buckets and prices; each snapshot is read once.

    Results are (value, reason). An empty reason means "not known yet"; None with a reason means
    "will never be known".

    Args:
        archive: all snapshots.
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
            for info in self._snapshots(FeedKind.ADVISOR, market, "")
            if after < info.event_time <= until
        ]
        if not infos:
            reason = f"No advisor snapshot between {after:%Y-%m-%d} and {until:%Y-%m-%d}."
            return None, reason if now > until else ""
        first = min(infos, key=lambda info: info.event_time)
        pool = Pool.parse(pool_key)
        rows = self._rows(first)
        same = (
            (rows["region"] == pool.region)
            & (rows["instance_type"] == pool.instance_type)
            & (rows["operating_system"] == pool.operating_system)
        )
        snapshot = f"{first.source} of {first.event_time:%Y-%m-%d}"
        if not same.any():
            return None, f"The {snapshot} does not list the pool."
        return int(rows.loc[same, "bucket"].iloc[0]), f"{snapshot}."

    def price(
        self, market: MarketName, pool_key: str, at: datetime, now: datetime
    ) -> tuple[float | None, str]:
        """The spot price of the zone at a given time, or else of the region."""
        pool = Pool.parse(pool_key)
        known = self._zone_price(market, pool, at)
        known = known if known is not None else self._region_price(market, pool, at)
        if known is not None:
            return known
        has_history = bool(self._snapshots(FeedKind.PRICE_HISTORY, market, pool.region))
        patience = HISTORY_PATIENCE if has_history else PRICE_PATIENCE
        reason = f"No price was read soon enough after {at:%Y-%m-%d %H:%M} UTC."
        return None, reason if now > at + patience else ""

    def _zone_price(self, market: MarketName, pool: Pool, at: datetime) -> tuple[float, str] | None:
        """From a price history that was read after `at`, so that no change is missing."""
        infos = self._snapshots(FeedKind.PRICE_HISTORY, market, pool.region)
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
        """From the snapshot valid at `at` if it was read at or after it, else from the next one."""
        infos = self._snapshots(FeedKind.SPOT_PRICES, market, "")
        infos = sorted(infos, key=lambda each: each.event_time)
        before = [info for info in infos if info.event_time <= at][-1:]
        valid = [info for info in before if info.fetched_at >= at]
        following = [info for info in infos if at < info.event_time <= at + PRICE_PATIENCE]
        for info in [*valid, *following][:1]:
            rows = self._rows(info)
            same = rows[
                (rows["region"] == pool.region)
                & (rows["instance_type"] == pool.instance_type)
                & (rows["operating_system"] == pool.operating_system)
            ].dropna(subset="spot_price_usd_per_hour")
            if len(same):
                return float(same["spot_price_usd_per_hour"].iloc[0]), f"{info.source}."
        return None

    def _snapshots(self, kind: FeedKind, market: MarketName, scope: str) -> list[SnapshotInfo]:
        if market not in self._infos:
            self._infos[market] = self._archive.infos(market)
        return [each for each in self._infos[market] if each.kind is kind and each.scope == scope]

    def _rows(self, info: SnapshotInfo) -> pd.DataFrame:
        key = (info.kind, info.market, info.scope, info.event_time)
        if key not in self._tables:
            snapshot = self._archive.latest(info.kind, info.market, info.scope, info.event_time)
            assert snapshot is not None, "the archive stores every snapshot that it lists"
            self._tables[key] = snapshot.rows
        return self._tables[key]
