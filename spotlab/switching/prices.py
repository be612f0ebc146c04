"""The price of a pool in a market, for requests, approvals and measurements of switches."""

from __future__ import annotations

from spotlab.domain.decision import Lifecycle
from spotlab.domain.market import MarketData, Pool
from spotlab.pipeline.score import ScoredMarket


def price_of(market: MarketData | ScoredMarket, pool: Pool, lifecycle: Lifecycle) -> float | None:
    """Price of a pool, USD per hour; None: unknown.

    A zone without a spot price of its own has that of its region; on-demand prices are per region.

    Args:
        market: at one point in time.
        pool: its region, zone, type and operating system.
        lifecycle: how it is paid for.
    """
    spot = lifecycle is Lifecycle.SPOT
    if isinstance(market, ScoredMarket):
        table = market.table
    else:
        table = market.prices if spot else market.on_demand
    rows = table.loc[
        (table["region"] == pool.region)
        & (table["instance_type"] == pool.instance_type)
        & (table["operating_system"] == pool.operating_system)
    ]
    if not spot:
        found = rows["on_demand_price_usd_per_hour"].dropna()
    else:
        zones = rows["availability_zone"]
        own = rows.loc[zones == pool.availability_zone]
        found = (own if len(own) else rows.loc[zones.isna()])["spot_price_usd_per_hour"].dropna()
    return float(found.iloc[0]) if len(found) else None
