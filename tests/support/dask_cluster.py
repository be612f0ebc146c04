"""A Dask cluster of worker processes on loopback, in a separate process.

python -m tests.support.dask_cluster WORKERS: print the scheduler's address, stay until stdin ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
QUICK = {
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
    "DASK_LOGGING__DISTRIBUTED": "critical",
}
"""The scheduler gives up an item after one worker died, which makes tests quick."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Args:
        address: its scheduler's.
        process: the scheduler's; its workers end with it.
    """

    address: str
    process: subprocess.Popen[str]


@contextmanager
def dask_cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """A cluster that ends with this process at the latest."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.dask_cluster", str(workers)],
        stdin=pipe,
        stdout=pipe,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, **QUICK, "DASK_TEMPORARY_DIRECTORY": str(folder)},
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        address = process.stdout.readline().strip()
        assert address, "the cluster did not start"
        try:
            yield Cluster(address, process)
        finally:
            process.stdin.close()


def main() -> None:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=int(sys.argv[1]), threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
