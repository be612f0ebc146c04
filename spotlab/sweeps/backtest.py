"""Running or resuming a sweep, and the report of its results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from spotlab.domain.ports import By
from spotlab.gym.results import differences, summarise
from spotlab.gym.sweep_cell import CellResult
from spotlab.processes.process_pool import Workers
from spotlab.runtime.lab import Lab
from spotlab.sweeps.plan import Sweep, SweepSpec, plan_sweep
from spotlab.sweeps.run import Progress, choose_workers, run_plan

_BLOCK_H: Final = 24.0
"""Windows that start on the same day are correlated: intervals draw them as one block."""


@dataclass(frozen=True, slots=True)
class SweepReport:
    """Results of a sweep; identical for identical ids, however often the sweep was interrupted.

    Args:
        sweep: the sweep.
        results: of every cell, in the order of the plan.
    """

    sweep: Sweep
    results: tuple[CellResult, ...]

    @property
    def summary(self) -> dict[str, Any]:
        """Figures of each policy; see `gym.results.summarise`."""
        return summarise(self.results, **self._bootstrap())

    @property
    def differences(self) -> list[dict[str, Any]]:
        """Every pair of policies on the same windows; see `gym.results.differences`."""
        return differences(self.results, **self._bootstrap())

    def as_document(self) -> dict[str, Any]:
        """The report as plain values with stable keys."""
        sweep, world = self.sweep, self.sweep.world
        return {
            **self.summary,
            "left_out": dict(sweep.left_out),
            "models": dict(sweep.models),
            "workloads": asdict(sweep.spec.workloads),
            "seed": sweep.spec.seed,
            "sweep_id": sweep.plan.sweep_id,
            "assumptions": list(world.assumptions),
            "sources": dict(zip(world.panel.names, world.panel.sources, strict=True)),
        }

    def as_text(self) -> str:
        """A table of the policies, cheapest first, with assumptions and excluded policies."""
        summary, sweep = self.summary, self.sweep
        head = (
            f"{'policy':<32}{'USD':>9}{'of on-demand':>14}{'regret':>9}{'95 %':>18}{'missed':>8}"
            f"{'moves':>8}{'down h':>8}"
        )
        ranked = sorted(summary["policies"].items(), key=lambda item: item[1]["cost_usd"])
        rows = [_row(name, figures) for name, figures in ranked]
        left_out = [f"{name} is excluded: {reason}" for name, reason in sweep.left_out.items()]
        totals = f"{summary['windows']} windows, means per window; sweep {sweep.plan.sweep_id}"
        return "\n".join([head, *rows, totals, *sweep.world.assumptions, *left_out])

    def _bootstrap(self) -> dict[str, int]:
        block_ticks = max(1, round(_BLOCK_H / self.sweep.world.tick_h))
        return {"seed": self.sweep.spec.seed, "block_ticks": block_ticks}


def start_or_resume(
    lab: Lab,
    spec: SweepSpec,
    progress: Progress,
    cancelled: Callable[[], bool],
    workers: Workers | None = None,
    by: By | None = None,
) -> SweepReport:
    """Run a sweep, or resume the same sweep after an interruption.

    Args:
        lab: with the database of cells and the models.
        spec: of the sweep.
        progress: called with the current step and the completed share, 0..1.
        cancelled: called every second.
        workers: that run the cells; None: according to the lab's settings.
        by: the user, for the audit log.
    Raises:
        InvalidInput, NotFound: the specification is not valid.
        Cancelled, SweepFailed, NotAvailable: see `run.run_plan`; finished cells are stored.
    """
    progress("reading traces", 0.0)
    sweep = plan_sweep(lab, spec)
    chosen = workers or choose_workers(lab.settings)
    home = lab.settings.home.absolute()
    now = lab.clock.now()
    results = run_plan(sweep.plan, lab.store.sweeps, chosen, home, now, progress, cancelled, by)
    return _report(sweep, results)


def _report(sweep: Sweep, results_by_key: Mapping[str, Mapping[str, Any]]) -> SweepReport:
    """The report of a finished sweep from its stored results."""
    results = (CellResult.from_json(dict(results_by_key[key])) for key in sweep.plan.cells)
    return SweepReport(sweep, tuple(results))


def _row(name: str, figures: Mapping[str, Any]) -> str:
    interval = "—" if figures["low"] is None else f"{figures['low']:.1%} to {figures['high']:.1%}"
    return (
        f"{name:<32}{figures['cost_usd']:>9.2f}{_share(figures['relative_to_on_demand']):>14}"
        f"{_share(figures['regret']):>9}{interval:>18}{figures['misses']:>8}"
        f"{figures['moves']:>8.1f}{figures['downtime_h']:>8.2f}"
    )


def _share(value: float | None) -> str:
    return "—" if value is None else f"{value:.1%}"
