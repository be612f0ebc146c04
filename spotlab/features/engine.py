"""Computation of all features of pools from a MarketData.

Online evaluation, training and backtests all call `compute`; they only differ in the source of the
MarketData.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spotlab.domain.features import FeatureFrame
from spotlab.domain.market import MarketData, Pool
from spotlab.features.panel import Panel
from spotlab.features.views import MODULES, NAMES


def compute(market: MarketData, pools: Sequence[Pool] | None = None) -> FeatureFrame:
    """Every feature of the registry, for many pools at once.

    Means over families and regions include the whole market, whichever pools are requested.

    Args:
        market: the market as of `market.as_of`; features depend on nothing else.
        pools: n pools; None: every pool with a price. The pool of a zone does not get its region's
            price; use the region-level pool for that.
    Returns:
        (n, f) float64 in the order of `pools` and of views.FEATURES; NaN is unknown, including
        pools that are not in the market.
    """
    panel = Panel.of(market, pools)
    columns = {name: values for module in MODULES for name, values in module.columns(panel).items()}
    values = np.array([columns[name] for name in NAMES], dtype=np.float64)
    return FeatureFrame(market.as_of, panel.pools, NAMES, values.T)
