"""Trace files of a small synthetic campaign, and a quick sweep over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from spotlab.processes.process_pool import FailedItem
from spotlab.runtime.lab import Lab
from spotlab.sweeps.backtest import SweepReport, start_or_resume
from spotlab.sweeps.spec import Jobs, Prices, Services, SweepSpec, TraceChoice
from tests.support.trace_files import ups_and_downs, write_counts

ZONES = ("zone-a", "zone-b", "zone-c")
JOBS = Jobs(6.0, (8.0, 10.0), (0.2, 0.2))
SERVICES = Services(12.0, 1.0, (0.2, 0.2))
POLICIES = ("on_demand", "spot_greedy", "uniform_progress_multi")
GIVEN = Prices(1.0, 0.3)


def write_campaign(folder: Path, days: int = 5) -> Path:
    """Three zones, a probe every ten minutes."""
    for number, zone in enumerate(ZONES):
        write_counts(folder / f"{zone}.json", ups_and_downs(days * 144, 3 + number))
    return folder


def spec_for(
    folder: Path,
    workloads: Jobs | Services = JOBS,
    policies: tuple[str, ...] = POLICIES,
    windows: int = 4,
) -> SweepSpec:
    """A sweep of a few windows."""
    return SweepSpec(TraceChoice(folder), workloads, policies, (), windows, 7, GIVEN)


def swept(lab: Lab, spec: SweepSpec) -> SweepReport:
    """The report of the finished sweep."""
    return start_or_resume(lab, spec, lambda *_: None, lambda: False, InProcessWorkers())


class InProcessWorkers:
    """Workers that run in this process, which is quick."""

    def run(
        self,
        function: Callable[[Any, Any], Any],
        shared: Any,
        items: Mapping[str, Any],
        on_done: Callable[[str, Any], None],
        cancelled: Callable[[], bool],
    ) -> list[FailedItem]:
        for name, item in items.items():
            assert not cancelled()
            on_done(name, function(shared, item))
        return []
