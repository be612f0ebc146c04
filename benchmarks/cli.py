"""Time of commands, each in a new process.

    python -m benchmarks cli [--runs=5] [--json]

Processor seconds are the median of the runs. `score` and `evaluate --all` run on a home whose
simulated market was collected, and are also measured until they end, as they wait for other
processes; their fastest run counts. The peer is the time that is wanted.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks._comparison import Row, show
from benchmarks._server import SPOTLAB

PROCESSOR_S = {"--help": 0.25, "version": 0.25}
ELAPSED_S = {"score": 1.2, "evaluate --all": 2.5}


def main(runs: str = "5", json: str = "") -> None:
    """Print one row a command."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="spotlab-cli-") as folder:
        home = Path(folder)
        for command, limit_s in PROCESSOR_S.items():
            _run(command, home)
            used = [_run(command, home)[0] for _ in range(int(runs))]
            rows.append(against(f"spotlab {command} (processor)", median(used), limit_s))
        _run("collect", home)
        for command, limit_s in ELAPSED_S.items():
            _run(command, home)
            measured = [_run(command, home) for _ in range(int(runs))]
            used_s, elapsed_s = zip(*measured, strict=True)
            rows.append(against(f"spotlab {command} (processor)", median(used_s), limit_s))
            rows.append(against(f"spotlab {command}", min(elapsed_s), limit_s))
    show(rows, as_json=bool(json))


def against(what: str, ours: float, limit: float) -> Row:
    """A row whose peer is the largest value that is wanted."""
    return Row(what, ours, "limit", limit, limit / ours, 1.0, ours <= limit)


def _run(command: str, home: Path) -> tuple[float, float]:
    """Processor seconds and elapsed seconds of a command."""
    settings = {"SPOTLAB_HOME": str(home), "SPOTLAB_MARKET": "simulated"}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [SPOTLAB, *command.split()], env=os.environ | settings, capture_output=True, text=True
    )
    elapsed = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"spotlab {command} failed: {done.stderr[-2000:]}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used, elapsed
