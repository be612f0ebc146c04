"""Whether a pool's price, or that of an instance's pool, crossed a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import pandas as pd

from spotlab.domain.alert_state import Finding
from spotlab.domain.alerts import Condition
from spotlab.domain.decision import Instance
from spotlab.domain.market import MarketData, Pool
from spotlab.monitoring.alerts.rule_cache import Alarms
from spotlab.runtime.lab import Lab

PRICE_FOR: Final = timedelta(hours=48)
"""The same age at which a decision no longer uses a price."""


def judge_prices(lab: Lab, condition: Condition, instances: Sequence[Instance]) -> list[Finding]:
    """A finding for the rule's pool, or for each instance's. Raises NoMarketData."""
    active = lab.reader.active()
    read_at = max(lab.store.archive.fetched_at(active).values(), default=None)
    data = lab.process_state(Alarms).remembered("market", (active, read_at), lab.market)
    now = lab.clock.now()
    if condition.pool:
        pool = Pool.parse(condition.pool)
        return [_judged(data, condition, pool, f"pool:{condition.pool}", pool.label, now)]
    return [
        _judged(
            data,
            condition,
            each.pool,
            f"instance:{each.instance_id}",
            f"{each.name or each.instance_id} on {each.pool.label}",
            now,
        )
        for each in instances
    ]


def _judged(
    data: MarketData, condition: Condition, pool: Pool, key: str, name: str, now: datetime
) -> Finding:
    limit = condition.threshold or 0.0
    row = _of(data.prices, pool)
    if row is None or now - row["event_time"].to_pydatetime() > PRICE_FOR:
        return Finding(key, f"{name}: price unknown", None, "No price of it was read lately.")
    price = float(row["spot_price_usd_per_hour"])
    value, bar = price, f"{limit:g} USD/h"
    told = f"{name} costs {price:.4f} USD/h"
    if condition.of_on_demand:
        on_demand = _of(data.on_demand, pool)
        if on_demand is None or not float(on_demand["on_demand_price_usd_per_hour"]) > 0:
            return Finding(key, f"{name}: price unknown", None, "Its on-demand price is unknown.")
        value = price / float(on_demand["on_demand_price_usd_per_hour"])
        told, bar = f"{told}, {value:.0%} of on-demand", f"{limit:.0%} of on-demand"
    over = value > limit
    word = "is over the limit" if over else "is under the limit"
    return Finding(key, f"{name}: price {word}", over, f"{told}; the limit is {bar}.", value)


def _of(table: pd.DataFrame, pool: Pool) -> pd.Series | None:
    """The newest row of a pool; of its region, where only that is known."""
    rows = table[
        (table["region"] == pool.region)
        & (table["instance_type"] == pool.instance_type)
        & (table["operating_system"] == pool.operating_system)
    ]
    if "availability_zone" in rows and pool.availability_zone is not None:
        zone = rows["availability_zone"]
        here = rows[zone == pool.availability_zone]
        rows = here if len(here) else rows[zone.isna()]
    if not len(rows):
        return None
    return rows.sort_values("event_time").iloc[-1]
