"""A first prediction of a stranger's model, in a process of its own. Runtime floor.

The model is opened and asked here, never in the app: one that hangs, or that eats memory, ends with
this process. `python -m spotlab.runtime.dry_run FOLDER MEMORY_MB SECONDS` prints one line of JSON.
"""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from spotlab.errors import ArtefactRefused, NotAvailable, SpotlabError
from spotlab.processes.limits import Limits, environment, restrict

ROWS: Final = 256
SEED: Final = 7
HORIZON_H: Final = 24.0
UNBOUNDED: Final = 1000.0
"""How far beyond its other bound a feature is drawn that the card does not bound."""
_OUTPUT_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class DryRunLimits:
    """What a first prediction may take.

    Args:
        memory_mb: address space of its process, MB.
        wall_s: seconds until it is ended.
    """

    memory_mb: int = 1024
    wall_s: float = 30.0


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a first prediction gave.

    Args:
        rows: how many synthetic rows were predicted, twice.
        risk_low, risk_high: the smallest and largest P(interrupted within 24 h) of them.
        seconds: to open the model and predict.
    """

    rows: int
    risk_low: float
    risk_high: float
    seconds: float


def dry_run(folder: Path, limits: DryRunLimits) -> DryRun:
    """Open an artefact and predict rows drawn within its card's bounds, in another process.

    Raises:
        ArtefactRefused: it cannot be opened, takes too long or too much, or predicts what is no
            probability; says which.
        NotAvailable: no process could be started.
    """
    words = [sys.executable, "-m", "spotlab.runtime.dry_run", str(folder)]
    try:
        done = subprocess.run(
            [*words, str(limits.memory_mb), str(math.ceil(limits.wall_s))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            timeout=limits.wall_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ArtefactRefused(
            f"A first prediction took more than {limits.wall_s:g} s.",
            remedy="A model answers 256 rows in well under a second.",
        ) from None
    except OSError as exc:
        raise NotAvailable(f"No process for a first prediction: {exc.strerror}.") from exc
    return _read_answer(done.returncode, done.stdout, limits)


def _read_answer(code: int, printed: bytes, limits: DryRunLimits) -> DryRun:
    lines = printed[-_OUTPUT_BYTES:].splitlines()
    try:
        answer = json.loads(lines[-1]) if code in (0, 1) and lines else {}
    except ValueError:
        answer = {}
    if code == 0 and answer:
        return DryRun(**answer)
    if "refused" in answer:
        raise ArtefactRefused(answer["refused"], remedy=answer["remedy"])
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    raise ArtefactRefused(
        f"A first prediction {how}, within {limits.memory_mb} MB and {limits.wall_s:g} s.",
        remedy="The model is damaged, or takes more memory than it may.",
    )


def main(argv: list[str]) -> int:
    """The other process: 0 and a DryRun as JSON, or 1 and {"refused", "remedy"}."""
    folder, memory_mb, seconds = Path(argv[0]), int(argv[1]), int(argv[2])
    restrict(Limits(memory_mb, seconds))
    try:
        answer, code = _first_prediction(folder), 0
    except SpotlabError as exc:
        answer, code = _refusal(exc.message, exc.remedy), 1
    except MemoryError:
        answer, code = _refusal(f"A first prediction takes more than {memory_mb} MB."), 1
    except Exception as exc:
        answer, code = _refusal(f"A first prediction failed: {type(exc).__name__}: {exc}"), 1
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
    return code


def _refusal(message: str, remedy: str = "") -> dict[str, Any]:
    one_line = " ".join(message.split())
    return {"refused": one_line[:500], "remedy": remedy or "Train and save the model again."}


def _first_prediction(folder: Path) -> dict[str, Any]:
    import numpy as np

    from spotlab.inference import artefacts

    began = time.perf_counter()
    model = artefacts.load(folder)
    matrix = _synthetic_rows(artefacts.verify(folder).card.spec.features)
    first = model.hazard_per_hour(matrix)
    second = model.hazard_per_hour(matrix.copy())
    with np.errstate(over="ignore"):
        risk = -np.expm1(-np.asarray(first, dtype=np.float64) * HORIZON_H)
    if first.shape != (len(matrix),):
        raise ArtefactRefused(f"It predicts {first.shape} for {len(matrix)} rows.")
    if not np.isfinite(first).all():
        bad = int((~np.isfinite(first)).sum())
        raise ArtefactRefused(
            f"It predicts no number for {bad} of {len(matrix)} rows within its card's bounds."
        )
    if not ((risk >= 0.0) & (risk <= 1.0)).all():
        raise ArtefactRefused("It predicts what is no probability: outside 0..1.")
    if first.tobytes() != second.tobytes():
        raise ArtefactRefused("It predicts otherwise when the same rows are given again.")
    return {
        "rows": len(matrix),
        "risk_low": float(risk.min()),
        "risk_high": float(risk.max()),
        "seconds": time.perf_counter() - began,
    }


def _synthetic_rows(features: Any) -> Any:
    """Rows within the card's bounds; in the second half, what may be unknown often is."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    columns = []
    for feature in features:
        low, high = feature.low, feature.high
        low = low if low is not None else (-UNBOUNDED if high is None else high - UNBOUNDED)
        high = high if high is not None else low + UNBOUNDED
        column = low + (high - low) * rng.random(ROWS)
        if feature.nullable:
            column[ROWS // 2 :][rng.random(ROWS - ROWS // 2) < 0.5] = np.nan
        columns.append(np.clip(column, low, high))
    return np.ascontiguousarray(np.column_stack(columns), dtype=np.float64)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
