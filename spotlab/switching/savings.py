"""What a finished switch has really saved: billed hours and the prices of these hours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from spotlab.domain.decision import Lifecycle
from spotlab.domain.market import MarketData, Pool
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switches import Realised, Switch

SECONDS_BILLED_AT_LEAST: Final = 60.0
"""EC2 bills Linux instances by the second, for at least a minute."""
PriceOf = Callable[[Pool, Lifecycle], float | None]
"""Price now, USD per hour; None: unknown."""


def measure(switch: Switch, until: datetime, price_of: PriceOf) -> Realised | None:
    """What a switch has saved until a time, at the prices that are known now.

    While both instances ran, both were paid for. The next measurement adds the time since the last
    one at the prices of then, so that hours keep the prices at which they were billed.

    Args:
        switch: with its replacement.
        until: aware UTC.
        price_of: prices now.
    Returns:
        None: a price or the launch time is unknown. An expected saving is no saving.

    Source: AWS, "Amazon EC2 On-Demand Pricing" (per-second billing).
    """
    got, begun_at = switch.got, switch.started_at
    if got is None or begun_at is None:
        return None
    launched_at = got.launched_at or begun_at
    if switch.strategy is Strategy.STOP_START:
        launched_at = begun_at
    before = switch.realised
    since = before.until if before is not None else launched_at
    seconds = max((until - since).total_seconds(), 0.0)
    if before is None:
        seconds = max(seconds, SECONDS_BILLED_AT_LEAST)
    hours = seconds / 3600.0
    price, former = price_of(got.pool, got.lifecycle), price_of(switch.pool, switch.lifecycle)
    if price is None or former is None:
        return before
    # The instance ran beside its replacement until the switch was finished.
    overlap_end = switch.finished_at or until
    beside = max((min(overlap_end, until) - since) / timedelta(hours=1), 0.0)
    if switch.strategy is Strategy.STOP_START:
        beside = 0.0
    paid, instead = hours * price + beside * former, hours * former
    if before is None:
        return Realised(hours, paid, instead, until)
    return replace(
        before,
        hours=before.hours + hours,
        paid_usd=before.paid_usd + paid,
        instead_usd=before.instead_usd + instead,
        until=until,
    )


def prices_in(market: MarketData) -> PriceOf:
    """Prices of a market, for `measure`; a zone without a price of its own has its region's."""

    def price_of(pool: Pool, lifecycle: Lifecycle) -> float | None:
        spot = lifecycle is Lifecycle.SPOT
        table = market.prices if spot else market.on_demand
        same = (
            (table["region"] == pool.region)
            & (table["instance_type"] == pool.instance_type)
            & (table["operating_system"] == pool.operating_system)
        )
        if not spot:
            found = table.loc[same, "on_demand_price_usd_per_hour"].dropna()
        else:
            zones = table["availability_zone"]
            own = table.loc[same & (zones == pool.availability_zone)]
            rows = own if len(own) else table.loc[same & zones.isna()]
            found = rows["spot_price_usd_per_hour"].dropna()
        return float(found.iloc[0]) if len(found) else None

    return price_of
