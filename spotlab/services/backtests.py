"""Backtests: everybody who reads sees them, researchers start and stop them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spotlab.domain.access import Right
from spotlab.domain.ports.backtests import SweepRecord
from spotlab.gym.world import World
from spotlab.services.base import DeskPart
from spotlab.sweeps.backtest import SweepReport, start_or_resume
from spotlab.sweeps.plan import Sweep, plan_sweep, spec_of
from spotlab.sweeps.process_pool import Workers
from spotlab.sweeps.queue import SweepJobs, SweepProgress
from spotlab.sweeps.run import Progress, choose_workers
from spotlab.sweeps.spec import SweepSpec
from spotlab.sweeps.uploaded_files import keep


class BacktestsDesk(DeskPart):
    """Sweeps, their results, and the files they are made from."""

    __slots__ = ()

    def open_jobs(self) -> SweepJobs:
        """What works sweeps off beside a server; one of it is enough, and its maker closes it."""
        home = self.lab.settings.home.absolute()
        workers = choose_workers(self.lab.settings)
        return SweepJobs(self.lab.store.sweeps, workers, home, self.lab.clock)

    def list(self, limit: int = 100) -> Sequence[SweepRecord]:
        """Newest first. Raises Forbidden."""
        self.require(Right.READ)
        return self.lab.store.sweeps.list(limit)

    def get(self, sweep_id: str) -> SweepRecord:
        """One of them. Raises NotFound, Forbidden."""
        self.require(Right.READ)
        return self.lab.store.sweeps.get(sweep_id)

    def finished(self, sweep_id: str) -> Mapping[str, Mapping[str, Any]]:
        """The finished cells' results, by key. Raises Forbidden."""
        self.require(Right.READ)
        return self.lab.store.sweeps.finished(sweep_id)

    def progress(self, sweep_id: str, jobs: SweepJobs) -> SweepProgress:
        """How far one is. Raises NotFound, Forbidden."""
        self.require(Right.READ)
        return jobs.progress(sweep_id)

    def plan(self, spec: SweepSpec) -> Sweep:
        """A sweep that could be started; see `plan_sweep` for what else is raised.

        Raises:
            Forbidden: they may not start backtests.
        """
        self.require(Right.BACKTEST)
        return plan_sweep(self.lab, spec)

    def again(self, record: SweepRecord) -> Sweep:
        """A kept sweep as it would be planned today: another id where something has changed.

        Raises:
            Forbidden: they may not read.
            NotAvailable: not all that was asked is written down.
            InvalidInput, NotFound: its traces or models are not there any more.
        """
        self.require(Right.READ)
        return plan_sweep(self.lab, spec_of(record.config))

    def world(self, record: SweepRecord, *, forecasts: bool) -> World:
        """What a kept sweep replays, with or without models' forecasts. Raises as `again`."""
        sweep = self.again(record)
        world: World = sweep.plan.build()[1] if forecasts else sweep.world
        return world

    def start(self, sweep: Sweep, jobs: SweepJobs) -> SweepRecord:
        """Start it, or leave it as it is where it runs or is done. Raises Forbidden."""
        self.require(Right.BACKTEST)
        return jobs.submit(sweep.plan, self.by())

    def cancel(self, sweep_id: str, jobs: SweepJobs) -> None:
        """Stop it, whichever process runs it; finished cells are kept.

        Raises:
            NotFound, Forbidden: nothing was stopped.
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
        """Run one here and now; see `start_or_resume` for what else is raised.

        Raises:
            Forbidden: they may not start backtests.
        """
        self.require(Right.BACKTEST)
        return start_or_resume(self.lab, spec, progress, cancelled, workers, self.by())

    def keep(self, part: str, named: Mapping[str, bytes]) -> Path:
        """Keep files that were sent, under a folder named by their content.

        Args:
            part: of the home: kept_files.TRACES or PRICES.
            named: content by name.
        Raises:
            Forbidden: they may not start backtests, and so send nothing.
        """
        self.require(Right.BACKTEST)
        place, new = keep(self.lab.settings.home.absolute(), part, named)
        if new:
            told = {name: len(content) for name, content in sorted(named.items())}
            self.lab.store.audit.add(self.by(), f"{part}.keep", place.name, None, told)
        return place
