"""The advisor model's card: description, data, figures and limits."""

from __future__ import annotations

from importlib.metadata import version as installed
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from spotlab.domain.risk import BUCKET_RATES
from spotlab.domain.risk_curve import PUBLISHED_SHARES
from spotlab.features.views import feature
from spotlab.inference.calibrators import apply
from spotlab.inference.card import CARD_FORMAT, Calibration, FeatureSpec, LevelDrift, Persistence
from spotlab.training.advisor import recipe
from spotlab.training.advisor.booster import scoring_matrix, training_matrix
from spotlab.training.advisor.calibration import level_shift
from spotlab.training.advisor.datasets import Dataset
from spotlab.training.advisor.labels import high, rate_position
from spotlab.training.advisor.splits import GroupSplit

FloatArray = NDArray[np.float64]
Document = dict[str, Any]

MODEL_FILE: Final = "model.txt"
LABEL: Final = {
    "what": "Spot Advisor interruption bucket of 2025-06-28: how often all customers' instances of "
    "a type in a region were interrupted during the trailing month, as <5, 5-10, 10-15, 15-20 or "
    ">20 %. Trained on bucket >= 3, over 15 %.",
    "what_it_is_not": [
        "It is not the chance that this instance is interrupted: it is over all customers, all "
        "zones of the region and a whole month.",
        "It is not a forecast of capacity: no launch was tried.",
        "It is no guarantee: AWS may change how it counts.",
    ],
}
SOURCES: Final = [
    {
        "data": "AWS Spot Instance Advisor feed of 2021-02-10 and 2025-06-28",
        "published_by": "alexei-led/spotinfo",
        "licence": "Apache-2.0",
    },
    {
        "data": "AWS Spot Instance Advisor feed of 2024-02-28",
        "published_by": "ETOgaosion/bamboo",
        "licence": "MIT",
    },
    {
        "data": "AWS public spot price feed of 2025-03-27 and 2025-05-03",
        "published_by": "ww898/aws-price-parser",
        "licence": "Apache-2.0",
    },
    {
        "data": "specifications of instance types, 2026-08-21",
        "published_by": "aws/karpenter-provider-aws",
        "licence": "Apache-2.0",
    },
]
FORMULA: Final = [
    "score = sum of the trees (log-odds); z = calibration.rate of the score (platt, beta or "
    "isotonic), still a log-odds",
    "gap = age of the bucket + lead_h; g* = the last of gap_h (persistence)",
    "y = sigmoid(z - level_drift * (1 - min(1, gap / g*))); e = excess share of buckets that stay "
    "across the gap",
    "y' = e * y(bucket) + (1 - e) * y; raw score = log-odds of y'",
    "monthly_rate = rate_low + (rate_high - rate_low) * y'",
    "hazard_per_hour = -ln(1 - monthly_rate) / 730.5",
    "risk(h) = 1 - exp(-hazard_per_hour * h)",
]
VARIANTS_TRIED: Final = (
    "About 50 sets of features and settings were compared on family folds of these rows, in three "
    "partitions, before the recipe was fixed; the figures below do not repeat that."
)
LIMITS: Final = [
    "Drift: the share at bucket >= 3 went from 0.25 (2024) to 0.46 (2025). The probabilities fit "
    "mid 2025 and need calibrating again; the order of pools is more durable than their level.",
    "Level: buckets rose while the trees' data was gathered, which the trees expect again. What a "
    "bucket's age leaves no time for is taken back (level_drift), see "
    "level_where_the_advisor_is_fresh: where all buckets rise or fall within the month, the "
    "forecast does not know. From 2021 to 2024 the level of the same pools stayed.",
    "Pools without a bucket: no row says how old the rest of what is known of them is, so nothing "
    "is taken back: they stand at the level of mid 2025.",
    "Gap: the trees learned across 14 months between bucket and prices and 16 between bucket and "
    "label. A served bucket is hours old; the persistence term, whose shares come from published "
    "drift and not from this training, makes up for it.",
    "Zones: prices were a region's, so two zones of a region differ in risk only by their price.",
    "Price alone says little (AUC about 0.64 by family): prices have barely moved since the "
    "pricing change of 2017. Most of what is known here is in the advisor.",
    "Rates: a bucket stands for the middle of its range, and 25 % for the open '>20 %'. No monthly "
    "rate is under 2.5 % or over 25 %, whatever the truth is.",
    "Horizon: the hazard is constant within a month. Nothing here knows the hour of the day.",
    "Linux only, and types that were on sale in May 2025.",
]


def feature_specs(data: Dataset, seed: int) -> list[FeatureSpec]:
    """Each feature's bounds from the registry, and whether it was NaN in training rows."""
    training, scoring = training_matrix(data, seed), scoring_matrix(data)
    return [
        FeatureSpec(
            name=name,
            unit=feature(name).unit,
            low=feature(name).low,
            high=feature(name).high,
            nullable=bool(np.isnan(training[:, column]).any()),
            meaning=feature(name).meaning,
            typical=None if name == recipe.AGE else _typical(scoring[:, column]),
        )
        for column, name in enumerate(recipe.FEATURES)
    ]


def _typical(values: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    return round(float(np.nanmean(values)), 6)


def persistence(data: Dataset, calibration: Calibration, score: FloatArray) -> Persistence:
    """Shares of unchanged buckets: published ones, and that of these rows for the training gap.

    Args:
        data: n rows.
        calibration: of the scores.
        score: (n,) out-of-fold raw scores.
    """
    bucket, age_h = data.frame.column(recipe.BUCKET), data.frame.column(recipe.AGE)
    listed = ~np.isnan(bucket)
    trained_gap_h = float(np.median(age_h[listed])) + recipe.LEAD_H
    unchanged = round(float(np.mean(bucket[listed] == data.bucket[listed])), 3)
    unchanged = min(unchanged, *PUBLISHED_SHARES.values())
    shares = {**PUBLISHED_SHARES, trained_gap_h: unchanged}
    drift = level_drift(bucket[listed], calibration, score[listed])
    return Persistence(
        recipe.BUCKET, recipe.AGE, recipe.LEAD_H, (*shares,), (*shares.values(),), drift
    )


def level_drift(bucket: FloatArray, calibration: Calibration, score: FloatArray) -> LevelDrift:
    """Shifts that lower the mean forecast from the label's level to the pools' earlier level.

    Args:
        bucket: (n,) bucket at the time of the features.
        calibration: of the scores.
        score: (n,) out-of-fold raw scores.
    """
    rate, high_bucket = (
        -level_shift(apply(calibrator, score), float(before.mean()))
        for calibrator, before in (
            (calibration.rate, rate_position(bucket)),
            (calibration.high_bucket, high(bucket)),
        )
    )
    return LevelDrift(rate, high_bucket)


def card(
    data: Dataset,
    *,
    version: str,
    calibration: Calibration,
    score: FloatArray,
    seed: int,
    split: GroupSplit,
    rounds: int,
    chosen: recipe.Candidate,
    measured: Document,
) -> bytes:
    """card.json: first the entries that code reads, then those for people.

    Args:
        data: n training rows.
        version: of the model.
        calibration: of the scores.
        score: (n,) out-of-fold raw scores.
        seed, split, rounds, chosen: how the model was fitted.
        measured: comparison, metrics and tests, as plain numbers.
    """
    document = {
        "format": CARD_FORMAT,
        "name": recipe.NAME,
        "version": version,
        "task": recipe.TASK,
        "kind": "lightgbm",
        "file": MODEL_FILE,
        "summary": "Monthly interruption rate of a region and instance type, from the Spot "
        "Advisor, spot prices and the type's specifications.",
        "rate_low": BUCKET_RATES[0],
        "rate_high": BUCKET_RATES[-1],
        "calibration": calibration,
        "persistence": persistence(data, calibration, score),
        "features": feature_specs(data, seed),
        "left_out": dict(recipe.EXCLUDED),
        "label": LABEL,
        "formula": FORMULA,
        "training": {
            "rows": len(data.bucket),
            "base_rate": round(float(np.mean(data.bucket >= 3)), 4),
            "groups": {split.by: len(set(data.families))},
            "features_as_of": f"{data.frame.as_of:%Y-%m-%d}",
            "label_of": f"{data.label_at:%Y-%m-%d}",
            "split": f"{split.folds} folds by {split.by}: none is on both sides; trees, candidate "
            "and calibration are chosen again inside each fold's training part",
            "variants_tried": VARIANTS_TRIED,
            "objective": chosen.name,
            "settings": {**recipe.REPRODUCIBLE, **chosen.settings, "rounds": rounds},
            "early_stopping": f"after {recipe.PATIENCE} trees without gain on held out "
            f"groups, at most {recipe.ROUNDS} trees; then every row is fitted",
            "rising_in": [recipe.BUCKET] if chosen.monotone_in_bucket else [],
            "hidden_price_share": recipe.HIDDEN_PRICE_SHARE,
            "seed": seed,
            "libraries": {name: installed(name) for name in ("lightgbm", "numpy", "pandas")},
        },
        "sources": SOURCES,
        "limits": LIMITS,
        **measured,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"
