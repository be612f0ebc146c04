"""Specification of a sweep: traces, workloads, policies and prices."""

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

Range = tuple[float, float]
"""Lowest and highest value of a uniform distribution."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """Jobs with a deadline, one drawn per window; see `gym.workloads.DeadlineJob`."""

    work_h: float = WORK_H
    deadlines_h: Range = DEADLINES_H
    changeovers_h: Range = CHANGEOVERS_H
    checkpoint_h: float = 0.0

    def windows(self, world: World, count: int, seed: int) -> tuple[Window, ...]:
        """`count` windows at random times. Raises InvalidInput if the world is too short."""
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
    """Services that should always be up, one per window; see `gym.workloads.Service`."""

    hours: float
    downtime_usd_per_hour: float
    changeovers_h: Range = CHANGEOVERS_H

    def windows(self, world: World, count: int, seed: int) -> tuple[Window, ...]:
        """`count` windows at random times. Raises InvalidInput if the world is too short."""
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
    """Prices of instances, which traces do not contain.

    Args:
        on_demand_usd_per_hour: the same in every pool.
        spot_usd_per_hour: the same in every pool; ignored if there is a file.
        file: CSV with a price for each trace, and optionally its advisor bucket.
        told: source of the first two, one sentence.
        columns: names of the file's columns, if it has no header line.
    """

    on_demand_usd_per_hour: float
    spot_usd_per_hour: float
    file: Path | None = None
    told: str = "Prices are as given."
    columns: tuple[str, ...] = ()


RECORDED_PRICES: Final = Prices(
    3.06,
    0.918,
    told="On-demand is 3.06 USD/h, the price of p3.2xlarge in us-east-1; spot 0.918 USD/h, the "
    "lowest price recorded for it in us-east-1, us-east-2 and us-west-2 from 2019-12-20 to "
    "2020-03-23.",
)
"""Default prices: those of the type that the recorded campaigns probed."""


@dataclass(frozen=True, slots=True)
class TraceChoice:
    """A folder of traces, and properties not stated in them; see `recorded.traces.read_trace`."""

    folder: Path
    format: TraceFormat | None = None
    polarity: Polarity | None = None
    gap_s: float | None = None
    columns: tuple[str, ...] = ()
    zone_ids: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SweepSpec:
    """A sweep as specified by a user.

    Args:
        traces: to replay.
        workloads: the jobs or the services.
        policies: names; ("all",): every policy that fits.
        models: for SpotLab's policy: names, name@version or a task; empty: the champion of the task
            capacity. Used with "all" only.
        windows: number of windows; each has its own workload.
        seed: of the windows and of the intervals.
        prices: of instances.
    """

    traces: TraceChoice
    workloads: Jobs | Services
    policies: tuple[str, ...]
    models: tuple[str, ...]
    windows: int
    seed: int
    prices: Prices
