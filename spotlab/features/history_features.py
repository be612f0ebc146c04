"""Features of a pool's own price history."""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast

import numpy as np
import pandas as pd

from spotlab.domain.features import Feature
from spotlab.domain.market import FeedKind
from spotlab.features.canonical_tables import ticks, to_micros
from spotlab.features.panel import Floats, Panel, ratio
from spotlab.features.windows import ChangePoints, Ints, PastPrices
from spotlab.processes.kernels import KernelLoader

_POOL: Final = ("region", "instance_type", "availability_zone")
_SOURCE: Final = (FeedKind.SPOT_PRICES, FeedKind.PRICE_HISTORY)
_TOO_SHORT: Final = "NaN: less than half of the window is known"


def _history(name: str, meaning: str, unit: str, low: float, high: float, missing: str) -> Feature:
    return Feature(name, meaning, unit, _SOURCE, 3600, missing, low, high)


def _change(days: int) -> Feature:
    return _history(
        f"price_change_{days}d",
        f"Spot price / price {days} d ago − 1.",
        "share",
        -1,
        1000,
        f"NaN: the price {days} d ago is unknown",
    )


def _volatility(days: int) -> Feature:
    return _history(
        f"price_volatility_{days}d",
        f"Standard deviation of ln(price) over {days} d, with each price weighted by its duration.",
        "1",
        0,
        4,
        _TOO_SHORT,
    )


FEATURES: Final = (
    _change(1),
    _change(7),
    _change(30),
    _volatility(7),
    _volatility(30),
    _history(
        "price_vs_mean_30d",
        "Spot price / its mean over 30 d (weighted by duration) − 1.",
        "share",
        -1,
        1000,
        _TOO_SHORT,
    ),
    _history(
        "hours_since_price_change",
        "Hours since the price last changed.",
        "h",
        0,
        87_660,
        "NaN: no change within the known history",
    ),
)


def window_kernels() -> KernelLoader:
    """A new loader of the kernels for windows."""
    return KernelLoader(
        Path(__file__).with_name("window_kernels.py"),
        "spotlab.features.window_kernels",
        ("_find_runs", "_collect", "_summarise"),
        when="a large price history is read for the second time",
        instead="Price histories are summarised by numpy",
        min_size=10_000,
    )


KERNELS: Final = window_kernels()


def columns(panel: Panel) -> dict[str, Floats]:
    """Each feature of this module, (n,)."""
    past = past_prices(panel)
    changes = {1: past.price_1d, 7: past.price_7d, 30: past.price_30d}
    return {
        **{
            f"price_change_{days}d": ratio(panel.price, price) - 1.0
            for days, price in changes.items()
        },
        "price_volatility_7d": past.log_std_7d,
        "price_volatility_30d": past.log_std_30d,
        "price_vs_mean_30d": ratio(panel.price, past.mean_30d) - 1.0,
        "hours_since_price_change": past.hours_since_change,
    }


def past_prices(panel: Panel) -> PastPrices:
    """The requested pools' past prices, by the compiled kernels if they can be used.

    A pool without history has no past, even if it has a price.
    """
    history = panel.market.price_history
    KERNELS.note_request(len(history))
    if KERNELS.module is not None and len(history):
        past = _compiled(panel, ticks(history["event_time"]))
        if past is not None:
            return past
    return PastPrices.of(change_points(panel))


def _compiled(panel: Panel, time_us: Ints) -> PastPrices | None:
    """By the kernels; None: rows are not sorted by pool and time, or names are no codes.

    A pool's rows are one run: its first row and the next run's first row are all that is looked up.
    """
    assert KERNELS.module is not None, "the caller has checked it"
    history = panel.market.price_history
    if not all(isinstance(history[name].dtype, pd.CategoricalDtype) for name in _POOL):
        return None
    region, *others = (cast(pd.Categorical, history[name].array).codes for name in _POOL)
    if region.itemsize > 1 or max(each.itemsize for each in others) > 2:
        return None
    runs = KERNELS.module.runs_of(region, *others, time_us)
    if runs is None:
        return None
    keys = panel.pool_keys(history[[*_POOL]].iloc[runs[:-1]])
    wanted = np.flatnonzero(keys >= 0)
    pools = pd.Index(keys[wanted])
    if not pools.is_unique:
        return None
    place = pools.get_indexer(pd.Index(panel.requested_keys))
    known = place >= 0
    run = np.append(wanted, -1)[place]
    first, last = np.where(known, runs[run], 0), np.where(known, runs[run + 1], 0)
    row = np.where(known, panel.price_row, -1)
    prices = panel.market.prices
    newest = (
        np.append(ticks(prices["event_time"]), 0)[row],
        np.append(_prices(prices), np.nan)[row],
    )
    past: PastPrices = KERNELS.module.past_prices(
        (time_us, _prices(history)), to_micros(panel.market.as_of), (first, last), newest
    )
    return past


def change_points(panel: Panel) -> ChangePoints:
    """The requested pools' price history, with the newest price as its last point.

    A pool without history has no points, even if it has a price.
    """
    history, prices = panel.market.price_history, panel.market.prices
    requested, slot = np.unique(panel.requested_keys, return_inverse=True)
    history_slot = pd.Index(requested).get_indexer(pd.Index(panel.pool_keys(history)))
    has_pool = history_slot >= 0
    has_past = np.zeros(len(requested), dtype=bool)
    has_past[history_slot[has_pool]] = True
    price_slot = pd.Index(requested).get_indexer(pd.Index(panel.pool_keys(prices)))
    current = (price_slot >= 0) & np.append(has_past, False)[price_slot]
    points = ChangePoints.of(
        np.concatenate([history_slot[has_pool], price_slot[current]]).astype(np.int64),
        np.concatenate(
            [
                panel.age_h(history["event_time"])[has_pool],
                panel.age_h(prices["event_time"])[current],
            ]
        ),
        np.concatenate([_prices(history)[has_pool], _prices(prices)[current]]),
        len(requested),
    )
    return points.take(slot)


def _prices(frame: pd.DataFrame) -> Floats:
    return frame["spot_price_usd_per_hour"].to_numpy(dtype=np.float64)
