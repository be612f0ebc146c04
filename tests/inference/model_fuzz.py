"""`make model-fuzz`: checks that mutated models that pass validation are harmless to native code.

A worker process creates mutants from their numbers and validates them. An accepted mutant predicts
and explains rows on both sides of its splits, and its predictions are compared with a traversal of
the trees in Python: memory read out of bounds would give a different number. A worker prints each
mutant's number before it is tried, so that a crash or a hang can be attributed to the mutant, and
the next worker continues after it.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from spotlab.domain.features import Matrix
from spotlab.errors import ArtefactRefused
from spotlab.inference.boosters import ValidatedBooster
from spotlab.inference.lightgbm_import import lightgbm
from spotlab.inference.model_text import TreeModel
from spotlab.inference.tree_limits import TreeLimits
from spotlab.inference.tree_rows import Bounds, goes_left, leaf_rows
from spotlab.inference.tree_structure import validate_trees
from spotlab.inference.tree_text import Tree
from tests.inference.mutants import mutant
from tests.support import hostile_models
from tests.support.small_models import small_models

REFUSED, PREDICTED, WRONG, CRASHED, HUNG = "refused", "predicted", "wrong", "crashed", "hung"
MODULE: Final = "tests.inference.model_fuzz"
ROOT: Final = Path(__file__).resolve().parents[2]
HUNG_AFTER_S: Final = 30.0
STARTED_AFTER_S: Final = 300.0
BATCH: Final = 5000
CHECKED: Final = 300
WHOLE: Final = 0.002
"""Share of mutants that are created from a complete shipped model."""
_LIMITS: Final = TreeLimits(trees=300, leaves_per_tree=100, leaves=10_000, depth=40)
_EXTREMES: Final = (0.0, -0.0, 1e-36, -1.0, 1e308, -1e308, math.inf, -math.inf, math.nan, 31.0)


@dataclass
class Tally:
    """Results: counts by verdict, the numbers of mutants that predicted, and failures."""

    counts: Counter[str] = field(default_factory=Counter)
    predicted: list[int] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    def add(self, number: int, verdict: str) -> None:
        """Count one mutant."""
        kind = verdict.partition(":")[0]
        self.counts[kind] += 1
        if kind == PREDICTED:
            self.predicted.append(number)
        elif kind != REFUSED:
            self.bad.append(f"mutant {number} {verdict}")

    def __str__(self) -> str:
        kinds = (REFUSED, PREDICTED, CRASHED, HUNG, WRONG)
        counted = ", ".join(f"{kind}: {self.counts[kind]}" for kind in kinds)
        return f"mutants: {self.counts.total()}, {counted}"


def mutant_of(number: int) -> bytes:
    """The mutant with this number; deterministic."""
    chance = random.Random(number)
    if chance.random() < WHOLE:
        folder = chance.choice((hostile_models.ADVISOR, hostile_models.CAPACITY))
        return mutant((folder / "model.txt").read_text(), chance)
    return mutant(chance.choice(sorted(small_models().items()))[1], chance)


def verdict(content: bytes) -> str:
    """REFUSED, PREDICTED, or WRONG with the reason."""
    try:
        model = validate_trees(content, _LIMITS)
        booster = ValidatedBooster(content, model.feature_names, _LIMITS)
    except ArtefactRefused:
        return REFUSED
    rows = _rows(model)
    raw = booster.raw_score(rows)
    parts = _contributions(booster, rows[:8])
    if model.linear:
        return PREDICTED
    walked = _walked(model.trees, rows)
    if not np.array_equal(raw, walked, equal_nan=True):
        return f"{WRONG}: LightGBM's prediction differs from that of the trees"
    size = sum(max(map(abs, tree.leaf_value)) for tree in model.trees)
    if parts is None or (size < 1e9 and not _adds_up(parts, raw[:8], size)):
        return f"{WRONG}: contributions do not add up"
    return PREDICTED


def _contributions(booster: ValidatedBooster, rows: Matrix) -> Matrix | None:
    try:
        return booster.contributions(rows)
    except lightgbm().basic.LightGBMError:
        return None


def _adds_up(parts: Matrix, raw: Matrix, size: float) -> bool:
    return bool((np.abs(parts.sum(axis=1) - raw) <= 1e-9 * max(1.0, size)).all())


def _rows(model: TreeModel) -> Matrix:
    """Rows for every leaf, and extreme rows."""
    columns = [Bounds(-math.inf, math.inf, nullable=True)] * len(model.feature_names)
    chance = np.random.default_rng(5)
    extreme = chance.choice(_EXTREMES, (8, len(columns)))
    return np.vstack([extreme, leaf_rows(model.trees, columns, 60, 5)])


def _walked(trees: Sequence[Tree], rows: Matrix) -> Matrix:
    """(n,) raw scores, summed tree by tree as in LightGBM."""
    total = np.zeros(len(rows))
    with np.errstate(over="ignore", invalid="ignore"):
        for tree in trees:
            total += [tree.leaf_value[_leaf(tree, row)] for row in rows.tolist()]
    return total


def _leaf(tree: Tree, row: list[float]) -> int:
    node = 0 if tree.left_child else -1
    while node >= 0:
        left = goes_left(tree, node, row[tree.split_feature[node]])
        node = tree.left_child[node] if left else tree.right_child[node]
    return -node - 1


def work(numbers: Iterable[int]) -> None:
    """The worker: prints `number ?` before each mutant, and `number verdict` after it."""
    small_models()
    for number in numbers:
        _say(f"{number} ?")
        _say(f"{number} {verdict(mutant_of(number))}")


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def fuzz(mutants: int, processes: int, first: int = 0) -> Tally:
    """Try `mutants` mutants in worker processes; each mutant is counted once."""
    tally, lock = Tally(), threading.Lock()
    end = first + mutants

    def run(begin: int) -> None:
        for number, said in _verdicts(begin, min(begin + BATCH, end)):
            with lock:
                tally.add(number, said)

    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(run, range(first, end, BATCH)))
    return tally


def _verdicts(first: int, end: int) -> Iterator[tuple[int, str]]:
    """The verdicts; if a mutant ended its worker, a new worker continues after it."""
    while first < end:
        worker = subprocess.Popen(
            [sys.executable, "-m", MODULE, "--work", str(first), str(end)],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        began = -1
        with worker:
            for line in _lines(worker):
                number, _, said = line.partition(" ")
                began = int(number)
                if said != "?":
                    yield began, said
                    first = began + 1
        if first < end:
            if began < first:
                raise RuntimeError(f"No worker could be started for mutants from {first}.")
            hung = worker.returncode == -signal.SIGKILL
            yield first, HUNG if hung else f"{CRASHED}: code {worker.returncode}"
            first += 1


def _lines(worker: subprocess.Popen[bytes]) -> Iterator[str]:
    """Lines from a worker; it is killed if it prints nothing for too long."""
    assert worker.stdout is not None
    left, patience_s = b"", STARTED_AFTER_S
    while select.select([worker.stdout], [], [], patience_s)[0]:
        patience_s = HUNG_AFTER_S
        said = os.read(worker.stdout.fileno(), 2**16)
        if not said:
            return
        *whole, left = (left + said).split(b"\n")
        yield from (line.decode() for line in whole)
    worker.kill()


def check_memory(numbers: Sequence[int]) -> list[str]:
    """Try accepted mutants under valgrind, and return its errors in LightGBM, with their stacks.

    Python uses malloc there, so that a read beyond any array is detected.
    """
    with tempfile.NamedTemporaryFile("r") as log:
        tool = ["valgrind", "--undef-value-errors=no", "--leak-check=no", "--num-callers=30"]
        worker = [sys.executable, "-m", MODULE, "--only", *map(str, numbers)]
        done = subprocess.run(
            [*tool, f"--log-file={log.name}", *worker],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONMALLOC": "malloc"},
            stdout=subprocess.DEVNULL,
            check=False,
        )
        errors = re.split(r"^==\d+== \n", log.read(), flags=re.MULTILINE)
    found = [error for error in errors if "lib_lightgbm" in error]
    return found if done.returncode == 0 else [*found, f"valgrind ended with {done.returncode}"]


def main() -> int:
    """Print the results; returns 1 if anything failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mutants", type=int, default=200_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--checked", type=int, default=CHECKED, help="mutants under valgrind")
    parser.add_argument("--work", type=int, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--only", type=int, nargs="+", help="mutants to give to LightGBM here")
    args = parser.parse_args()
    if args.work or args.only:
        work(range(*args.work) if args.work else args.only)
        return 0
    tally = fuzz(args.mutants, args.processes, args.first)
    print("\n".join([*tally.bad, str(tally)]))
    found: list[str] = []
    if not shutil.which("valgrind"):
        print("memory: not checked; valgrind is not installed")
    elif args.checked:
        checked = sorted(tally.predicted)[: args.checked]
        found = check_memory(checked)
        print("\n".join([*found, f"memory: {len(checked)} under valgrind, errors: {len(found)}"]))
    return 1 if tally.bad or found else 0


if __name__ == "__main__":
    raise SystemExit(main())
