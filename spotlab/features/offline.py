"""MarketData from the archive, as it was known at a moment.

Nothing whose event_time is later than that moment is read: the same call serves training, a
backtest, a replay, and an evaluation while the online store is away.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import pandas as pd

from spotlab.domain.market import FeedKind, MarketData, MarketName, Provenance
from spotlab.domain.ports import Archive
from spotlab.errors import NoMarketData
from spotlab.features.canonical_tables import tidy
from spotlab.features.snapshot_history import SnapshotHistory

APPROXIMATION: Final = "spot price / (1 − advisor savings)"
_ADVISOR_SCOPE: Final = "advisor"
_OFFER: Final = ["region", "instance_type"]
_POOL: Final = ["region", "instance_type", "availability_zone"]
_MAX_SAVINGS_PERCENT: Final = 99.0
"""Savings are whole percents: at 100 the quotient has no value."""


def read_market(
    archive: Archive, market: MarketName, at: datetime, history_days: float = 90.0
) -> MarketData:
    """What was known of a market at a moment.

    Args:
        archive: every snapshot ever accepted.
        market: which market.
        at: aware UTC.
        history_days: how far price_history and advisor_past go back.
    Returns:
        Tables in canonical form (features/canonical_tables.py).
    Raises:
        NoMarketData: no price snapshot that old or older.
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
    """Newest price of every pool, and the change points; zones win over their region."""
    zones = _zone_prices(past)
    zone_history = _since(past, past.price_history(FeedKind.PRICE_HISTORY, _unchanged))
    regions = past.rows("prices", past.newest(FeedKind.SPOT_PRICES))
    region_history = _changes(past.price_history(FeedKind.SPOT_PRICES, _changes))
    zoned = _offers(zones)
    return (
        tidy("prices", pd.concat([_excluding(regions, zoned), zones])),
        tidy("price_history", pd.concat([_excluding(region_history, zoned), zone_history])),
    )


def _zone_prices(past: SnapshotHistory) -> pd.DataFrame:
    """Of the pools in the newest snapshots; one that is listed no more has a past but no price."""
    listed = past.rows("price_history", past.newest(FeedKind.PRICE_HISTORY))
    return _until(past, listed).drop_duplicates(_POOL, keep="last")  # sorted by time in a pool


def _until(past: SnapshotHistory, rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["event_time"] <= pd.Timestamp(past.at)]


def _since(past: SnapshotHistory, history: pd.DataFrame) -> pd.DataFrame:
    """Points since the window's start, and of each pool the one in force there."""
    history = _until(past, history)
    before = history["event_time"] <= pd.Timestamp(past.since)
    newest = ~history[_POOL].assign(before=before).duplicated(keep="last")
    return history[~before | newest]


def _unchanged(history: pd.DataFrame) -> pd.DataFrame:
    return history


def _changes(history: pd.DataFrame) -> pd.DataFrame:
    """Without the region-level points that only repeat the price before them."""
    columns = [*_OFFER, "spot_price_usd_per_hour"]
    return history[(history[columns] != history[columns].shift()).any(axis=1)]


def _specs(past: SnapshotHistory) -> pd.DataFrame:
    """What EC2 says of a type wins over the little that the advisor says."""
    infos = past.newest(FeedKind.SPECS)
    return past.rows("specs", sorted(infos, key=lambda info: info.scope != _ADVISOR_SCOPE))


def _on_demand(past: SnapshotHistory, prices: pd.DataFrame, advisor: pd.DataFrame) -> pd.DataFrame:
    """Published prices, and where there is none an approximation, marked so."""
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
