"""Monthly interruption rate from a raw score and the current advisor bucket.

The model's calibrated score z is a log-odds: y = sigmoid(z) is the position of the monthly
interruption rate between the rates of the lowest and the highest advisor bucket.

The model was trained across a gap of g* hours (many months), in which the level of all buckets
moved by d (in log-odds). A fresh bucket starts a shorter gap, in which the level moves less:

    gap = age of the bucket + the month ahead,        y = sigmoid(z - d * (1 - min(1, gap / g*)))

Across g*, a bucket predicts little. A fresh bucket predicts more, by a measured amount: of buckets
read `gap` hours apart, a share u(gap) is unchanged. In addition to the buckets that persist across
g*, which the model accounts for, a share

    e = (u(gap) - u(g*)) / (1 - u(g*))

of pools keep their bucket; the model's prediction applies to the others:

    y' = e * y(bucket) + (1 - e) * y,        rate = low + (high - low) * y'

An unknown bucket or age is treated as one of age g*: the level is not corrected and e = 0, so the
model's prediction is used unchanged. See ADR 0006.
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
    """(n,) hours from each row's bucket to the month ahead; the training gap where unknown."""
    gap_h = np.maximum(age_h, 0.0) + rule.lead_h
    known = ~(np.isnan(bucket) | np.isnan(age_h))
    return np.asarray(np.where(known, gap_h, rule.gap_h[-1]), dtype=np.float64)


def level_correction(rule: Persistence, drift: float, gap_h: FloatArray) -> FloatArray:
    """(n,) log-odds that remove the drift that has not happened yet; 0 from the training gap on.

    Linear in the gap: the mean path of a random walk whose end point is known.
    """
    return -drift * (1.0 - np.minimum(1.0, gap_h / rule.gap_h[-1]))


def excess_persistence(rule: Persistence, gap_h: FloatArray) -> FloatArray:
    """(n,) share of buckets that persist across the gaps beyond those the model accounts for.

    Between the measured gaps, the share is linear in the logarithm of the gap: buckets change
    fast at first and slowly later.
    """
    unchanged = np.interp(np.log(gap_h), np.log(rule.gap_h), rule.unchanged)
    excess = (unchanged - rule.unchanged[-1]) / (1.0 - rule.unchanged[-1])
    return np.asarray(excess, dtype=np.float64)


def bucket_position(bucket: FloatArray, low: float, high: float) -> FloatArray:
    """(n,) position of each bucket's monthly rate between `low` and `high`, 0..1; NaN stays NaN."""
    position = (np.array(BUCKET_RATES) - low) / (high - low)
    return np.asarray(np.interp(bucket, range(len(BUCKET_RATES)), position), dtype=np.float64)


def rate_score(spec: CardSpec, score: FloatArray, matrix: FloatArray) -> FloatArray:
    """(n,) log-odds of the rate's position y', from the model's raw score."""
    calibrated = apply(spec.calibration.rate, score)
    if spec.persistence is None:
        return calibrated
    bucket, age_h = _bucket_and_age(spec, spec.persistence, matrix)
    if_kept = bucket_position(bucket, spec.rate_low, spec.rate_high)
    drift = spec.persistence.level_drift.rate
    return logit(_blended_share(spec.persistence, calibrated, drift, if_kept, bucket, age_h))


def rate_score_contributions(
    spec: CardSpec, rule: Persistence, score: FloatArray, rate: FloatArray, matrix: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """The three terms, in log-odds, that `rate_score` adds to the calibrated score.

    Args:
        rate: (n,) what `rate_score` returned.
    Returns:
        (n,) effect of a persisting bucket, (n,) effect of its age compared with a bucket that was
        just read, and the level correction of a bucket that was just read.
    """
    bucket, age_h = _bucket_and_age(spec, rule, matrix)
    drift = rule.level_drift.rate
    level = level_correction(rule, drift, gaps_h(rule, bucket, age_h))
    fresh = float(level_correction(rule, drift, np.array(rule.lead_h)))
    alone = apply(spec.calibration.rate, score) + level
    return rate - alone, level - fresh, fresh


def high_bucket_probability(spec: CardSpec, score: FloatArray, matrix: FloatArray) -> FloatArray:
    """(n,) P(next advisor bucket >= 3), from the model's raw score."""
    calibrated = apply(spec.calibration.high_bucket, score)
    if spec.persistence is None:
        return sigmoid(calibrated)
    bucket, age_h = _bucket_and_age(spec, spec.persistence, matrix)
    if_kept = np.asarray(bucket >= HIGH_BUCKET, dtype=np.float64)
    drift = spec.persistence.level_drift.high_bucket
    return _blended_share(spec.persistence, calibrated, drift, if_kept, bucket, age_h)


def monthly_rate(spec: CardSpec, rate_log_odds: FloatArray) -> FloatArray:
    """(n,) monthly interruption rate, 0..1, from `rate_score`."""
    span = spec.rate_high - spec.rate_low
    return np.asarray(spec.rate_low + span * sigmoid(rate_log_odds), dtype=np.float64)


def _blended_share(
    rule: Persistence,
    calibrated: FloatArray,
    drift: float,
    if_kept: FloatArray,
    bucket: FloatArray,
    age_h: FloatArray,
) -> FloatArray:
    """The share y' from the calibrated score z; `if_kept` is the share if the bucket persists."""
    gap_h = gaps_h(rule, bucket, age_h)
    share = sigmoid(calibrated + level_correction(rule, drift, gap_h))
    excess = excess_persistence(rule, gap_h)
    persisting = np.where(np.isnan(bucket), 0.0, if_kept)
    return np.asarray(excess * persisting + (1.0 - excess) * share, dtype=np.float64)


def _bucket_and_age(
    spec: CardSpec, rule: Persistence, matrix: FloatArray
) -> tuple[FloatArray, FloatArray]:
    names = [feature.name for feature in spec.features]
    bucket = matrix[:, names.index(rule.bucket_feature)]
    return bucket, matrix[:, names.index(rule.age_feature)]
