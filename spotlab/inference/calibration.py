"""From a raw score to a monthly rate, a fresh bucket counted in.

The model's calibrated score z is a log-odds: y = sigmoid(z) is the position of the monthly
interruption rate between that of the lowest and of the highest advisor bucket.

The model was trained across a gap of g* hours, many months, in which the level of all buckets moved
by d (in log-odds). A fresh bucket is the start of a shorter gap, in which less of that happens:

    gap = age of the bucket + the month ahead,        y = sigmoid(z - d * (1 - min(1, gap / g*)))

Across g* a bucket says little of itself. A fresh one says more, and how much more is known: of
buckets read `gap` hours apart, a share u(gap) is unchanged. Beyond what the model knows the share

    e = (u(gap) - u(g*)) / (1 - u(g*))

of pools keep their bucket, and the rest are as the model says:

    y' = e * y(bucket) + (1 - e) * y,        rate = low + (high - low) * y'

An unknown bucket or age is taken for one as old as g*: d is not taken back and e = 0, the model
alone. See ADR 0006.
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


def gaps_h(rule: Persistence, bucket: FloatArray, age_h: FloatArray) -> FloatArray:
    """Hours from what is known of each row to what is forecast; the model's own where unknown."""
    gap_h = np.maximum(age_h, 0.0) + rule.lead_h
    known = ~(np.isnan(bucket) | np.isnan(age_h))
    return np.asarray(np.where(known, gap_h, rule.gap_h[-1]), dtype=np.float64)


def level_taken_back(rule: Persistence, drift: float, gap_h: FloatArray) -> FloatArray:
    """Log-odds that take back the drift such gaps leave no time for; 0 from the model's own gap on.

    Linear in the gap: of a level that walks at random to where it is known to have come, that is
    the mean way.
    """
    return -drift * (1.0 - np.minimum(1.0, gap_h / rule.gap_h[-1]))


def excess_persistence(rule: Persistence, gap_h: FloatArray) -> FloatArray:
    """Share of buckets that stay across such gaps, beyond what the model knows.

    Between the known gaps the share is linear in the logarithm of the gap: buckets change
    fast at first and slowly later.
    """
    unchanged = np.interp(np.log(gap_h), np.log(rule.gap_h), rule.unchanged)
    excess = (unchanged - rule.unchanged[-1]) / (1.0 - rule.unchanged[-1])
    return np.asarray(excess, dtype=np.float64)


def bucket_position(bucket: FloatArray, low: float, high: float) -> FloatArray:
    """Where a bucket's monthly rate lies between `low` and `high`, 0..1; NaN stays NaN."""
    position = (np.array(BUCKET_RATES) - low) / (high - low)
    return np.asarray(np.interp(bucket, range(len(BUCKET_RATES)), position), dtype=np.float64)


def rate_score(spec: CardSpec, score: FloatArray, matrix: FloatArray) -> FloatArray:
    """The log-odds of the rate's position, y', from the model's own score."""
    calibrated = apply(spec.calibration.rate, score)
    if spec.persistence is None:
        return calibrated
    bucket, age_h = _bucket_and_age(spec, spec.persistence, matrix)
    if_kept = bucket_position(bucket, spec.rate_low, spec.rate_high)
    drift = spec.persistence.level_drift.rate
    return logit(_as_fresh(spec.persistence, calibrated, drift, if_kept, bucket, age_h))


def rate_score_parts(
    spec: CardSpec, rule: Persistence, score: FloatArray, matrix: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """What `rate_score` adds to the calibrated score; the three add up to it.

    Returns:
        (n,) what a kept bucket changes, (n,) what its age does against one just read, and the
        level of one just read: log-odds.
    """
    bucket, age_h = _bucket_and_age(spec, rule, matrix)
    drift = rule.level_drift.rate
    level = level_taken_back(rule, drift, gaps_h(rule, bucket, age_h))
    fresh = float(level_taken_back(rule, drift, np.array(rule.lead_h)))
    alone = apply(spec.calibration.rate, score) + level
    return rate_score(spec, score, matrix) - alone, level - fresh, fresh


def high_bucket_probability(spec: CardSpec, score: FloatArray, matrix: FloatArray) -> FloatArray:
    """P(next advisor bucket >= 3), from the model's own score."""
    calibrated = apply(spec.calibration.high_bucket, score)
    if spec.persistence is None:
        return sigmoid(calibrated)
    bucket, age_h = _bucket_and_age(spec, spec.persistence, matrix)
    if_kept = np.asarray(bucket >= HIGH_BUCKET, dtype=np.float64)
    drift = spec.persistence.level_drift.high_bucket
    return _as_fresh(spec.persistence, calibrated, drift, if_kept, bucket, age_h)


def monthly_rate(spec: CardSpec, rate_log_odds: FloatArray) -> FloatArray:
    """The monthly interruption rate, 0..1, of a rate score."""
    span = spec.rate_high - spec.rate_low
    return np.asarray(spec.rate_low + span * sigmoid(rate_log_odds), dtype=np.float64)


def _as_fresh(
    rule: Persistence,
    calibrated: FloatArray,
    drift: float,
    if_kept: FloatArray,
    bucket: FloatArray,
    age_h: FloatArray,
) -> FloatArray:
    """The share y', from the calibrated score z and what a kept bucket would mean."""
    gap_h = gaps_h(rule, bucket, age_h)
    share = sigmoid(calibrated + level_taken_back(rule, drift, gap_h))
    excess = excess_persistence(rule, gap_h)
    kept = np.where(np.isnan(bucket), 0.0, if_kept)
    return np.asarray(excess * kept + (1.0 - excess) * share, dtype=np.float64)


def _bucket_and_age(
    spec: CardSpec, rule: Persistence, matrix: FloatArray
) -> tuple[FloatArray, FloatArray]:
    names = [feature.name for feature in spec.features]
    bucket = matrix[:, names.index(rule.bucket_feature)]
    return bucket, matrix[:, names.index(rule.age_feature)]
