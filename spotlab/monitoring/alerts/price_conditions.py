"""Price conditions: the price of a pool, or of an instance's pool, against a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import pandas as pd

from spotlab.domain.alert_state import Finding
from spotlab.domain.alerts import Condition
from spotlab.domain.decision import Instance
from spotlab.domain.market import MarketData, Pool
from spotlab.monitoring.alerts.rule_cache import RuleCache
from spotlab.runtime.lab import Lab

MAX_PRICE_AGE: Final = timedelta(hours=48)
"""The age from which decisions do not use a price either."""


def judge_prices(lab: Lab, condition: Condition, instances: Sequence[Instance]) -> list[Finding]:
    """One finding for the rule's pool, or one per instance. Raises NoMarketData."""
    active = lab.reader.active()
    read_at = max(lab.store.archive.fetched_at(active).values(), default=None)
    data = lab.process_state(RuleCache).cached("market", (active, read_at), lab.market)
    now = lab.clock.now()
    if condition.pool:
        pool = Pool.parse(condition.pool)
        return [_judge(data, condition, pool, f"pool:{condition.pool}", pool.label, now)]
    return [
        _judge(
            data,
            condition,
            each.pool,
            f"instance:{each.instance_id}",
            f"{each.name or each.instance_id} on {each.pool.label}",
            now,
        )
        for each in instances
    ]


def _judge(
    data: MarketData, condition: Condition, pool: Pool, key: str, name: str, now: datetime
) -> Finding:
    limit = condition.threshold or 0.0
    row = _newest_row(data.prices, pool)
    if row is None or now - row["event_time"].to_pydatetime() > MAX_PRICE_AGE:
        return Finding(key, f"{name}: price unknown", None, "Its price was not read recently.")
    price = float(row["spot_price_usd_per_hour"])
    value, limit_text = price, f"{limit:g} USD/h"
    text = f"{name} costs {price:.4f} USD/h"
    if condition.of_on_demand:
        on_demand = _newest_row(data.on_demand, pool)
        if on_demand is None or not float(on_demand["on_demand_price_usd_per_hour"]) > 0:
            return Finding(key, f"{name}: price unknown", None, "Its on-demand price is unknown.")
        value = price / float(on_demand["on_demand_price_usd_per_hour"])
        text, limit_text = f"{text}, {value:.0%} of on-demand", f"{limit:.0%} of on-demand"
    over = value > limit
    word = "is over the limit" if over else "is under the limit"
    text = f"{text}; the limit is {limit_text}."
    return Finding(key, f"{name}: price {word}", over, text, value)


def _newest_row(table: pd.DataFrame, pool: Pool) -> pd.Series | None:
    """The newest row of a pool, or of its region if only that is known."""
    rows = table[
        (table["region"] == pool.region)
        & (table["instance_type"] == pool.instance_type)
        & (table["operating_system"] == pool.operating_system)
    ]
    if "availability_zone" in rows and pool.availability_zone is not None:
        zone = rows["availability_zone"]
        of_zone = rows[zone == pool.availability_zone]
        rows = of_zone if len(of_zone) else rows[zone.isna()]
    if not len(rows):
        return None
    return rows.sort_values("event_time").iloc[-1]
