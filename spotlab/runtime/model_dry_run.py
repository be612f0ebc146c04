"""The trial prediction of an uploaded model, in a separate process.

The model is opened there and not in the app: if it hangs or uses too much memory, only that process
is killed.

`python -m spotlab.runtime.model_dry_run FOLDER MEMORY_MB SECONDS TREE_LIMITS` prints one line of
JSON.
"""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from spotlab.domain.features import Matrix
from spotlab.errors import ArtefactRefused, NotAvailable, SpotlabError
from spotlab.inference.adapters import CheckedModel
from spotlab.inference.artefacts import Artefact, load, verify
from spotlab.inference.capacity import CapacityModel
from spotlab.inference.card import CapacitySpec
from spotlab.inference.explain import ADDITIVITY_TOLERANCE
from spotlab.inference.tree_limits import TreeLimits
from spotlab.inference.tree_rows import Bounds, draw_rows, leaf_rows
from spotlab.inference.tree_structure import validate_trees
from spotlab.processes.limits import Limits, apply_limits, child_environment

DRAWN_ROWS: Final = 256
LEAF_ROWS: Final = 10_000
"""Maximum number of rows that each reach another leaf; a larger model is sampled."""
EXPLAINED_ROWS: Final = 64
"""Rows that are explained: an explanation visits every node of every tree, and takes a thousand
times as long as a prediction."""
SEED: Final = 7
HORIZON_H: Final = 24.0
_OUTPUT_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class DryRunLimits:
    """Limits of a trial prediction.

    Args:
        memory_mb: address space of its process, MB.
        wall_s: seconds until the process is killed.
        trees: maximum size of the model's trees.
    """

    memory_mb: int = 1024
    wall_s: float = 30.0
    trees: TreeLimits = field(default_factory=TreeLimits)


@dataclass(frozen=True, slots=True)
class DryRun:
    """Result of a trial prediction.

    Args:
        rows: number of synthetic rows that were predicted.
        risk_low, risk_high: smallest and largest P(interrupted within 24 h) of the rows.
        seconds: time to open the model and predict.
    """

    rows: int
    risk_low: float
    risk_high: float
    seconds: float


def dry_run(folder: Path, limits: DryRunLimits) -> DryRun:
    """Open an artefact, and predict and explain rows within its card's bounds, in another process.

    Raises:
        ArtefactRefused: the model cannot be opened, exceeds a limit, predicts values that are not
            probabilities, or has contributions that do not add up; the message says which.
        NotAvailable: no process could be started.
    """
    trees = json.dumps(asdict(limits.trees))
    command = [sys.executable, "-m", "spotlab.runtime.model_dry_run", str(folder)]
    try:
        done = subprocess.run(
            [*command, str(limits.memory_mb), str(math.ceil(limits.wall_s)), trees],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
            timeout=limits.wall_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ArtefactRefused(
            f"The trial prediction took more than {limits.wall_s:g} s.",
            remedy="A model should predict some thousand rows in well under a second.",
        ) from None
    except OSError as exc:
        raise NotAvailable(
            f"No process could be started for the trial prediction: {exc.strerror}."
        ) from exc
    return _read_result(done.returncode, done.stdout, limits)


def _read_result(code: int, output: bytes, limits: DryRunLimits) -> DryRun:
    lines = output[-_OUTPUT_BYTES:].splitlines()
    try:
        result = json.loads(lines[-1]) if code in (0, 1) and lines else {}
    except ValueError:
        result = {}
    if code == 0 and result:
        return DryRun(**result)
    if "refused" in result:
        raise ArtefactRefused(result["refused"], remedy=result["remedy"])
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    raise ArtefactRefused(
        f"The trial prediction {how}; its limits are {limits.memory_mb} MB and "
        f"{limits.wall_s:g} s.",
        remedy="The model is damaged, or needs more memory than the limit.",
    )


def main(argv: list[str]) -> int:
    """Entry point of the process: prints a DryRun and returns 0, or {"refused", "remedy"} and 1."""
    folder, memory_mb, seconds = Path(argv[0]), int(argv[1]), int(argv[2])
    apply_limits(Limits(memory_mb, seconds))
    try:
        result, code = _trial_prediction(folder, TreeLimits(**json.loads(argv[3]))), 0
    except SpotlabError as exc:
        result, code = _refusal(exc.message, exc.remedy), 1
    except MemoryError:
        result, code = _refusal(f"The trial prediction needs more than {memory_mb} MB."), 1
    except Exception as exc:
        result, code = _refusal(f"The trial prediction failed: {type(exc).__name__}: {exc}"), 1
    sys.stdout.write("\n" + json.dumps(result) + "\n")
    return code


def _refusal(message: str, remedy: str = "") -> dict[str, Any]:
    one_line = " ".join(message.split())
    return {"refused": one_line[:500], "remedy": remedy or "Train and save the model again."}


def _trial_prediction(folder: Path, limits: TreeLimits) -> dict[str, Any]:
    started = time.perf_counter()
    model = load(folder, limits)
    artefact = verify(folder)
    rows = _synthetic_rows(artefact, limits)
    first = _risk(model, rows)
    if first.shape[1:] != (len(rows),):
        raise ArtefactRefused(
            f"The model returns the shape {first.shape[1:]} for {len(rows)} rows."
        )
    if not np.isfinite(first).all():
        bad = int((~np.isfinite(first)).any(axis=0).sum())
        raise ArtefactRefused(
            f"The model predicts no number for {bad} of {len(rows)} rows within its card's bounds."
        )
    if not ((first >= 0.0) & (first <= 1.0)).all():
        raise ArtefactRefused("The model predicts a probability outside 0..1.")
    again = _risk(model, rows[:DRAWN_ROWS].copy())
    if first[:, :DRAWN_ROWS].tobytes() != again.tobytes():
        raise ArtefactRefused("The model predicts different values for the same rows.")
    if artefact.card.spec.kind != "sklearn":
        _check_explanations(model, rows[:: -(-len(rows) // EXPLAINED_ROWS)])
    return {
        "rows": len(rows),
        "risk_low": float(first[0].min()),
        "risk_high": float(first[0].max()),
        "seconds": time.perf_counter() - started,
    }


def _risk(model: CheckedModel | CapacityModel, rows: Matrix) -> Matrix:
    """(k, n) probabilities: within 24 h, and within each horizon that the model was fitted at."""
    with np.errstate(over="ignore"):
        day = -np.expm1(-np.asarray(model.hazard_per_hour(rows), dtype=np.float64) * HORIZON_H)
    if not isinstance(model, CapacityModel):
        return day[None]
    return np.stack([day, *(model.loss_probability(rows, h) for h in model.horizons_h)])


def _check_explanations(model: CheckedModel | CapacityModel, rows: Matrix) -> None:
    """Check that each row's contributions are finite and add up to its raw score."""
    if isinstance(model, CapacityModel):
        explained = [model.contributions(rows, horizon_h) for horizon_h in model.horizons_h]
        error = 0.0
    else:
        explained = [model.contributions(rows)]
        error = float(np.abs(_sum(*explained[0]) - model.raw_score(rows)).max())
    if not all(np.isfinite(_sum(*parts)).all() for parts in explained):
        raise ArtefactRefused("The model's contributions are not finite numbers.")
    if error > ADDITIVITY_TOLERANCE:
        raise ArtefactRefused(
            f"The model's contributions differ from its raw score by up to {error:g}."
        )


def _synthetic_rows(artefact: Artefact, limits: TreeLimits) -> Matrix:
    """Rows drawn within the card's bounds, then one row for each leaf that can be reached there."""
    spec = artefact.card.spec
    columns = [
        Bounds(
            -math.inf if feature.low is None else feature.low,
            math.inf if feature.high is None else feature.high,
            feature.nullable,
        )
        for feature in spec.features
    ]
    drawn = draw_rows(columns, DRAWN_ROWS, SEED)
    if spec.kind != "lightgbm":
        return drawn
    model = validate_trees(artefact.model, limits)
    if isinstance(spec, CapacitySpec):
        first, *_, last = (math.log(knot.horizon_h) for knot in spec.knots)
        columns.append(Bounds(first, last, nullable=False))
    reached = leaf_rows(model.trees, columns, LEAF_ROWS, SEED)
    return np.ascontiguousarray(np.vstack([drawn, reached[:, : len(spec.features)]]))


def _sum(parts: Matrix, base: Matrix) -> Matrix:
    """(n,) sums of contributions and base values."""
    return np.asarray(parts.sum(axis=1) + base, dtype=np.float64)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
