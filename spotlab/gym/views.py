"""Policies' inputs (views) and outputs (actions).

The arrays of a View are slices of buffers that are filled tick by tick during the simulation, so
that they never contain future values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from spotlab.gym.workloads import Workload
from spotlab.gym.world import FloatArray, World

ON_DEMAND: Final = -1
"""The place of an on-demand instance; spot pools are 0..p-1."""


class Do(StrEnum):
    """The kind of an action."""

    STAY = "stay"
    """Change nothing; an instance that is starting continues to start."""
    START = "start"
    """Write a checkpoint, end all instances, and start one."""
    MOVE = "move"
    """Start an instance, and end the old one when the new one is ready; both are paid meanwhile."""
    CANCEL = "cancel"
    """End the instance that a move is starting; the old one keeps running."""
    STOP = "stop"
    """Write a checkpoint and end all instances."""


@dataclass(frozen=True, slots=True)
class Action:
    """A policy's action at a tick.

    Args:
        do: its kind.
        place: for START and MOVE, a pool's number or ON_DEMAND.
        why: short reason for the timeline.
        probes: pools whose capacity is probed by a launch that is ended at once. Every view
            contains all pools' availability: this is for policies that pay for what they know.
    """

    do: Do
    place: int | None = None
    why: str = ""
    probes: tuple[int, ...] = ()


STAY: Final = Action(Do.STAY)


@dataclass(frozen=True, slots=True)
class View:
    """The input of a policy at a tick, with n rows of the past; the last row is the current tick.

    Args:
        tick: number of the current tick in the window, from 0.
        tick_h: length of a tick, h.
        names: (p,) names of the pools.
        workload: the job or service.
        available: (n, p) 1, 0, or NaN for no record, since the start of the trace.
        spot_usd_per_hour: (n, p).
        on_demand_usd_per_hour: USD per hour.
        buckets: (p,) advisor buckets, NaN if unknown, or None.
        forecasts: for each model: (horizon_h, (n, p) risks), by horizon.
        place: where the instance runs or starts: a pool, ON_DEMAND, or None.
        ready_in_h: hours until it is ready; 0 if it is.
        moving_to: where a move is starting an instance, or None.
        move_ready_in_h: hours until that instance takes over; 0 if there is none.
        changeover_h, checkpoint_h: the workload's durations, rounded to quanta.
        work_left_h: hours of work left; for a service, hours left to serve.
        at_risk_h: hours of completed work that an interruption now would undo.
        deadline_in_h: hours until the deadline or the end of service.
        elapsed_h: hours since the start of the window.
        move_usd: (p,) cost of moving the job's data to each pool, USD.
        paid_usd: cost so far, USD, with that of a service's downtime.
        starts: instances started so far.
    """

    tick: int
    tick_h: float
    names: tuple[str, ...]
    workload: Workload
    available: FloatArray
    spot_usd_per_hour: FloatArray
    on_demand_usd_per_hour: float
    buckets: FloatArray | None
    forecasts: Mapping[str, tuple[tuple[float, FloatArray], ...]]
    place: int | None
    ready_in_h: float
    moving_to: int | None
    move_ready_in_h: float
    changeover_h: float
    checkpoint_h: float
    work_left_h: float
    at_risk_h: float
    deadline_in_h: float
    elapsed_h: float
    move_usd: FloatArray
    paid_usd: float
    starts: int

    @property
    def up(self) -> NDArray[np.bool_]:
        """(p,) whether an instance can be started now; False if there is no record."""
        return np.asarray(self.available[-1] == 1.0)

    @property
    def prices(self) -> FloatArray:
        """(p,) current spot prices, USD per hour."""
        return np.asarray(self.spot_usd_per_hour[-1])


class Policy(Protocol):
    """Decides at each tick. Each cell has its own instance, so it may hold state."""

    def decide(self, view: View) -> Action:
        """The action at this tick."""


class Past:
    """The buffers behind a View; a row is written when its tick is reached, not earlier."""

    def __init__(self, world: World, first_tick: int, ticks: int) -> None:
        self._world = world
        self._written = 0
        shape = (first_tick + ticks, len(world.panel.names))
        self._available = np.full(shape, np.nan)
        self._prices = np.full(shape, np.nan)
        self._risks = {
            model: [(one.horizon_h, one.risk, np.full(shape, np.nan)) for one in forecasts]
            for model, forecasts in world.forecasts.items()
        }

    def reach(self, tick: int) -> None:
        """Write the rows up to the world's tick `tick`."""
        rows = slice(self._written, tick + 1)
        self._available[rows] = self._world.panel.available[rows]
        self._prices[rows] = self._world.spot_usd_per_hour[rows]
        for forecasts in self._risks.values():
            for _, source, target in forecasts:
                target[rows] = source[rows]
        self._written = tick + 1

    @property
    def available(self) -> FloatArray:
        """(n, p) rows so far, read-only."""
        return self._rows_so_far(self._available)

    @property
    def prices(self) -> FloatArray:
        """(n, p) rows so far, read-only."""
        return self._rows_so_far(self._prices)

    @property
    def forecasts(self) -> dict[str, tuple[tuple[float, FloatArray], ...]]:
        """For each model, (horizon_h, (n, p) rows so far), read-only."""
        return {
            model: tuple((horizon_h, self._rows_so_far(rows)) for horizon_h, _, rows in forecasts)
            for model, forecasts in self._risks.items()
        }

    def _rows_so_far(self, buffer: FloatArray) -> FloatArray:
        rows = buffer[: self._written]
        rows.flags.writeable = False
        return rows
