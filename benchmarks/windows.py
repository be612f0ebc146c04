"""Windows of many price histories in one pass: SpotLab's kernels beside its numpy code and pandas.

    python -m benchmarks windows [--pools=6000] [--json]

All get the same sorted points as arrays; the kernels' figures are numpy's to the last bit.
"""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pandas as pd

from benchmarks._comparison import Row, compare, show
from spotlab.features.history_features import KERNELS
from spotlab.features.windows import (
    MIN_COVERAGE,
    MONTH_H,
    WEEK_H,
    ChangePoints,
    PastPrices,
)

POINTS_A_POOL = 216  # 90 days of DescribeSpotPriceHistory: 268,058 rows of 1,241 Linux pools
_HOUR_US = 3_600_000_000
_NOW_US = 2160 * _HOUR_US


def synthetic_points(pools: int, seed: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Offsets, times in microseconds and prices: changes at random moments of 90 days."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(POINTS_A_POOL // 2, POINTS_A_POOL * 3 // 2, pools)
    time_us = [np.unique(rng.integers(0, _NOW_US, count)) for count in counts]
    offsets = np.append(0, np.cumsum([len(times) for times in time_us]))
    return offsets, np.concatenate(time_us), np.exp(rng.normal(-2.0, 0.1, offsets[-1]))


def with_pandas(frame: pd.DataFrame) -> tuple[np.ndarray, ...]:
    """Means and deviations by groupby, on whole columns."""
    until = frame.groupby("pool")["age_h"].shift(-1).fillna(0.0)
    log = np.log(frame["price"])
    stats: list[np.ndarray] = []
    for hours in (WEEK_H, MONTH_H):
        weight = frame["age_h"].clip(upper=hours) - until.clip(upper=hours)
        sums = pd.DataFrame({"w": weight, "wp": weight * frame["price"], "wl": weight * log})
        total = sums.groupby(frame["pool"]).sum()
        covered = total["w"].where(total["w"] >= MIN_COVERAGE * hours)
        deviation = log - (total["wl"] / covered).reindex(frame["pool"]).to_numpy()
        spread = (weight * deviation * deviation).groupby(frame["pool"]).sum() / covered
        stats += [np.sqrt(spread).to_numpy(), (total["wp"] / covered).to_numpy()]
    return tuple(stats)


def measured(pools: int = 6000) -> list[Row]:
    """The comparisons; the figures must agree."""
    if reason := KERNELS.load():
        raise SystemExit(f"The kernels cannot be used: {reason}")
    kernels = KERNELS.module
    assert kernels is not None, "they are loaded"
    offsets, time_us, price = synthetic_points(pools)
    points = ChangePoints(offsets, (_NOW_US - time_us) / _HOUR_US, price)
    pool = np.repeat(np.arange(pools), np.diff(offsets))
    frame = pd.DataFrame({"pool": pool, "age_h": points.age_h, "price": price})
    no_more = np.zeros(pools, np.int64), np.full(pools, np.nan)
    bounds = offsets[:-1], offsets[1:]

    def ours() -> PastPrices:
        past: PastPrices = kernels.past_prices((time_us, price), _NOW_US, bounds, no_more)
        return past

    past = ours()
    for mine, theirs in zip(astuple(past), astuple(PastPrices.of(points)), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    week, _, month, mean = with_pandas(frame)
    np.testing.assert_allclose(past.log_std_7d, week, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(past.log_std_30d, month, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(past.mean_30d, mean, rtol=1e-9)
    what = f"windows of {pools:,} pools, {len(price):,} changes"
    return [
        compare(what, ours, "numpy", lambda: PastPrices.of(points), None),
        compare(what, ours, "pandas groupby", lambda: with_pandas(frame), None),
    ]


def main(pools: str = "6000", json: str = "") -> None:
    """Print the comparisons."""
    show(measured(int(pools)), json != "")
