"""MarketData from the archive, as of a given time.

No data with a later event time is read, so that training, backtests, replays, and evaluations
without the online store, can use the same function.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import pandas as pd

from spotlab.domain.market import FeedKind, MarketData, MarketName, Provenance
from spotlab.domain.ports import Archive
from spotlab.errors import NoMarketData
from spotlab.features.canonical_tables import stack, tidy
from spotlab.features.snapshot_history import SnapshotHistory

APPROXIMATION: Final = "spot price / (1 − advisor savings)"
_ADVISOR_SCOPE: Final = "advisor"
_OFFER: Final = ["region", "instance_type"]
_POOL: Final = ["region", "instance_type", "availability_zone"]
_MAX_SAVINGS_PERCENT: Final = 99.0
"""Savings are whole percentages; with 100 the quotient would be undefined."""


def read_market(
    archive: Archive, market: MarketName, at: datetime, history_days: float = 90.0
) -> MarketData:
    """A market as of a given time.

    Args:
        archive: all collected snapshots.
        market: to read.
        at: aware UTC.
        history_days: length of price_history and advisor_past.
    Returns:
        Tables in canonical form (features/canonical_tables.py).
    Raises:
        NoMarketData: there is no price snapshot up to that time.
    """
    past = SnapshotHistory.of(archive, market, at, timedelta(days=history_days))
    prices, history = _prices(past)
    if prices.empty:
        raise NoMarketData(
            f"No {market} spot prices up to {at:%Y-%m-%d %H:%M} UTC.",
            remedy="Collect the market first.",
        )
    advisor = past.rows("advisor", past.newest(FeedKind.ADVISOR))
    on_demand = _on_demand(past, prices, advisor)
    return MarketData(
        market=market,
        as_of=at,
        advisor=advisor,
        advisor_past=past.rows("advisor_past", past.weekly(FeedKind.ADVISOR)),
        prices=prices,
        price_history=history,
        on_demand=on_demand,
        specs=_specs(past),
        origins=_origins(past, on_demand),
    )


def _prices(past: SnapshotHistory) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Newest price of every pool, and the price history; prices of zones replace their region's."""
    zones = _zone_prices(past)
    zone_history = _since(past, past.price_history(FeedKind.PRICE_HISTORY, _unchanged))
    regions = past.rows("prices", past.newest(FeedKind.SPOT_PRICES))
    region_history = _changes(past.price_history(FeedKind.SPOT_PRICES, _changes))
    zoned = _offers(zones)
    return (
        tidy("prices", pd.concat([_excluding(regions, zoned), zones])),
        tidy("price_history", stack([_excluding(region_history, zoned), zone_history])),
    )


def _zone_prices(past: SnapshotHistory) -> pd.DataFrame:
    """Prices of the pools in the newest snapshots; pools that are no longer listed have none."""
    listed = past.rows("price_history", past.newest(FeedKind.PRICE_HISTORY))
    return _until(past, listed).drop_duplicates(_POOL, keep="last")  # sorted by time in a pool


def _until(past: SnapshotHistory, rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["event_time"] <= pd.Timestamp(past.at)]


def _since(past: SnapshotHistory, history: pd.DataFrame) -> pd.DataFrame:
    """Points since the start of the history, and each pool's last point before it."""
    history = _until(past, history)
    before = history["event_time"] <= pd.Timestamp(past.since)
    newest = ~history[_POOL].assign(before=before).duplicated(keep="last")
    return history[~before | newest]


def _unchanged(history: pd.DataFrame) -> pd.DataFrame:
    return history


def _changes(history: pd.DataFrame) -> pd.DataFrame:
    """Region-level points without those that repeat the price before them."""
    columns = [*_OFFER, "spot_price_usd_per_hour"]
    return history[(history[columns] != history[columns].shift()).any(axis=1)]


def _specs(past: SnapshotHistory) -> pd.DataFrame:
    """Specifications; those from EC2 replace those from the advisor, which are less complete."""
    infos = past.newest(FeedKind.SPECS)
    return past.rows("specs", sorted(infos, key=lambda info: info.scope != _ADVISOR_SCOPE))


def _on_demand(past: SnapshotHistory, prices: pd.DataFrame, advisor: pd.DataFrame) -> pd.DataFrame:
    """Published prices, and approximate ones for offers without a published price."""
    published = past.rows("on_demand", past.newest(FeedKind.ON_DEMAND))
    cheapest = prices.groupby(_OFFER, as_index=False)["spot_price_usd_per_hour"].min()
    known = cheapest.merge(advisor, on=_OFFER)
    known = known[known["savings_percent"] <= _MAX_SAVINGS_PERCENT]
    derived = known.assign(
        on_demand_price_usd_per_hour=known["spot_price_usd_per_hour"]
        / (1.0 - known["savings_percent"] / 100.0),
        approximate=True,
    )
    return tidy("on_demand", pd.concat([_excluding(derived, _offers(published)), published]))


def _offers(frame: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(frame[_OFFER])


def _excluding(frame: pd.DataFrame, offers: pd.MultiIndex) -> pd.DataFrame:
    return frame[~_offers(frame).isin(offers)]


def _origins(past: SnapshotHistory, on_demand: pd.DataFrame) -> dict[FeedKind, Provenance]:
    origins = past.origins()
    if on_demand["approximate"].any():
        advisor, published = origins[FeedKind.ADVISOR], origins.get(FeedKind.ON_DEMAND)
        source = f"{published.source}; else {APPROXIMATION}" if published else APPROXIMATION
        origins[FeedKind.ON_DEMAND] = replace(published or advisor, source=source, approximate=True)
    return origins
