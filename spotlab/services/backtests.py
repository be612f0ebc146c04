"""Backtests: sweeps, their results and uploaded traces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spotlab.domain.access import Right
from spotlab.domain.ports.backtests import SweepRecord
from spotlab.gym.world import World
from spotlab.processes.process_pool import Workers
from spotlab.services.base import Service
from spotlab.sweeps.backtest import SweepReport, start_or_resume
from spotlab.sweeps.plan import Sweep, plan_sweep, spec_of
from spotlab.sweeps.queue import SweepProgress, SweepQueue
from spotlab.sweeps.run import Progress, choose_workers
from spotlab.sweeps.spec import SweepSpec
from spotlab.sweeps.sweep_summary import SweepFigures, figures_of
from spotlab.sweeps.uploaded_files import store_files


class BacktestService(Service):
    """Sweeps, their results and their files."""

    __slots__ = ()

    def open_jobs(self) -> SweepQueue:
        """The queue that runs sweeps in a server; one per process, closed by the caller."""
        home = self.lab.settings.home.absolute()
        workers = choose_workers(self.lab.settings)
        return SweepQueue(self.lab.store.sweeps, workers, home, self.lab.clock)

    def list(self, limit: int = 100) -> Sequence[SweepRecord]:
        """Sweeps, newest first. Raises Forbidden."""
        self.require(Right.READ)
        return self.lab.store.sweeps.list(limit)

    def get(self, sweep_id: str) -> SweepRecord:
        """One sweep. Raises NotFound, Forbidden."""
        self.require(Right.READ)
        return self.lab.store.sweeps.get(sweep_id)

    def finished(self, sweep_id: str) -> Mapping[str, Mapping[str, Any]]:
        """Results of the finished cells, by key. Raises Forbidden."""
        self.require(Right.READ)
        return self.lab.store.sweeps.finished(sweep_id)

    def progress(self, sweep_id: str, jobs: SweepQueue) -> SweepProgress:
        """Progress of one sweep. Raises NotFound, Forbidden."""
        self.require(Right.READ)
        return jobs.progress(sweep_id)

    def plan(self, spec: SweepSpec) -> Sweep:
        """Plan a sweep without starting it; see `plan_sweep` for other errors.

        Raises:
            Forbidden: the user may not start backtests.
        """
        self.require(Right.BACKTEST)
        return plan_sweep(self.lab, spec)

    def figures(self, record: SweepRecord) -> SweepFigures | None:
        """Figures of the complete windows; None if there are none. Raises Forbidden."""
        return figures_of(record, self.finished(record.sweep_id))

    def replan(self, record: SweepRecord) -> Sweep:
        """Plan a recorded sweep again; its id differs if a model, a file or the code has changed.

        Raises:
            Forbidden: the user may not read.
            NotAvailable: the record does not contain every option.
            InvalidInput, NotFound: its traces or models no longer exist.
        """
        self.require(Right.READ)
        return plan_sweep(self.lab, spec_of(record.config))

    def world(self, record: SweepRecord, *, forecasts: bool) -> World:
        """Prices and availability of a recorded sweep, with or without the models' forecasts.

        Raises as `replan`.
        """
        sweep = self.replan(record)
        world: World = sweep.plan.build()[1] if forecasts else sweep.world
        return world

    def start(self, sweep: Sweep, jobs: SweepQueue) -> SweepRecord:
        """Start a sweep, unless it is running or done. Raises Forbidden."""
        self.require(Right.BACKTEST)
        return jobs.submit(sweep.plan, self.by())

    def cancel(self, sweep_id: str, jobs: SweepQueue) -> None:
        """Cancel a sweep, whichever process runs it; finished cells are kept.

        Raises:
            NotFound, Forbidden: nothing was cancelled.
        """
        self.require(Right.BACKTEST)
        jobs.cancel(sweep_id, self.by())

    def run(
        self,
        spec: SweepSpec,
        progress: Progress,
        cancelled: Callable[[], bool],
        workers: Workers | None = None,
    ) -> SweepReport:
        """Run a sweep in this process; see `start_or_resume` for other errors.

        Raises:
            Forbidden: the user may not start backtests.
        """
        self.require(Right.BACKTEST)
        return start_or_resume(self.lab, spec, progress, cancelled, workers, self.by())

    def save_files(self, part: str, named: Mapping[str, bytes]) -> Path:
        """Store uploaded files in a folder named by a hash of their content.

        Args:
            part: folder in the home: uploaded_files.TRACES or PRICES.
            named: content by file name.
        Raises:
            Forbidden: the user may not start backtests.
        """
        self.require(Right.BACKTEST)
        folder, new = store_files(self.lab.settings.home.absolute(), part, named)
        if new:
            sizes = {name: len(content) for name, content in sorted(named.items())}
            self.lab.store.audit.add(self.by(), f"{part}.keep", folder.name, None, sizes)
        return folder
