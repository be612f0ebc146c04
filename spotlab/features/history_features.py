"""Features of a pool's own price history."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from spotlab.domain.features import Feature
from spotlab.domain.market import FeedKind
from spotlab.features.panel import Floats, Panel, ratio
from spotlab.features.windows import ChangePoints, window

_DAY_H: Final = 24.0
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


def columns(panel: Panel) -> dict[str, Floats]:
    """Each feature of this module, (n,)."""
    points = change_points(panel)
    week, month = window(points, 7 * _DAY_H), window(points, 30 * _DAY_H)
    changes = {
        f"price_change_{days}d": ratio(panel.price, points.price_at(days * _DAY_H)) - 1.0
        for days in (1, 7, 30)
    }
    return changes | {
        "price_volatility_7d": week.log_std,
        "price_volatility_30d": month.log_std,
        "price_vs_mean_30d": ratio(panel.price, month.mean) - 1.0,
        "hours_since_price_change": points.hours_since_change(),
    }


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
