"""Features of the current price, and of its relation to other prices."""

from __future__ import annotations

from typing import Final

import numpy as np

from spotlab.domain.features import Feature
from spotlab.domain.market import REGION_LEVEL, FeedKind
from spotlab.features.panel import Floats, Panel, mean_of_others, ratio, tally

_SPOT: Final = (FeedKind.SPOT_PRICES, FeedKind.PRICE_HISTORY)
_POSITION: Final = (*_SPOT, FeedKind.ON_DEMAND)
_NO_PRICE: Final = "NaN: the pool has no spot price"
_NO_POSITION: Final = "NaN: spot or on-demand price unknown"
_NO_ZONES: Final = "NaN: only the region's price is known"


def _price(
    name: str,
    meaning: str,
    unit: str,
    low: float,
    high: float,
    missing: str,
    source: tuple[FeedKind, ...] = _SPOT,
) -> Feature:
    return Feature(name, meaning, unit, source, 3600, missing, low, high)


FEATURES: Final = (
    _price(
        "price_position",
        "Spot price / on-demand price. An approximate on-demand price, and so this feature, is "
        "derived from the advisor's savings.",
        "share",
        0,
        10,
        _NO_POSITION,
        _POSITION,
    ),
    _price("discount_depth", "1 − price_position.", "share", -9, 1, _NO_POSITION, _POSITION),
    _price("log_spot_price", "ln(spot price in USD/h).", "1", -14, 10, _NO_PRICE),
    _price(
        "spot_price_per_vcpu",
        "Spot price / vcpu_count.",
        "USD/h",
        0,
        10_000,
        "NaN: spot price or vCPU unknown",
        (*_SPOT, FeedKind.SPECS),
    ),
    _price(
        "zones_offered", "Zones of the region with a price of the type.", "count", 1, 50, _NO_ZONES
    ),
    _price(
        "zone_dispersion",
        "(Highest − lowest) / mean price over the region's zones; a large spread indicates a "
        "shortage of capacity.",
        "share",
        0,
        50,
        "NaN: fewer than two zones with a price",
    ),
    _price(
        "cheapest_zone_gap",
        "Spot price / price of the region's cheapest zone − 1.",
        "share",
        0,
        1000,
        _NO_ZONES,
    ),
    _price(
        "region_price_position_mean",
        "Mean of price_position (cheapest zone) over the region's other types.",
        "share",
        0,
        10,
        "NaN: no other type with both prices",
        _POSITION,
    ),
)


def columns(panel: Panel) -> dict[str, Floats]:
    """Each feature of this module, (n,)."""
    price, vcpu = panel.price, panel.vcpu[panel.type_]
    position = ratio(price, panel.at_pools(panel.on_demand))
    zoned = panel.zone != panel.zones.places[REGION_LEVEL]
    count, mean, low, high = (panel.at_pools(matrix) for matrix in _over_zones(panel))
    known = np.isfinite(panel.position)
    total = np.where(known, panel.position, 0.0).sum(axis=1)
    here, of_type = panel.region, panel.at_pools(panel.position)
    others = mean_of_others(total[here], known.sum(axis=1)[here].astype(np.float64), of_type)
    return {
        "price_position": position,
        "discount_depth": 1.0 - position,
        "log_spot_price": np.log(price),
        "spot_price_per_vcpu": ratio(price, vcpu),
        "zones_offered": np.where(count > 0.0, count, np.nan),
        "zone_dispersion": np.where(count > 1.0, ratio(high - low, mean), np.nan),
        "cheapest_zone_gap": np.where(zoned, ratio(price, low) - 1.0, np.nan),
        "region_price_position_mean": panel.of_linux(others),
    }


def _over_zones(panel: Panel) -> tuple[Floats, Floats, Floats, Floats]:
    """(R, T) each: number of zones with a price, and mean, lowest and highest price."""
    prices = panel.market.prices
    zoned = panel.zone_codes(prices) != panel.zones.places[REGION_LEVEL]
    cells = panel.price_cells[zoned]
    price = prices["spot_price_usd_per_hour"].to_numpy(dtype=np.float64)[zoned]
    count = tally(cells, panel.size)
    low, high = np.full(panel.size, np.nan), np.full(panel.size, np.nan)
    np.fmin.at(low, cells, price)
    np.fmax.at(high, cells, price)
    # Sums are relative to the lowest price, so that the mean of equal prices is exact.
    mean = low + ratio(tally(cells, panel.size, price - low[cells]), count)
    return tuple(flat.reshape(panel.shape) for flat in (count, mean, low, high))  # type: ignore[return-value]
