"""The active market, read from the online store or else from the archive.

If the online store is down, the market is read from SQL and marked as degraded.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from spotlab.domain.components import ADVISOR_SCRAPER, PRICE_SCRAPER
from spotlab.domain.market import MarketData, MarketName
from spotlab.domain.ports import Archive, Clock, HealthLog, OnlineStore
from spotlab.errors import NoMarketData, OnlineStoreDown
from spotlab.features import offline, online

log = logging.getLogger("spotlab.runtime.market_reader")


@dataclass(slots=True)
class MarketReader:
    """Reads and publishes the active market.

    Args:
        archive: all snapshots, in SQL.
        health: has the result of the last collection.
        clock: current time.
        open_online: opens the online store; raises OnlineStoreDown.
    """

    archive: Archive
    health: HealthLog
    clock: Clock
    open_online: Callable[[], OnlineStore]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def active(self) -> MarketName:
        """The name of the active market.

        Raises:
            NoMarketData: no market has been collected yet.
        """
        market = self.archive.active_market()
        if market is None:
            raise NoMarketData(
                "No market has been collected yet.", remedy="Run `spotlab collect` first."
            )
        return market

    def as_of(self, market: MarketName) -> datetime:
        """The time for which a market is read: now, or the newest event of a recorded market."""
        if market is not MarketName.RECORDED:
            return self.clock.now()
        newest = self.archive.newest(market)
        return newest[0].event_time if newest else self.clock.now()

    def read(self) -> MarketData:
        """The active market now.

        Raises:
            NoMarketData: no market has been collected yet.
            DatabaseDown: neither store can be read.
        """
        market = self.active()
        as_of = self.as_of(market)
        reasons = self._failed_sources()
        try:
            store = self.open_online()
            data = online.read_market(store, market, as_of)
            if data is None:
                data = offline.read_market(self.archive, market, as_of)
                online.publish(store, data)
        except OnlineStoreDown as exc:
            log.warning("online store down, reading the archive: %s", exc)
            data = offline.read_market(self.archive, market, as_of)
            reasons.append(f"Online store down ({exc.message}); market read from the SQL archive.")
        return data.with_degraded(*reasons) if reasons else data

    def publish(self, market: MarketName) -> str:
        """Make a market active and copy it from the archive into the online store.

        Returns:
            The error if the online store is down, else ""; the archive has all data.
        """
        with self._lock:
            former = self.archive.active_market()
            # SQL first: a former leader fails here, before it changes the online store.
            self.archive.set_active_market(market)
            try:
                store = self.open_online()
                if former is not market:
                    store.clear()
                online.publish(store, offline.read_market(self.archive, market, self.as_of(market)))
            except OnlineStoreDown as exc:
                log.warning("online store down, not published: %s", exc)
                return str(exc)
        return ""

    def collected_age_s(self, market: MarketName) -> float | None:
        """Seconds since a market's prices were last read; None: never."""
        last = self.archive.last_fetched_at(market)
        return None if last is None else (self.clock.now() - last).total_seconds()

    def _failed_sources(self) -> list[str]:
        reasons = []
        for component in (ADVISOR_SCRAPER, PRICE_SCRAPER):
            last = self.health.last(component)
            if last is not None and last.state == "down":
                reasons.append(f"The last collection failed, earlier data is used: {last.reason}")
        return reasons
