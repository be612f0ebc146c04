"""From a raw score to a monthly rate, a fresh bucket counted in. Inference floor: pure.

The model's calibrated score z is a log-odds: y = sigmoid(z) is the position of the monthly
interruption rate between that of the lowest and of the highest advisor bucket.

The model was trained across a gap of many months, where a bucket says little. A fresh bucket says
more, and how much more is known: of buckets read `gap` hours apart, a share u(gap) is unchanged.
Counting what the model already knows across its own gap g*, the excess share

    e = (u(gap) - u(g*)) / (1 - u(g*)),      gap = age of the bucket + the month ahead

of pools keep their bucket, and the rest are as the model says:

    y' = e * y(bucket) + (1 - e) * y,        rate = low + (high - low) * y'

An unknown bucket or age, or a bucket as old as g*, gives e = 0: the model alone. See ADR 0006.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.risk import BUCKET_RATES
from spotlab.inference.calibrators import apply, logit, sigmoid
from spotlab.inference.card import CardSpec, Persistence

FloatArray = NDArray[np.float64]

HIGH_BUCKET: Final = 3


def excess_persistence(rule: Persistence, age_h: FloatArray) -> FloatArray:
    """Share of buckets of this age that stay, beyond what the model knows; 0 where unknown.

    Between the known gaps the share is linear in the logarithm of the gap: buckets change
    fast at first and slowly later.
    """
    gap_h = np.maximum(age_h, 0.0) + rule.lead_h
    logs = np.log(np.where(np.isnan(gap_h), rule.gap_h[-1], gap_h))
    unchanged = np.interp(logs, np.log(rule.gap_h), rule.unchanged)
    excess = (unchanged - rule.unchanged[-1]) / (1.0 - rule.unchanged[-1])
    return np.asarray(excess, dtype=np.float64)


def bucket_position(bucket: FloatArray, low: float, high: float) -> FloatArray:
    """Where a bucket's monthly rate lies between `low` and `high`, 0..1; NaN stays NaN."""
    position = (np.array(BUCKET_RATES) - low) / (high - low)
    return np.asarray(np.interp(bucket, range(len(BUCKET_RATES)), position), dtype=np.float64)


def with_persistence(
    share: FloatArray, if_kept: FloatArray, bucket: FloatArray, age_h: FloatArray, rule: Persistence
) -> FloatArray:
    """Mix what a kept bucket would mean into the model's share; unchanged where unknown."""
    excess = np.where(np.isnan(bucket), 0.0, excess_persistence(rule, age_h))
    kept = np.where(np.isnan(bucket), 0.0, if_kept)
    return np.asarray(excess * kept + (1.0 - excess) * share, dtype=np.float64)


def rate_score(spec: CardSpec, score: FloatArray, matrix: FloatArray) -> FloatArray:
    """The log-odds of the rate's position, y', from the model's own score."""
    calibrated = apply(spec.calibration.rate, score)
    if spec.persistence is None:
        return calibrated
    bucket, age_h = _bucket_and_age(spec, spec.persistence, matrix)
    if_kept = bucket_position(bucket, spec.rate_low, spec.rate_high)
    mixed = with_persistence(sigmoid(calibrated), if_kept, bucket, age_h, spec.persistence)
    return logit(mixed)


def high_bucket_probability(spec: CardSpec, score: FloatArray, matrix: FloatArray) -> FloatArray:
    """P(next advisor bucket >= 3), from the model's own score."""
    alone = sigmoid(apply(spec.calibration.high_bucket, score))
    if spec.persistence is None:
        return alone
    bucket, age_h = _bucket_and_age(spec, spec.persistence, matrix)
    if_kept = np.asarray(bucket >= HIGH_BUCKET, dtype=np.float64)
    return with_persistence(alone, if_kept, bucket, age_h, spec.persistence)


def monthly_rate(spec: CardSpec, rate_log_odds: FloatArray) -> FloatArray:
    """The monthly interruption rate, 0..1, of a rate score."""
    span = spec.rate_high - spec.rate_low
    return np.asarray(spec.rate_low + span * sigmoid(rate_log_odds), dtype=np.float64)


def _bucket_and_age(
    spec: CardSpec, rule: Persistence, matrix: FloatArray
) -> tuple[FloatArray, FloatArray]:
    names = [feature.name for feature in spec.features]
    bucket = matrix[:, names.index(rule.bucket_feature)]
    return bucket, matrix[:, names.index(rule.age_feature)]
