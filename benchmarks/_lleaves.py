"""lleaves, in the environment of its own that `make bench` creates: scores the same rows.

    python benchmarks/_lleaves.py MODEL ROWS.npy SCORES.npy THREADS

Compiles the model, writes the scores, and then scores the rows again for each line on standard
input; each line that it prints is the number of seconds. Imports nothing of this package.
"""

from __future__ import annotations

import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np


def main(model_file: str, rows_file: str, scores_file: str, threads: str) -> None:
    """Answer each line of standard input."""
    import lleaves

    model = lleaves.Model(model_file=model_file)
    model.compile(cache=Path(scores_file).with_suffix(".lleaves"), raw_score=True)
    rows = np.load(rows_file)
    np.save(scores_file, model.predict(rows, n_jobs=int(threads)))
    print(version("lleaves"), flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        model.predict(rows, n_jobs=int(threads))
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
