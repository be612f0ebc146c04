"""Scores of the shipped model: SpotLab's kernels beside LightGBM and lleaves, on the same rows.

    python -m benchmarks scoring [--pools=60000] [--json]

lleaves needs an older llvmlite, so it runs in another process, in the environment that `make bench`
creates for it; without that, there is no row for it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks._comparison import Row, compare, show
from spotlab.inference.boosters import ValidatedBooster
from spotlab.inference.kernel_loader import KERNELS
from spotlab.inference.lightgbm_import import lightgbm
from spotlab.inference.model_text import TreeModel
from spotlab.inference.tree_structure import validate_trees
from spotlab.processes.kernels import THREADS

MODEL = Path(__file__).parent.parent / "models" / "advisor-lgbm" / "1.2.0" / "model.txt"
LLEAVES = Path(sys.prefix) / "lleaves" / "bin" / "python"


def opened() -> tuple[TreeModel, ValidatedBooster, object]:
    """The shipped model: parsed, in SpotLab with its kernels, and in LightGBM."""
    content = MODEL.read_bytes()
    model = validate_trees(content)
    if reason := KERNELS.load():
        raise SystemExit(f"The kernels cannot be used: {reason}")
    booster = ValidatedBooster(content, model.feature_names, None)
    return model, booster, lightgbm().Booster(model_str=content.decode())


def rows_of(model: TreeModel, count: int, seed: int = 1) -> np.ndarray:
    """Rows over the range of each column's thresholds, 5 % of the values unknown."""
    rng = np.random.default_rng(seed)
    rows = rng.random((count, len(model.feature_names)))
    for column in range(rows.shape[1]):
        found = [
            tree.threshold[node]
            for tree in model.trees
            for node, number in enumerate(tree.split_feature)
            if number == column
        ]
        if found:
            rows[:, column] = rng.uniform(min(found) - 0.5, max(found) + 0.5, count)
    rows[rng.random(rows.shape) < 0.05] = np.nan
    return rows


def measured(pools: int = 60_000) -> list[Row]:
    """The comparisons; the scores must be equal."""
    model, booster, peer = opened()
    rows = rows_of(model, pools)
    expected = peer.predict(rows, raw_score=True)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(booster.raw_score(rows), expected)

    def theirs(part: np.ndarray, threads: int) -> np.ndarray:
        return peer.predict(part, raw_score=True, num_threads=threads)  # type: ignore[attr-defined]

    found = [
        compare(
            f"score {pools:,} pools, {THREADS} threads each",
            lambda: booster.raw_score(rows),
            "LightGBM",
            lambda: theirs(rows, THREADS),
            10.0,
        )
    ]
    if LLEAVES.exists():
        with lleaves_of(rows, expected) as (name, scores):
            found.append(
                compare(
                    f"score {pools:,} pools, {THREADS} threads each",
                    lambda: booster.raw_score(rows),
                    name,
                    scores,
                    2.0,
                )
            )
    one = rows[:1].copy()

    def thousand(run: object) -> object:
        return [run() for _ in range(1000)]  # type: ignore[operator]

    found.append(
        compare(
            "score one row 1,000 times, warm",
            lambda: thousand(lambda: booster.raw_score(one)),
            "LightGBM, 1 thread",
            lambda: thousand(lambda: theirs(one, 1)),
            0.9,
        )
    )
    return found


@contextmanager
def lleaves_of(
    rows: np.ndarray, expected: np.ndarray
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Name and version of lleaves, and a call that scores the rows; its scores must agree."""
    with tempfile.TemporaryDirectory() as folder:
        given, scores = Path(folder) / "rows.npy", Path(folder) / "scores.npy"
        np.save(given, rows)
        script = Path(__file__).with_name("_lleaves.py")
        command = [LLEAVES, script, MODEL, given, scores, str(THREADS)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            assert process.stdin is not None, "it is a pipe"
            assert process.stdout is not None, "it is a pipe"
            version = process.stdout.readline().strip()
            np.testing.assert_allclose(np.load(scores), expected, rtol=0.0, atol=1e-12)

            def again() -> None:
                process.stdin.write("\n")  # type: ignore[union-attr]
                process.stdin.flush()  # type: ignore[union-attr]
                process.stdout.readline()  # type: ignore[union-attr]

            yield f"lleaves {version}", again
            process.stdin.close()


def main(pools: str = "60000", json: str = "") -> None:
    """Print the comparisons."""
    show(measured(int(pools)), json != "")
