"""Registry of all features, and the views of the online store.

The order of FEATURES is the order of a FeatureFrame's columns. docs/features.md is generated from
it.
"""

from __future__ import annotations

from typing import Final

from spotlab.domain.features import Feature
from spotlab.domain.market import FeedKind
from spotlab.domain.ports import OnlineView
from spotlab.features import (
    advisor_features,
    history_features,
    offer_features,
    price_features,
    type_features,
)

BASICS: Final = (
    "price_position",
    "discount_depth",
    "family_stress_index",
    "historic_interrupt_rate",
    "vcpu_count",
    "memory_gb",
)
MODULES: Final = (
    price_features,
    history_features,
    advisor_features,
    offer_features,
    type_features,
)
"""Modules of features; each has FEATURES and a function `columns` that computes them."""
_ALL: Final[dict[str, Feature]] = {
    feature.name: feature for module in MODULES for feature in module.FEATURES
}
FEATURES: Final[tuple[Feature, ...]] = (
    *(_ALL[name] for name in BASICS),
    *(feature for name, feature in _ALL.items() if name not in BASICS),
)
NAMES: Final = tuple(feature.name for feature in FEATURES)

SPOT_RISK: Final = OnlineView("spot_risk", ("region", "instance_type"), 3600)
PRICE_HISTORY: Final = OnlineView("spot_price_history", ("region", "family"), 3600)
METADATA: Final = OnlineView("instance_metadata", ("instance_type",), 86_400)
POOL: Final = OnlineView(
    "pool",
    ("region", "availability_zone", "instance_type", "operating_system"),
    3600,
    as_hash=True,
)
ON_DEMAND: Final = OnlineView("on_demand_price", ("region", "instance_type"), 86_400)
ORIGINS: Final = OnlineView("market_origin", ("slot",), 3600)
VIEWS: Final = (SPOT_RISK, PRICE_HISTORY, METADATA, POOL, ON_DEMAND, ORIGINS)


def feature(name: str) -> Feature:
    """One feature of the registry.

    Raises:
        KeyError: no such feature.
    """
    return _ALL[name]


def names_from(kind: FeedKind) -> tuple[str, ...]:
    """The features that depend on a feed, in column order.

    >>> "advisor_bucket" in names_from(FeedKind.ADVISOR)
    True
    >>> "price_change_7d" in names_from(FeedKind.ADVISOR)
    False
    """
    return tuple(feature.name for feature in FEATURES if kind in feature.source)
