"""SHAP values of the shipped model: SpotLab's kernels beside LightGBM's pred_contrib.

python -m benchmarks shap [--pools=10000] [--json]
"""

from __future__ import annotations

import numpy as np

from benchmarks._comparison import Row, compare, show
from benchmarks.scoring import opened, rows_of
from spotlab.processes.kernels import THREADS


def measured(pools: int = 10_000, runs: int = 7) -> list[Row]:
    """The comparison; the values must agree to 1e-9."""
    model, booster, peer = opened()
    rows = rows_of(model, pools)

    def theirs() -> np.ndarray:
        return peer.predict(rows, pred_contrib=True, num_threads=THREADS)  # type: ignore[attr-defined]

    np.testing.assert_allclose(booster.contributions(rows), theirs(), rtol=0.0, atol=1e-9)
    what = f"SHAP of {pools:,} rows, {THREADS} threads each"
    return [
        compare(
            what, lambda: booster.contributions(rows), "LightGBM pred_contrib", theirs, 12.0, runs
        )
    ]


def main(pools: str = "10000", json: str = "") -> None:
    """Print the comparison."""
    show(measured(int(pools)), json != "")
