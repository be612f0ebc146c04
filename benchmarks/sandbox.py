"""Cost of running a model in a separate process instead of this one.

    python -m benchmarks sandbox [--pools=6000]

The shipped risk model is treated as an uploaded one. Both return identical numbers. Times are
medians of RUNS after a first run; the first start is the additional wait of the first request.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spotlab.domain.features import FeatureFrame, Matrix
from spotlab.domain.market import Pool
from spotlab.inference.explain import explain
from spotlab.inference.model_workers import ModelWorkers
from spotlab.inference.predictor import Isolation, Predictor
from spotlab.settings import Settings
from spotlab.store import open_store

NAME = "advisor-lgbm"
RUNS = 15
LARGE = 60_000


def synthetic_rows(model: Any, pools: int, seed: int = 7) -> Matrix:
    """Random rows within the card's bounds."""
    draw = np.random.default_rng(seed)
    columns = []
    for feature in model.card["features"]:
        low, high = feature["low"], feature["high"]
        low = low if low is not None else (-10.0 if high is None else high - 10.0)
        high = high if high is not None else low + 10.0
        columns.append(low + (high - low) * draw.random(pools))
    return np.ascontiguousarray(np.column_stack(columns))


def frame_of(model: Any, matrix: Matrix) -> FeatureFrame:
    """The rows as features of pools."""
    pools = tuple(Pool("us-east-1", "us-east-1a", f"m5.{n}xlarge") for n in range(len(matrix)))
    return FeatureFrame(datetime.now(UTC), pools, model.feature_names, matrix)


def median_ms(run: Callable[[], object]) -> float:
    """Median of RUNS after a first run, milliseconds."""
    run()
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        run()
        times.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times)


def compare(name: str, run: Callable[[Any], object], inside: Any, outside: Any) -> None:
    """Print the times of one operation inside and outside of this process."""
    here, there = (median_ms(partial(run, each)) for each in (inside, outside))
    print(f"  {name:24} {here:9.3f} ms inside {there:9.3f} ms outside   {there / here:.2f}")


def main(pools: str = "6000") -> None:
    """Print milliseconds and ratios."""
    folder = Settings().models_dir
    with tempfile.TemporaryDirectory() as home:
        store = open_store(None, Path(home) / "spotlab.db")
        workers = ModelWorkers()
        isolation = Isolation(folder, store.registry.trusts, workers)
        shipped, sent = Predictor(folder), Predictor(folder, isolation=isolation)
        inside, outside = shipped.get(NAME), sent.get(NAME)
        rows = {count: synthetic_rows(inside, count) for count in (int(pools), LARGE)}
        began = time.perf_counter()
        outside.hazard_per_hour(rows[LARGE][:1])
        print(f"first start of a model's process: {time.perf_counter() - began:.2f} s")
        for count, matrix in rows.items():
            mine, theirs = inside.hazard_per_hour(matrix), outside.hazard_per_hour(matrix)
            assert mine.tobytes() == theirs.tobytes()
            name = f"a market of {count:,} pools"
            compare(name, lambda model, m=matrix: model.hazard_per_hour(m), inside, outside)
        frame = frame_of(inside, rows[int(pools)][:100])
        compare(
            "one explanation",
            lambda model: explain(model, frame, frame.pools[0], 24.0),
            inside,
            outside,
        )
        compare("finding the model", lambda predictor: predictor.get(NAME), shipped, sent)
        workers.close()
        store.close()


if __name__ == "__main__":
    main(*sys.argv[1:2])
