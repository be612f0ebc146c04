"""What is asked of a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spotlab.gym.windows import (
    CHANGEOVERS_H,
    DEADLINES_H,
    WORK_H,
    Window,
    deadline_windows,
    service_windows,
)
from spotlab.gym.world import World
from spotlab.recorded.traces import Polarity, TraceFormat

Span = tuple[float, float]
"""Lowest and highest of what is drawn uniformly."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """Jobs with a deadline, drawn one a window; see `gym.workloads.DeadlineJob`."""

    work_h: float = WORK_H
    deadlines_h: Span = DEADLINES_H
    changeovers_h: Span = CHANGEOVERS_H
    checkpoint_h: float = 0.0

    def windows(self, world: World, count: int, seed: int) -> tuple[Window, ...]:
        """As many, at random places of the world. Raises InvalidInput where it is too short."""
        return deadline_windows(
            world.panel,
            count,
            seed,
            work_h=self.work_h,
            deadlines_h=self.deadlines_h,
            changeovers_h=self.changeovers_h,
            checkpoint_h=self.checkpoint_h,
        )


@dataclass(frozen=True, slots=True)
class Services:
    """Services that should always be up, one a window; see `gym.workloads.Service`."""

    hours: float
    downtime_usd_per_hour: float
    changeovers_h: Span = CHANGEOVERS_H

    def windows(self, world: World, count: int, seed: int) -> tuple[Window, ...]:
        """As many, at random places of the world. Raises InvalidInput where it is too short."""
        return service_windows(
            world.panel,
            count,
            seed,
            hours=self.hours,
            downtime_usd_per_hour=self.downtime_usd_per_hour,
            changeovers_h=self.changeovers_h,
        )


@dataclass(frozen=True, slots=True)
class Prices:
    """What instances cost, where traces do not say.

    Args:
        on_demand_usd_per_hour: of one instance, wherever it is started.
        spot_usd_per_hour: of every pool; not used where there is a file.
        file: CSV with a price for each trace, and optionally its advisor bucket.
        told: where the first two are from, one sentence.
    """

    on_demand_usd_per_hour: float
    spot_usd_per_hour: float
    file: Path | None = None
    told: str = "Prices are as given."


RECORDED_PRICES: Final = Prices(
    3.06,
    0.918,
    told="On-demand is 3.06 USD/h, the price of p3.2xlarge in us-east-1; spot 0.918 USD/h, the "
    "lowest that was recorded of it in us-east-1, us-east-2 and us-west-2 from 2019-12-20 to "
    "2020-03-23.",
)
"""Of the type that the recorded campaigns probed, for traces that say nothing of prices."""


@dataclass(frozen=True, slots=True)
class TraceChoice:
    """Which traces, and what they do not say themselves; see `recorded.traces.read_trace`."""

    folder: Path
    format: TraceFormat | None = None
    polarity: Polarity | None = None
    gap_s: float | None = None


@dataclass(frozen=True, slots=True)
class SweepSpec:
    """A sweep as a person asks for it.

    Args:
        traces: what is replayed.
        workloads: the jobs or the services.
        policies: names; ("all",): every one that fits.
        models: whose forecasts SpotLab's policy uses: names, name@version or a task; none: the
            champion of the task capacity. Used with "all" only.
        windows: how many; each has a workload of its own.
        seed: of what is drawn: windows, and resamples of the intervals.
        prices: of instances.
    """

    traces: TraceChoice
    workloads: Jobs | Services
    policies: tuple[str, ...]
    models: tuple[str, ...]
    windows: int
    seed: int
    prices: Prices
