"""Recipe of the shipped advisor model: dates, features and settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from spotlab.training.advisor.hyperparameters import Range

NAME: Final = "advisor-lgbm"
TASK: Final = "advisor"
AS_OF: Final = datetime(2025, 5, 3, tzinfo=UTC)
LABEL_AT: Final = datetime(2025, 6, 28, tzinfo=UTC)
VERSION: Final = "1.2.0"
FOLDS: Final = 5
ROUNDS: Final = 600
"""Largest number of trees; early stopping ends training before."""
PATIENCE: Final = 60
"""Early stopping: trees without a gain on the validation families."""

BUCKET: Final = "advisor_bucket"
AGE: Final = "advisor_age_h"
PRICES: Final = (
    "log_spot_price",
    "spot_price_per_vcpu",
    "family_price_gap",
    "series_price_gap",
)
FEATURES: Final = (
    BUCKET,
    AGE,
    "advisor_savings",
    "family_bucket_mean",
    "region_bucket_mean",
    "family_bucket_mean_elsewhere",
    "type_bucket_mean_elsewhere",
    "advisor_region_share",
    "advisor_type_share",
    "family_savings_mean",
    "series_savings_mean",
    "region_savings_mean",
    "type_savings_mean_elsewhere",
    *PRICES,
    "vcpu_count",
    "memory_gb",
    "memory_per_vcpu",
    "generation",
    "generations_behind",
    "size_factor",
    "size_rank_in_family",
    "is_metal",
    "is_burstable",
    "is_network_optimised",
    "has_local_storage",
    "architecture_arm",
    "accelerated",
)
NEIGHBOUR_FEATURES: Final = (
    "advisor_region_share",
    "advisor_type_share",
    "family_savings_mean",
    "series_savings_mean",
    "region_savings_mean",
    "type_savings_mean_elsewhere",
    "family_price_gap",
    "series_price_gap",
    "is_network_optimised",
)
"""Features that one of the candidates does not use, to show their value."""
EXCLUDED: Final[Mapping[str, str]] = {
    "on-demand prices and what is made of them": "none was recorded before the features' date",
    "price history": "two snapshots are no history, and a new installation has none for 30 days; "
    "the price change between them did not raise the AUC",
    "zones": "the recorded prices are a region's",
    "prices of other regions": "who collects few regions knows few; they raised the AUC by .002",
    "the advisor's past": "the one earlier snapshot at hand is three years older, a served one a "
    "week; it raised the AUC by .002",
    "GPU count, network bandwidth and clock": "the public feeds that most users have do not carry "
    "them; all specifications together raised the AUC by .003",
}
HIDDEN_PRICE_SHARE: Final = 0.1
"""Share of training rows whose prices are hidden, so that trees learn to handle missing prices."""

LEAD_H: Final = 720.0

SETTINGS: Final[Mapping[str, Any]] = {
    "learning_rate": 0.03,
    "num_leaves": 31,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
}
REPRODUCIBLE: Final[Mapping[str, Any]] = {
    "num_threads": 1,  # on a busy machine two threads wait for each other: 10 times slower
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to fit the booster.

    Args:
        name: for the card.
        objective: "binary": next bucket >= 3; "cross_entropy": position of the next monthly rate.
        settings: for LightGBM, without the objective.
        monotone_in_bucket: a higher bucket never lowers the score.
        eligible: may be shipped; otherwise only for comparison.
        hidden_features: features that are NaN in training.
    """

    name: str
    objective: str
    settings: Mapping[str, Any] = field(default_factory=lambda: SETTINGS)
    monotone_in_bucket: bool = True
    eligible: bool = True
    hidden_features: tuple[str, ...] = ()


CANDIDATES: Final = (
    Candidate("binary: next bucket >= 3", "binary"),
    Candidate("cross-entropy of the monthly rate", "cross_entropy"),
    Candidate(
        "binary, without the neighbours' offers",
        "binary",
        eligible=False,
        hidden_features=NEIGHBOUR_FEATURES,
    ),
    Candidate("binary, LightGBM's own defaults", "binary", {}, False, False),
)

SPACE: Final[Mapping[str, Range]] = {
    "learning_rate": Range(0.015, 0.08, log=True),
    "num_leaves": Range(15, 95, log=True, integer=True),
    "min_data_in_leaf": Range(20, 200, log=True, integer=True),
    "feature_fraction": Range(0.2, 0.8),
    "bagging_fraction": Range(0.5, 1.0),
    "lambda_l2": Range(0.5, 50.0, log=True),
}
"""Settings that a search may change, with their ranges."""
