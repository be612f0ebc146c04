"""Features of capacity: what they count, and that none of them knows the future."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spotlab.errors import InvalidInput
from spotlab.features.capacity_model.features import (
    CAPACITY_FEATURES,
    NAMES,
    OTHERS,
    compute_capacity,
)
from tests.support import capacity


def column(frame_values: np.ndarray, name: str) -> np.ndarray:
    return np.asarray(frame_values[:, :, NAMES.index(name)])


@pytest.mark.parametrize("gap_s", [195.0, 600.0, 900.0])
def test_a_row_is_the_same_whether_or_not_the_rest_is_known_yet(gap_s: float) -> None:
    panel = capacity.panel(days=9, gap_s=gap_s)
    panel.available[300:330, 1] = np.nan
    whole = compute_capacity(panel).values
    for tick in (0, 1, 47, 200, 331, len(whole) - 1):
        until = compute_capacity(panel.until(tick)).values
        np.testing.assert_array_equal(until[-1], whole[tick])


def test_altering_the_future_changes_no_earlier_row() -> None:
    panel = capacity.panel(days=9)
    altered = panel.available.copy()
    altered[900:] = 1.0 - altered[900:]
    before = compute_capacity(panel).values[:900]
    after = compute_capacity(replace(panel, available=altered)).values[:900]
    np.testing.assert_array_equal(before, after)


def test_the_streak_counts_from_when_capacity_came_back() -> None:
    ticks = np.array([[1.0, 0, 0, 1, 1, 1, np.nan, 1, 0, 1]]).T
    values = compute_capacity(capacity.panel_of(ticks)).values
    hours = column(values, "streak_h")[:, 0]
    np.testing.assert_allclose(hours[3:8] * 6, [0, 1, 2, 3, 4])
    assert column(values, "last_outage_h")[4, 0] == pytest.approx(1 / 6)
    assert column(values, "last_stay_h")[9, 0] == pytest.approx(4 / 6)


def test_a_share_leaves_unknown_ticks_out() -> None:
    ticks = np.array([[1.0, np.nan, np.nan, 0, 1, 1]]).T
    share = column(compute_capacity(capacity.panel_of(ticks)).values, "available_1h")
    assert share[5, 0] == pytest.approx(3 / 4)


def test_a_shorter_gap_between_probes_tells_about_the_same() -> None:
    fine = capacity.panel(days=9, gap_s=200.0)
    coarse = replace(
        fine, elapsed_h=fine.elapsed_h[::3], available=fine.available[::3], gap_s=600.0
    )
    both = compute_capacity(fine).values[::3], compute_capacity(coarse).values
    up = coarse.available == 1.0
    for name in ("streak_h", "daily_lost_1h", "daily_loss_rate_3h"):
        np.testing.assert_allclose(column(both[0], name)[up], column(both[1], name)[up])
    gap = np.abs(column(both[0], "available_3h") - column(both[1], "available_3h"))[up]
    assert np.nanmean(gap) < 0.05


def test_a_pool_that_always_goes_down_at_noon_shows_it_the_days_after() -> None:
    ticks = np.ones((6 * 24 * 6, 1))
    hour = np.arange(len(ticks)) / 6.0 % 24
    ticks[(hour >= 12) & (hour < 13)] = 0.0
    values = compute_capacity(capacity.panel_of(ticks)).values
    at_11, at_20 = 5 * 144 + 11 * 6 + 3, 5 * 144 + 20 * 6
    lost = column(values, "daily_lost_1h")[:, 0]
    assert lost[at_11] > 0.4
    assert lost[at_20] < 0.1
    assert column(values, "daily_change")[at_11, 0] < -0.3


def test_who_goes_together_with_a_pool_weighs_more_than_who_does_not() -> None:
    rng = np.random.default_rng(3)
    ticks = np.ones((6 * 24 * 8, 3))
    for start in rng.integers(0, len(ticks) - 20, 30):
        ticks[start : start + 12, :2] = 0.0
    ticks[:, 2] = rng.random(len(ticks)) < 0.5
    ticks[-5:] = [[1.0, 1.0, 1.0]]
    ticks[-1, 1] = 0.0
    surprise = column(compute_capacity(capacity.panel_of(ticks)).values, "others_surprise")
    assert surprise[-1, 0] < -0.5


def test_a_single_trace_has_no_others_and_a_missing_tick_no_say() -> None:
    alone = compute_capacity(capacity.panel(days=3, pools=1)).values
    for name in OTHERS:
        assert np.isnan(column(alone, name)).all()
    panel = capacity.panel(days=3, pools=2)
    panel.available[200:, 1] = np.nan
    assert np.isnan(column(compute_capacity(panel).values, "others_surprise")[200:, 0]).all()


def test_every_value_is_within_its_feature_s_bounds() -> None:
    values = compute_capacity(capacity.panel(days=9, pools=4, gap_s=195.0)).values
    for place, entry in enumerate(CAPACITY_FEATURES):
        known = values[:, :, place][~np.isnan(values[:, :, place])]
        assert len(known)
        assert entry.feature.low <= known.min() <= known.max() <= entry.feature.high


def test_asking_for_a_feature_there_is_not_says_which_there_are() -> None:
    frame = compute_capacity(capacity.panel(days=1, pools=1))
    with pytest.raises(InvalidInput, match="altitude"):
        frame.select(["altitude"], np.array([0]), np.array([0]))
