"""What the shipped model is made of: dates, features and settings. Training floor: data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

NAME: Final = "advisor-lgbm"
TASK: Final = "advisor"
AS_OF: Final = datetime(2025, 5, 3, tzinfo=UTC)
LABEL_AT: Final = datetime(2025, 6, 28, tzinfo=UTC)
FOLDS: Final = 5
ROUNDS: Final = 300

BUCKET: Final = "advisor_bucket"
AGE: Final = "advisor_age_h"
PRICES: Final = ("log_spot_price", "spot_price_per_vcpu")
FEATURES: Final = (
    BUCKET,
    AGE,
    "advisor_savings",
    "family_bucket_mean",
    "region_bucket_mean",
    "family_bucket_mean_elsewhere",
    "type_bucket_mean_elsewhere",
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
    "has_local_storage",
    "architecture_arm",
    "accelerated",
)
LEFT_OUT: Final[Mapping[str, str]] = {
    "on-demand prices and what is made of them": "none was recorded before the features' date",
    "price history": "two snapshots are no history, and a new installation has none for 30 days; "
    "the price change between them did not raise the AUC",
    "zones": "the recorded prices are a region's",
    "GPU count and network bandwidth": "the public feeds that most users have do not carry them",
}
HIDDEN_PRICE_SHARE: Final = 0.1
"""Share of training rows whose price is hidden, so that the trees learn what to do without one."""

LEAD_H: Final = 720.0
UNCHANGED: Final[Mapping[float, float]] = {168.0: 0.85, 336.0: 0.75, 2088.0: 0.59}
"""Share of advisor buckets that are the same after so many hours: 14-16 % change in a week, 25 % in
two weeks, 41 % in 87 days (2022)."""

SHAPE: Final[Mapping[str, Any]] = {
    "learning_rate": 0.03,
    "num_leaves": 31,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
}
REPEATABLE: Final[Mapping[str, Any]] = {
    "num_threads": 1,  # beside a busy neighbour, two threads wait for each other: 10 times slower
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to fit the booster.

    Args:
        name: for the card.
        objective: "binary": is the next bucket >= 3; "cross_entropy": the position of its rate.
        settings: LightGBM's, without objective.
        rising_in_bucket: a higher bucket may never lower the score.
        eligible: may be shipped; else it is there to compare with.
    """

    name: str
    objective: str
    settings: Mapping[str, Any] = field(default_factory=lambda: SHAPE)
    rising_in_bucket: bool = True
    eligible: bool = True


CANDIDATES: Final = (
    Candidate("binary: next bucket >= 3", "binary"),
    Candidate("cross-entropy of the monthly rate", "cross_entropy"),
    Candidate("binary, free to fall as the bucket rises", "binary", SHAPE, False, False),
    Candidate("binary, LightGBM's own defaults", "binary", {}, False, False),
)
