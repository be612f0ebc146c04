"""What a policy sees, and what it may do.

The arrays of a View are slices of buffers that are filled tick by tick as the replay goes on: what
comes later is in none of them, however they are reached.
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
    """What an action does."""

    STAY = "stay"
    """Nothing: what runs goes on, what starts goes on starting."""
    START = "start"
    """End what there is, with a checkpoint, and start an instance."""
    MOVE = "move"
    """Start an instance and end the old one once the new one is ready: both are paid meanwhile."""
    CANCEL = "cancel"
    """End the instance that a move is starting; the old one goes on."""
    STOP = "stop"
    """End all, with a checkpoint."""


@dataclass(frozen=True, slots=True)
class Action:
    """What to do at a tick.

    Args:
        do: the verb.
        place: where, for START and MOVE: a pool's number or ON_DEMAND.
        why: a few words for the timeline.
    """

    do: Do
    place: int | None = None
    why: str = ""


STAY: Final = Action(Do.STAY)


@dataclass(frozen=True, slots=True)
class View:
    """All that a policy may know at a tick; n rows of the past, the last of which is now.

    Args:
        tick: number of the present tick in the window, from 0.
        tick_h: hours of a tick.
        names: (p,) of the pools.
        workload: what is run.
        available: (n, p) 1, 0, or NaN for no record, since the trace began.
        spot_usd_per_hour: (n, p).
        on_demand_usd_per_hour: USD per hour.
        buckets: (p,) advisor buckets, NaN where unknown, or None.
        forecasts: of each model: (horizon_h, (n, p) risks), in order of horizon.
        place: where the instance runs or starts: a pool, ON_DEMAND, or None.
        ready_in_h: hours until it does useful work; 0 when it does.
        moving_to: where a move is starting an instance, or None.
        moved_in_h: hours until that one takes over; 0 where there is none.
        changeover_h, checkpoint_h: the workload's, as the replay counts them.
        left_h: hours of work left, given what is done now; for a service, hours left to serve.
        at_risk_h: hours of that work that an interruption now would undo.
        deadline_in_h: hours until the deadline or the end of service.
        elapsed_h: hours since the window began.
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

    @property
    def up(self) -> NDArray[np.bool_]:
        """(p,) pools that could be started now; no record counts as no."""
        return np.asarray(self.available[-1] == 1.0)

    @property
    def prices(self) -> FloatArray:
        """(p,) spot prices now, USD per hour."""
        return np.asarray(self.spot_usd_per_hour[-1])


class Policy(Protocol):
    """Decides at each tick; a new one is made for each cell, so it may remember."""

    def decide(self, view: View) -> Action:
        """What to do now."""


class Past:
    """The buffers behind a View: a row is written when its tick comes, not before."""

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
        """Write the rows up to the world's tick number `tick`."""
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
        """Of each model, rows so far, read-only."""
        return {
            model: tuple((horizon_h, self._rows_so_far(rows)) for horizon_h, _, rows in forecasts)
            for model, forecasts in self._risks.items()
        }

    def _rows_so_far(self, buffer: FloatArray) -> FloatArray:
        seen = buffer[: self._written]
        seen.flags.writeable = False
        return seen
