"""Intervals over days, and reliability over quantiles."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from spotlab.domain.outcomes import by_day, mean, reliability
from tests.support import builders as make


def test_a_share_of_few_days_has_no_interval() -> None:
    values = np.array([0.0, 1.0, 1.0])
    estimate = by_day(lambda rows: mean(values[rows]), [make.NOW] * 3)
    assert estimate.value == pytest.approx(2 / 3)
    assert np.isnan(estimate.low)
    assert np.isnan(estimate.high)


def test_the_interval_over_days_is_wider_than_over_rows_where_days_agree() -> None:
    days = np.repeat(np.arange(20), 50)
    values = (np.random.default_rng(1).random(20) < 0.5).astype(float)[days]
    moments = [make.NOW + timedelta(days=int(day)) for day in days]
    estimate = by_day(lambda rows: mean(values[rows]), moments)
    assert estimate.low < values.mean() < estimate.high
    over_rows = 2 * 1.96 * np.sqrt(values.var() / len(values))
    assert estimate.high - estimate.low > 4 * over_rows


def test_reliability_bins_hold_as_many_rows_though_risks_crowd_near_zero() -> None:
    rng = np.random.default_rng(2)
    said = rng.gamma(2.0, 0.002, 4000)
    bins = reliability(said, (rng.random(4000) < said).astype(float))
    assert [each.rows for each in bins] == [500] * 8
    inside = [each.observed.low <= each.mean_predicted <= each.observed.high for each in bins]
    assert sum(inside) >= 7, "calibrated predictions lie within their intervals"


def test_equal_predictions_share_a_bin() -> None:
    (only,) = reliability(np.full(30, 0.01), np.zeros(30))
    assert (only.rows, only.observed.value) == (30, 0.0)
    assert only.observed.high > 0.05, "none of 30 is no proof of never"


def test_reliability_of_nothing_is_nothing() -> None:
    assert reliability(np.array([]), np.array([])) == []
