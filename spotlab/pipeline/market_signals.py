"""What the market and lacks of capacity elsewhere say about pools for a while.

Each is looked for only if a policy counts it. It is recorded with the market of the run like the
signals of own instances, so that a replay has exactly what the decision had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import numpy as np
import pandas as pd

from spotlab.domain.hazard_curve import ShortCause, ShortSignal, counts, merged
from spotlab.domain.interruptions import SIGNAL_WINDOW, OwnRecord
from spotlab.domain.market import MarketData, Pool
from spotlab.domain.policy import PolicyState, PolicyVersion
from spotlab.domain.risk import BUCKET_LABELS
from spotlab.pipeline.score import POOL_COLUMNS

Signals = Mapping[Pool, tuple[ShortSignal, ...]]
LEAST_RISE: Final = 0.01
"""A rise of a price at once, or of a spread within a day, that counts: ln, so about 1 %."""
_OFFER: Final = ["region", "instance_type"]
_PRICE: Final = "spot_price_usd_per_hour"
_FINDERS: Final[Mapping[ShortCause, Callable[[OwnRecord, MarketData], Signals]]] = {
    ShortCause.FAMILY: lambda own, data: family_lacks(own.short, data.pool_tuple()),
    ShortCause.PRICE: lambda _, data: price_jumps(data),
    ShortCause.SPREAD: lambda _, data: wider_spreads(data),
    ShortCause.ADVISOR: lambda _, data: bucket_rises(data),
}


def with_market_signals(
    own: OwnRecord, data: MarketData, versions: Iterable[PolicyVersion]
) -> OwnRecord:
    """The own record with the signals of the market that any policy counts that is not retired."""
    policies = [each.policy.params for each in versions if each.state is not PolicyState.RETIRED]
    short = own.short
    for cause, find in _FINDERS.items():
        if any(counts(cause, policy) for policy in policies):
            short = merged(short, find(own, data))
    return own if short is own.short else replace(own, short=short)


def family_lacks(short: Signals, pools: Iterable[Pool]) -> Signals:
    """Pools of types of which at least two others of the family in the region lack capacity.

    The signal is as old as the second newest of them, since when there are several.

    Args:
        short: own signals by pool.
        pools: of the market.
    """
    lacks: dict[tuple[str, str, str], dict[str, datetime]] = {}
    for pool, signals in short.items():
        for signal in signals:
            if signal.cause is ShortCause.CAPACITY:
                of_type = lacks.setdefault(_family_of(pool), {})
                known = of_type.get(pool.instance_type, signal.at)
                of_type[pool.instance_type] = max(known, signal.at)
    lacks = {family: types for family, types in lacks.items() if len(types) >= 2}
    found: dict[Pool, tuple[ShortSignal, ...]] = {}
    for pool in pools if lacks else ():
        types = lacks.get(_family_of(pool), {})
        others = sorted((at, name) for name, at in types.items() if name != pool.instance_type)
        if len(others) >= 2:
            (at, second), (_, first) = others[-2:]
            detail = f"a lack of capacity of {first} and {second}"
            found[pool] = (ShortSignal(ShortCause.FAMILY, at, detail=detail),)
    return found


def price_jumps(data: MarketData) -> Signals:
    """The newest rise of each pool's price by LEAST_RISE or more within SIGNAL_WINDOW."""
    history = _recent_history(data)
    same = history.groupby(POOL_COLUMNS, sort=False, dropna=False, observed=True)[_PRICE]
    rise = np.log(history[_PRICE].to_numpy(np.float64) / same.shift().to_numpy(np.float64))
    recent = (history["event_time"] > data.as_of - SIGNAL_WINDOW).to_numpy()
    risen = history.assign(rise=rise)[recent & (rise >= LEAST_RISE)]
    found: dict[Pool, tuple[ShortSignal, ...]] = {}
    for row in _rows(risen):  # in time order: the newest of a pool remains
        detail = f"a price rise of {100 * np.expm1(row.rise):.1f} %"
        at = row.event_time.to_pydatetime()
        found[_pool(row)] = (ShortSignal(ShortCause.PRICE, at, detail=detail),)
    return found


def wider_spreads(data: MarketData) -> Signals:
    """Pools of types whose zones' prices are LEAST_RISE further apart than SIGNAL_WINDOW ago."""
    history = _recent_history(data)
    of_type = ["region", "instance_type", "operating_system"]
    by_pool = history.dropna(subset=["availability_zone"]).groupby(
        POOL_COLUMNS, sort=False, observed=True
    )
    earlier = history[history["event_time"] <= data.as_of - SIGNAL_WINDOW]
    before = earlier.groupby(POOL_COLUMNS, sort=False, observed=True)[_PRICE].last()
    pools = by_pool[[_PRICE, "event_time"]].last().join(before.rename("before"), how="inner")
    found: dict[Pool, tuple[ShortSignal, ...]] = {}
    for _, zones in pools.reset_index().groupby(of_type, sort=False, observed=True):
        now, then = (np.ptp(np.log(zones[name].to_numpy(float))) for name in (_PRICE, "before"))
        if now - then >= LEAST_RISE:
            at = zones["event_time"].max().to_pydatetime()
            detail = (
                f"a spread of the zones' prices of {100 * np.expm1(now):.1f} %, "
                f"{100 * np.expm1(then):.1f} % a day before,"
            )
            signal = ShortSignal(ShortCause.SPREAD, at, detail=detail)
            found |= {_pool(row): (signal,) for row in _rows(zones)}
    return found


def bucket_rises(data: MarketData) -> Signals:
    """Pools of types whose advisor bucket rose, if that was its newest change."""
    frames = [each for each in (data.advisor_past, data.advisor) if len(each)]
    if not frames:
        return {}
    rows = pd.concat(frames).sort_values("event_time", kind="stable")
    rows = rows.assign(bucket=rows["bucket"].astype(float))
    rows["change"] = rows.groupby(_OFFER, sort=False, observed=True)["bucket"].diff()
    changed = rows[rows["change"].abs() > 0.0].drop_duplicates(_OFFER, keep="last")
    signals: dict[tuple[str, str], ShortSignal] = {}
    for row in _rows(changed[changed["change"] > 0.0]):
        before, after = (BUCKET_LABELS[int(each)] for each in (row.bucket - row.change, row.bucket))
        signals[row.region, row.instance_type] = ShortSignal(
            ShortCause.ADVISOR,
            row.event_time.to_pydatetime(),
            detail=f"a rise of the advisor's bucket from {before} to {after}",
        )
    offers = ((pool, (pool.region, pool.instance_type)) for pool in data.pool_tuple())
    return {pool: (signals[offer],) for pool, offer in offers if offer in signals}


def _recent_history(data: MarketData) -> pd.DataFrame:
    """The price history of types with a change within SIGNAL_WINDOW, in time order."""
    history = data.price_history
    recent = history[history["event_time"] > data.as_of - SIGNAL_WINDOW]
    names = recent["instance_type"].unique()
    return history[history["instance_type"].isin(names)].sort_values("event_time", kind="stable")


def _rows(frame: pd.DataFrame) -> list[Any]:
    return list(frame.itertuples(index=False))


def _family_of(pool: Pool) -> tuple[str, str, str]:
    return pool.region, pool.instance_type.partition(".")[0], pool.operating_system


def _pool(row: Any) -> Pool:
    region, zone, name, system = (getattr(row, column) for column in POOL_COLUMNS)
    return Pool(region, zone if isinstance(zone, str) else None, name, system)
