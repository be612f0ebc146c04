"""Price windows of many pools: SpotLab's numpy code compared with pandas and numba.

    python -m benchmarks.features [pools]

Every peer gets the same sorted points in its preferred form and must return the same numbers. The
time is the best of three runs after a warm-up. Ratios are comparable between machines; seconds are
not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numba
import numpy as np
import pandas as pd

from benchmarks._timing import best_s
from spotlab.features.windows import MIN_COVERAGE, ChangePoints, window

POINTS_A_POOL = 216  # 90 days of DescribeSpotPriceHistory: 268,058 rows of 1,241 Linux pools
WINDOWS_H = (168.0, 720.0)
Stats = tuple[np.ndarray, ...]


def synthetic_points(pools: int, seed: int = 7) -> ChangePoints:
    """Random walks: change points at random moments of 90 days."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(POINTS_A_POOL // 2, POINTS_A_POOL * 3 // 2, pools)
    pool = np.repeat(np.arange(pools), counts)
    age_h = rng.uniform(0.0, 2160.0, len(pool))
    price = np.round(np.exp(rng.normal(-2.0, 0.1, len(pool))), 4)
    return ChangePoints.of(pool, age_h, price, pools)


def with_spotlab(points: ChangePoints) -> Stats:
    """Statistics by the feature engine's code."""
    stats = [window(points, hours) for hours in WINDOWS_H]
    return (*(part for each in stats for part in (each.mean, each.log_std)), points.price_at(24.0))


def with_pandas(frame: pd.DataFrame) -> Stats:
    """The same statistics by pandas groupby, on whole columns."""
    until = frame.groupby("pool")["age_h"].shift(-1).fillna(0.0)
    log = np.log(frame["price"])
    stats: list[np.ndarray] = []
    for hours in WINDOWS_H:
        weight = frame["age_h"].clip(upper=hours) - until.clip(upper=hours)
        sums = pd.DataFrame({"w": weight, "wp": weight * frame["price"], "wl": weight * log})
        total = sums.groupby(frame["pool"]).sum()
        covered = total["w"].where(total["w"] >= MIN_COVERAGE * hours)
        deviation = log - (total["wl"] / covered).reindex(frame["pool"]).to_numpy()
        spread = (weight * deviation * deviation).groupby(frame["pool"]).sum() / covered
        stats += [(total["wp"] / covered).to_numpy(), np.sqrt(spread).to_numpy()]
    day = frame[frame["age_h"] >= 24.0].groupby("pool")["price"].last()
    return (*stats, day.reindex(total.index).to_numpy())


@numba.njit(cache=False)  # type: ignore[untyped-decorator]
def _one_pass(  # type: ignore[no-untyped-def]
    offsets, age_h, price, hours, min_coverage, mean, log_std
):
    for pool in range(len(offsets) - 1):
        first, last = offsets[pool], offsets[pool + 1]
        covered = total = logs = 0.0
        for i in range(first, last):
            until = age_h[i + 1] if i + 1 < last else 0.0
            weight = min(age_h[i], hours) - min(until, hours)
            covered += weight
            total += weight * price[i]
            if weight > 0.0:
                logs += weight * np.log(price[i])
        if covered < min_coverage * hours or covered == 0.0:
            continue
        centre, spread = logs / covered, 0.0
        for i in range(first, last):
            until = age_h[i + 1] if i + 1 < last else 0.0
            weight = min(age_h[i], hours) - min(until, hours)
            if weight > 0.0:
                spread += weight * (np.log(price[i]) - centre) ** 2
        mean[pool], log_std[pool] = total / covered, np.sqrt(spread / covered)


def with_numba(points: ChangePoints) -> Stats:
    """The same statistics by a compiled loop."""
    stats: list[np.ndarray] = []
    for hours in WINDOWS_H:
        mean, log_std = (np.full(len(points.offsets) - 1, np.nan) for _ in range(2))
        _one_pass(points.offsets, points.age_h, points.price, hours, MIN_COVERAGE, mean, log_std)
        stats += [mean, log_std]
    return (*stats, points.price_at(24.0))


def main(pools: int = 6000) -> None:
    """Print seconds and ratios."""
    points = synthetic_points(pools)
    pool = np.repeat(np.arange(pools), np.diff(points.offsets))
    frame = pd.DataFrame({"pool": pool, "age_h": points.age_h, "price": points.price})
    expected = with_spotlab(points)
    took = best_s(lambda: with_spotlab(points))
    print(f"price windows of {pools:,} pools, {len(points.price):,} change points")
    print(f"  spotlab (numpy)   {took:7.3f} s   1.0")
    peers: tuple[tuple[str, Callable[[Any], Stats], Any], ...] = (
        ("pandas groupby", with_pandas, frame),
        ("numba loop", with_numba, points),
    )
    for name, run, given in peers:
        for mine, theirs in zip(expected, run(given), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)
        peer = best_s(partial(run, given))
        print(f"  {name:16}  {peer:7.3f} s   {peer / took:.1f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
