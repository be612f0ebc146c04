"""The one feature path: MarketData in, FeatureFrame out.

Online evaluation, training and backtests all call `compute`; they differ only in who built the
MarketData.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spotlab.domain.features import FeatureFrame
from spotlab.domain.market import MarketData, Pool
from spotlab.features import (
    advisor_features,
    history_features,
    offer_features,
    price_features,
    type_features,
)
from spotlab.features.panel import Panel
from spotlab.features.views import NAMES


def compute(market: MarketData, pools: Sequence[Pool] | None = None) -> FeatureFrame:
    """Every feature of the registry, for many pools at once.

    Means over families and regions are taken over the whole market, whichever pools are asked for.

    Args:
        market: what was known at `market.as_of`; nothing else is looked at.
        pools: n pools; None: every pool with a price. A zone's pool is not given its region's
            price: ask for the region-level pool where that is wanted.
    Returns:
        (n, f) float64 in the order of `pools` and of views.FEATURES; NaN is unknown, also for a
        pool the market does not know.
    """
    panel = Panel.of(market, market.pools() if pools is None else pools)
    columns = {
        name: values
        for module in (
            price_features,
            history_features,
            advisor_features,
            offer_features,
            type_features,
        )
        for name, values in module.columns(panel).items()
    }
    values = np.empty((len(panel.pools), len(NAMES)), dtype=np.float64)
    for column, name in enumerate(NAMES):
        values[:, column] = columns[name]
    return FeatureFrame(market.as_of, panel.pools, NAMES, values)
