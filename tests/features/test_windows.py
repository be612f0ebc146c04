"""Window statistics against a slow reference that walks each pool's points one by one."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import astuple
from itertools import pairwise
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spotlab.features.history_features import KERNELS
from spotlab.features.windows import MIN_COVERAGE, ChangePoints, PastPrices, window

Point = tuple[int, float, float]  # pool, age in hours, price

# Ages and prices from short lists make duplicates, ties and borders likely.
ages = st.sampled_from([0.0, 1.0, 12.0, 24.0, 100.0, 168.0, 169.0, 400.0]) | st.floats(0.0, 2000.0)
prices = st.sampled_from([0.05, 0.05, 0.1]) | st.floats(1e-4, 100.0)
points_of_four_pools = st.lists(st.tuples(st.integers(0, 3), ages, prices), max_size=40)


def change_points(points: list[Point], pools: int = 4) -> ChangePoints:
    pool = np.array([point[0] for point in points], dtype=np.int64)
    age_h = np.array([point[1] for point in points], dtype=np.float64)
    price = np.array([point[2] for point in points], dtype=np.float64)
    return ChangePoints.of(pool, age_h, price, pools)


def steps(points: list[Point], pool: int) -> list[tuple[float, float]]:
    """(age, price) of one pool, oldest first, the dearest of those at one moment."""
    dearest: dict[float, float] = {}
    for owner, age, price in points:
        if owner == pool:
            dearest[age] = max(price, dearest.get(age, 0.0))
    return sorted(dearest.items(), reverse=True)


def slow_price_at(points: list[Point], pool: int, hours_ago: float) -> float:
    known = [price for age, price in steps(points, pool) if age >= hours_ago]
    return known[-1] if known else math.nan


def slow_window(points: list[Point], pool: int, window_h: float) -> tuple[float, float]:
    spans = []
    points_of_pool = steps(points, pool)
    for place, (age, price) in enumerate(points_of_pool):
        until = points_of_pool[place + 1][0] if place + 1 < len(points_of_pool) else 0.0
        hours = min(age, window_h) - min(until, window_h)
        spans.append((hours, price))
    covered = math.fsum(hours for hours, _ in spans)
    if not spans or covered < MIN_COVERAGE * window_h:
        return math.nan, math.nan
    mean = math.fsum(hours * price for hours, price in spans) / covered
    centre = math.fsum(hours * math.log(price) for hours, price in spans) / covered
    variance = math.fsum(hours * (math.log(price) - centre) ** 2 for hours, price in spans)
    return mean, math.sqrt(variance / covered)


def slow_hours_since_change(points: list[Point], pool: int) -> float:
    points_of_pool = steps(points, pool)
    moved = [age for (_, before), (age, now) in pairwise(points_of_pool) if now != before]
    return moved[-1] if moved else math.nan


def assert_close(found: NDArray[np.float64], expected: list[float]) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=300)
@given(points_of_four_pools, st.sampled_from([1.0, 24.0, 168.0, 720.0]))
def test_every_statistic_equals_the_slow_one(points: list[Point], window_h: float) -> None:
    fast = change_points(points)
    found = window(fast, window_h)
    slow = [slow_window(points, pool, window_h) for pool in range(4)]
    assert_close(found.mean, [mean for mean, _ in slow])
    assert_close(found.log_std, [deviation for _, deviation in slow])
    assert_close(fast.price_at(window_h), [slow_price_at(points, p, window_h) for p in range(4)])
    assert_close(fast.hours_since_change(), [slow_hours_since_change(points, p) for p in range(4)])


@settings(max_examples=100)
@given(points_of_four_pools, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(points: list[Point], random: object) -> None:
    shuffled = list(points)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    left, right = change_points(points), change_points(shuffled)
    assert left.offsets.tobytes() == right.offsets.tobytes()
    assert left.age_h.tobytes() == right.age_h.tobytes()
    assert left.price.tobytes() == right.price.tobytes()


def test_a_price_counts_for_the_hours_it_was_in_force() -> None:
    week = window(change_points([(0, 168.0, 1.0), (0, 42.0, 3.0)], 1), 168.0)
    assert week.mean[0] == pytest.approx(1.0 * 0.75 + 3.0 * 0.25)
    assert week.log_std[0] == pytest.approx(math.log(3.0) * math.sqrt(0.75 * 0.25))


def test_a_price_said_ten_times_weighs_no_more_than_said_once() -> None:
    once = window(change_points([(0, 168.0, 1.0), (0, 42.0, 3.0)], 1), 168.0)
    often = [(0, 42.0 - hours, 3.0) for hours in range(10)]
    again = window(change_points([(0, 168.0, 1.0), *often], 1), 168.0)
    assert again.mean[0] == pytest.approx(once.mean[0], rel=1e-12)
    assert again.log_std[0] == pytest.approx(once.log_std[0], rel=1e-12)


def test_a_price_that_never_moves_has_no_deviation_at_all() -> None:
    flat = window(change_points([(0, hours, 0.0311) for hours in range(0, 900, 7)], 1), 720.0)
    assert flat.log_std[0] == 0.0
    assert flat.mean[0] == 0.0311


def test_a_tiny_move_of_a_dear_pool_is_not_lost_to_rounding() -> None:
    low, high = 50.0, 50.0 * (1 + 1e-10)
    moved = window(change_points([(0, 168.0, low), (0, 84.0, high)], 1), 168.0)
    assert moved.log_std[0] == pytest.approx(0.5e-10, rel=1e-4)


def test_an_hour_says_nothing_about_a_month() -> None:
    young = window(change_points([(0, 1.0, 0.2)], 1), 720.0)
    assert math.isnan(young.mean[0])
    assert math.isnan(young.log_std[0])


def test_a_point_before_the_window_is_in_force_at_its_start() -> None:
    old = change_points([(0, 5000.0, 0.2)], 1)
    assert window(old, 168.0).mean[0] == pytest.approx(0.2)
    assert old.price_at(168.0)[0] == 0.2


def test_what_is_no_price_or_lies_in_the_future_is_left_out() -> None:
    wrong = [(0, -1.0, 9.0), (0, 3.0, 0.0), (0, 2.0, math.nan), (0, 1.0, math.inf), (0, 4.0, 0.3)]
    assert change_points(wrong, 1).price.tolist() == [0.3]


def test_no_points_at_all_are_no_reason_to_fail() -> None:
    none = change_points([], 3)
    assert np.isnan(window(none, 24.0).mean).all()
    assert np.isnan(none.price_at(24.0)).all()
    assert np.isnan(none.hours_since_change()).all()


def test_a_pool_may_be_taken_twice_and_out_of_order() -> None:
    points = change_points([(0, 30.0, 1.0), (2, 30.0, 3.0), (2, 10.0, 4.0)], 3)
    taken = points.take(np.array([2, 1, 0, 2]))
    assert taken.price_at(24.0).tolist()[::2] == [3.0, 1.0]
    assert taken.price_at(0.0)[[0, 3]].tolist() == [4.0, 4.0]


def test_memory_stays_a_small_multiple_of_the_points() -> None:
    rng = np.random.default_rng(1)
    count = 400_000
    pool = np.sort(rng.integers(0, 4000, count))
    points = ChangePoints.of(pool, rng.uniform(0, 2160, count), rng.uniform(0.01, 9, count), 4000)
    tracemalloc.start()
    window(points, 720.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * 8 * count


HOUR_US = 3_600_000_000
NOW_US = 1_700_000_000_000_000
times_us = st.sampled_from([0, 1, 24 * HOUR_US, 168 * HOUR_US, 720 * HOUR_US]) | st.integers(
    -HOUR_US, 2000 * HOUR_US
)
odd_prices = prices | st.sampled_from([0.0, -1.0, math.nan, math.inf])
pasts = st.lists(st.tuples(times_us, odd_prices), max_size=12, unique_by=lambda point: point[0])
newest_points = st.none() | st.tuples(times_us, odd_prices)


@pytest.fixture(scope="module")
def kernels() -> ModuleType:
    assert KERNELS.load() == ""
    assert KERNELS.module is not None
    return KERNELS.module


def assert_same_past(
    kernels: ModuleType,
    pools: list[list[tuple[int, float]]],
    newest: list[tuple[int, float] | None],
) -> None:
    """The kernels' figures of pools whose points are (age in µs, price) are the reference's."""
    points = [sorted(past, reverse=True) for past in pools]
    rows = [(pool, *point) for pool, past in enumerate(points) for point in past]
    more = [(pool, *point) for pool, point in enumerate(newest) if point is not None]
    owner, age_us, price = (np.array(column) for column in zip(*rows, *more, strict=True))
    reference = PastPrices.of(
        ChangePoints.of(owner.astype(np.int64), age_us / HOUR_US, price, len(pools))
    )
    bounds = np.append(0, np.cumsum([len(past) for past in points])).astype(np.int64)
    last = [point or (0, math.nan) for point in newest]
    found = kernels.past_prices(
        (NOW_US - age_us[: len(rows)].astype(np.int64), price[: len(rows)].astype(np.float64)),
        NOW_US,
        (bounds[:-1], bounds[1:]),
        (NOW_US - np.array([age for age, _ in last]), np.array([price for _, price in last])),
    )
    for mine, expected in zip(astuple(found), astuple(reference), strict=True):
        np.testing.assert_array_equal(mine, expected)


@settings(max_examples=300)
@given(st.lists(st.tuples(pasts, newest_points), min_size=1, max_size=5))
def test_the_kernels_agree_with_numpy_to_the_last_bit(
    kernels: ModuleType, pools: list[tuple[list[tuple[int, float]], tuple[int, float] | None]]
) -> None:
    if any(past or newest for past, newest in pools):
        assert_same_past(kernels, [past for past, _ in pools], [newest for _, newest in pools])


@pytest.mark.parametrize("size", [2, 9, 10, 129, 130, 138, 300, 1200])
def test_sums_of_long_histories_are_added_in_the_same_order(kernels: ModuleType, size: int) -> None:
    rng = np.random.default_rng(size)
    pools = [
        list(zip(ages.tolist(), np.exp(rng.normal(-2.0, 0.3, size)).tolist(), strict=True))
        for ages in rng.integers(1, 1000 * HOUR_US, (70, size))
    ]
    assert_same_past(kernels, pools, [None] * len(pools))


def test_runs_are_found_in_parts_of_any_size(kernels: ModuleType) -> None:
    for lengths in ([1], [1, 1], [3, 1, 2000, 4], [1] * 3000):
        pool = np.repeat(np.arange(len(lengths)), lengths)
        time_us = np.concatenate([np.arange(length) for length in lengths])
        few, many = (pool % 2).astype(np.int8), pool.astype(np.int16)
        for codes in ((few, 0, 0), (0, many, 0), (0, 0, many), (0, few, few), (few, few, many)):
            region, *others = (few * 0 if isinstance(code, int) else code for code in codes)
            runs = kernels.runs_of(region, *others, time_us)
            assert runs.tolist() == np.append(0, np.cumsum(lengths)).tolist()
        if max(lengths) > 1:
            assert kernels.runs_of(few, many, few, np.zeros_like(time_us)) is None
            time_us[lengths[0] + 1 :: 2] = 0
            assert (kernels.runs_of(few, many, few, time_us) is None) == (len(lengths) == 4)
