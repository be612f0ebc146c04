"""Evaluation of a fleet on the recorded market, ledger included, compared with one at a time.

    python -m benchmarks fleet [--instances=1000] [--data=../shared/data] [--json]

Seconds are of CPU time. One at a time is measured on some of the instances, each with an evaluation
of its own, and counted for all. How much resident memory a run has left behind is printed too. With
two Dask workers, it is elapsed time, since three processes work.
"""

from __future__ import annotations

import gc
import logging
import resource
import sys
import time
from pathlib import Path

from benchmarks._comparison import Row, compare, show
from benchmarks._recorded import instances_on, recorded_folder, recorded_lab, run_instances
from spotlab.inference.kernel_loader import KERNELS
from spotlab.processes.dask_pool import DaskWorkers
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab

REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
SMALL, SMALL_S, LARGE_S, TIMES = 24, 0.25, 3.0, 20.0
WORKERS = 2
ALONE = 5
"""Instances that are evaluated one at a time."""


def measured(lab: Lab, instances: int) -> list[Row]:
    """Rows of a small fleet and of a large one."""
    KERNELS.load()
    pools = lab.market().pools()
    rows = []
    for count, budget_s, times in ((SMALL, SMALL_S, None), (instances, LARGE_S, TIMES)):
        fleet = instances_on(pools, count, REGIONS)
        run_instances(lab, fleet)
        evaluate_instances(lab, [fleet[0].instance_id])
        before = resident_mb()
        together_s = _seconds(lab, None)
        gc.collect()
        kept = f"{count} instances: {resident_mb() - before:+.0f} MB kept, peak {peak_mb():.0f} MB"
        print(kept, file=sys.stderr)
        alone_s = sum(_seconds(lab, [each.instance_id]) for each in fleet[:ALONE]) / ALONE * count
        what = f"{count:,} instances in {len(REGIONS)} regions"
        ratio = alone_s / together_s
        reached = None if times is None else ratio >= times
        rows.append(Row(what, together_s, "one at a time", alone_s, ratio, times, reached))
        within = budget_s / together_s
        rows.append(Row(what, together_s, "budget", budget_s, within, 1.0, within >= 1.0))
    return [*rows, on_dask(lab, what)]


def on_dask(lab: Lab, what: str) -> Row:
    """The large fleet, its first pass divided by region between two Dask workers; no target."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=WORKERS,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
    ) as cluster:
        workers = DaskWorkers(cluster.scheduler_address)
        return compare(
            f"{what}, {WORKERS} Dask workers, elapsed time",
            lambda: evaluate_instances(lab, workers=workers),
            "one process",
            lambda: evaluate_instances(lab),
            None,
            runs=3,
        )


def _seconds(lab: Lab, names: list[str] | None) -> float:
    """Of CPU time, which other processes disturb less than the time that passes."""
    started = time.process_time()
    evaluate_instances(lab, names)
    return time.process_time() - started


def resident_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def peak_mb() -> float:
    """The largest resident memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main(instances: str = "1000", data: str = "", json: str = "") -> None:
    """Print the rows."""
    folder = recorded_folder(data)
    if folder is not None:
        with recorded_lab(folder) as lab:
            show(measured(lab, int(instances)), json != "")
