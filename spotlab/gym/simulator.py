"""Simulator of one workload under one policy, with exact costs.

At each tick, instances in unavailable pools are lost, then the policy decides, then the tick
passes. Prices are constant within a tick. An instance is paid from its start until its end, whether
it is ready or not; a job's last instance is paid until the work is done. A job's data is where its
last spot instance was started, or took over: starting one in another pool costs egress, once and at
the start. On-demand runs where the data is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from spotlab.errors import InvalidInput
from spotlab.gym.clock import Clock, clock_for
from spotlab.gym.views import ON_DEMAND, Action, Do, Past, Policy, View
from spotlab.gym.workloads import Service, Workload
from spotlab.gym.world import FloatArray, World

PROBE_H: Final = 60.0 / 3600.0
"""A probe that succeeds is paid for a minute, the least that AWS charges."""


@dataclass(frozen=True, slots=True)
class Step:
    """An event in a timeline.

    Args:
        tick: its number in the window.
        time_h: hours since the start of the window.
        what: start, move, cancel, stop, interrupted, start failed, ready, done or missed.
        origin, target: a pool's name, "on-demand", or None.
        why: the reason, from the policy or the simulator.
    """

    tick: int
    time_h: float
    what: str
    origin: str | None
    target: str | None
    why: str

    def to_json(self) -> dict[str, Any]:
        """The step as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Step:
        """The step from the output of `to_json`."""
        return cls(**raw)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a simulation; `sweep_cell.CellResult` describes the fields."""

    cost_usd: float
    on_demand_cost_usd: float
    missed: bool
    moves: int
    downtime_h: float
    objective_usd: float
    timeline: tuple[Step, ...]


def simulate(
    world: World,
    workload: Workload,
    first_tick: int,
    ticks: int,
    policy: Policy,
    *,
    timeline: bool = False,
) -> Outcome:
    """Run a workload under a policy from the world's tick `first_tick`.

    Args:
        ticks: length of the window; the workload may end earlier.
        timeline: whether to record every step.
    Raises:
        InvalidInput: the window is not in the world, or the policy returned an invalid action.
    """
    clock = clock_of_window(world, workload, first_tick, ticks)
    replay = _Simulation(world, workload, clock, first_tick, timeline)
    past = Past(world, first_tick, clock.ticks)
    for tick in range(clock.ticks):
        past.reach(first_tick + tick)
        replay.remove_lost(tick)
        replay.act(tick, policy.decide(replay.view(tick, past)))
        if replay.pass_tick(tick):
            break
    return replay.outcome()


def clock_of_window(world: World, workload: Workload, first_tick: int, ticks: int) -> Clock:
    """The workload's durations in a window.

    Raises:
        InvalidInput: the window is not in the world, or it is too short.
    """
    if first_tick < 0 or first_tick + ticks > world.ticks:
        raise InvalidInput(
            f"The window from tick {first_tick} to {first_tick + ticks} is not inside a trace of "
            f"{world.ticks} ticks.",
            remedy="Choose a window inside the trace.",
        )
    return clock_for(workload, world.tick_h, ticks)


def outcome_of(
    world: World,
    workload: Workload,
    clock: Clock,
    cost_quanta_usd: float,
    starts: int,
    down_quanta: int,
    *,
    missed: bool,
    extra_usd: float = 0.0,
    timeline: tuple[Step, ...] = (),
) -> Outcome:
    """The figures of a run.

    Args:
        cost_quanta_usd: cost of the instances, USD per hour × quanta.
        starts: number of instances.
        down_quanta: quanta without a ready instance.
        extra_usd: cost of moving data and of probes, USD.
    """
    on_demand_quanta = clock.work + clock.changeover if clock.work else clock.ticks * clock.per_tick
    cost = cost_quanta_usd * clock.quantum_h + extra_usd
    downtime_h = 0.0 if clock.work else down_quanta * clock.quantum_h
    downtime_usd_per_hour = workload.downtime_usd_per_hour if isinstance(workload, Service) else 0.0
    return Outcome(
        cost,
        on_demand_quanta * clock.quantum_h * world.on_demand_usd_per_hour,
        missed,
        max(0, starts - 1),
        downtime_h,
        cost + downtime_h * downtime_usd_per_hour,
        timeline,
    )


@dataclass(slots=True)
class _Instance:
    """An instance: its place, and the quanta until it is ready."""

    place: int
    ready_in: int


class _Simulation:
    """The state between ticks, in whole quanta."""

    def __init__(
        self, world: World, workload: Workload, clock: Clock, first_tick: int, keep: bool
    ) -> None:
        self._world, self._workload, self._clock = world, workload, clock
        self._first = first_tick
        self._records_steps = keep
        self._steps: list[Step] = []
        self._running: _Instance | None = None
        self._starting: _Instance | None = None
        self._work_done = 0
        self._uncheckpointed = 0
        self._start_count = 0
        self._cost_quanta_usd = 0.0
        self._down_quanta = 0
        self._finished = False
        self._move_usd = world.move_usd(workload)
        self._free = np.zeros(len(world.panel.names))
        self._data_at: int | None = None
        self._extra_usd = 0.0

    def remove_lost(self, tick: int) -> None:
        """Remove the instances whose pool is not available at this tick."""
        if self._starting is not None and not self._is_up(tick, self._starting.place):
            self._record(tick, "start failed", self._starting.place, None, "capacity lost")
            self._starting = None
        if self._running is not None and not self._is_up(tick, self._running.place):
            self._record(tick, "interrupted", self._running.place, None, "capacity lost")
            self._work_done -= self._uncheckpointed
            self._uncheckpointed = 0
            self._running, self._starting = self._starting, None
            if self._running is not None:
                self._bring_data(self._running.place)

    def act(self, tick: int, action: Action) -> None:
        """Carry out the policy's action."""
        for pool in action.probes:
            if self._is_up(tick, pool):
                price = float(self._world.spot_usd_per_hour[self._first + tick, pool])
                self._extra_usd += price * PROBE_H
        if action.do is Do.STAY:
            return
        origin = self._place
        if action.do in {Do.START, Do.MOVE}:
            place = self._checked_place(tick, action)
            new = _Instance(place, self._clock.changeover)
            self._start_count += 1
            self._extra_usd += 0.0 if place == ON_DEMAND else float(self._usd_to_move()[place])
            if action.do is Do.MOVE and self._running is not None:
                self._starting = new
            else:
                self._running, self._starting, self._uncheckpointed = new, None, 0
                self._bring_data(place)
            self._record(tick, action.do.value, origin, place, action.why)
            return
        self._starting = None
        if action.do is Do.STOP:
            self._running, self._uncheckpointed = None, 0
        self._record(tick, action.do.value, origin, None, action.why)

    def pass_tick(self, tick: int) -> bool:
        """Advance by one tick; returns whether the job is done."""
        for quantum in range(self._clock.per_tick):
            self._hand_over(tick, quantum)
            if self._pass_quantum(tick):
                self._record(tick, "done", self._place, None, "all work done", quantum + 1)
                return True
        self._hand_over(tick, self._clock.per_tick)
        return False

    def _pass_quantum(self, tick: int) -> bool:
        if self._running is None:
            self._down_quanta += 1
            return False
        self._pay(tick, self._running)
        if self._starting is not None:
            self._pay(tick, self._starting)
            self._starting.ready_in -= 1
        if self._running.ready_in > 0:
            self._running.ready_in -= 1
            self._down_quanta += 1
            return False
        return self._work_one_quantum()

    def view(self, tick: int, past: Past) -> View:
        """The policy's view at this tick."""
        clock, running = self._clock, self._running
        quanta_left = (clock.ticks - tick) * clock.per_tick
        work_left = clock.work - self._work_done if clock.work else quanta_left
        return View(
            tick,
            self._world.tick_h,
            self._world.panel.names,
            self._workload,
            past.available,
            past.prices,
            self._world.on_demand_usd_per_hour,
            self._world.buckets,
            past.forecasts,
            self._place,
            0.0 if running is None else running.ready_in * clock.quantum_h,
            None if self._starting is None else self._starting.place,
            0.0 if self._starting is None else self._starting.ready_in * clock.quantum_h,
            clock.changeover * clock.quantum_h,
            clock.checkpoint * clock.quantum_h,
            work_left * clock.quantum_h,
            self._uncheckpointed * clock.quantum_h,
            quanta_left * clock.quantum_h,
            tick * self._world.tick_h,
            self._usd_to_move(),
            self._paid_usd(),
            self._start_count,
        )

    def _paid_usd(self) -> float:
        clock, workload = self._clock, self._workload
        down_usd = workload.downtime_usd_per_hour if isinstance(workload, Service) else 0.0
        cost_usd = self._cost_quanta_usd * clock.quantum_h
        return cost_usd + self._down_quanta * clock.quantum_h * down_usd + self._extra_usd

    def _usd_to_move(self) -> FloatArray:
        """(p,) cost of moving the data to each pool."""
        if self._move_usd is None or self._data_at is None:
            return self._free
        return np.asarray(self._move_usd[self._data_at])

    @property
    def _place(self) -> int | None:
        return None if self._running is None else self._running.place

    def outcome(self) -> Outcome:
        """The outcome, after the end of the window."""
        clock = self._clock
        missed = bool(clock.work) and not self._finished
        if missed:
            self._record(clock.ticks, "missed", None, "on-demand", "finished after the deadline")
            self._finish_late()
        return outcome_of(
            self._world,
            self._workload,
            clock,
            self._cost_quanta_usd,
            self._start_count,
            self._down_quanta,
            missed=missed,
            extra_usd=self._extra_usd,
            timeline=tuple(self._steps),
        )

    def _finish_late(self) -> None:
        running, late = self._running, self._clock.changeover
        if running is not None and running.place == ON_DEMAND:
            late = running.ready_in
        quanta = self._clock.work - self._work_done + late
        self._cost_quanta_usd += quanta * self._world.on_demand_usd_per_hour

    def _hand_over(self, tick: int, quantum: int) -> None:
        if self._starting is None or self._starting.ready_in > 0:
            return
        old = self._place
        self._running, self._starting, self._uncheckpointed = self._starting, None, 0
        self._bring_data(self._running.place)
        self._record(tick, "ready", old, self._running.place, "the new instance took over", quantum)

    def _bring_data(self, place: int) -> None:
        if place != ON_DEMAND:
            self._data_at = place

    def _work_one_quantum(self) -> bool:
        if not self._clock.work:
            return False
        self._work_done += 1
        self._finished = self._work_done == self._clock.work
        self._uncheckpointed += 1
        if self._clock.checkpoint == 0 or self._uncheckpointed == self._clock.checkpoint:
            self._uncheckpointed = 0
        return self._finished

    def _pay(self, tick: int, instance: _Instance) -> None:
        self._cost_quanta_usd += (
            self._world.on_demand_usd_per_hour
            if instance.place == ON_DEMAND
            else float(self._world.spot_usd_per_hour[self._first + tick, instance.place])
        )

    def _is_up(self, tick: int, place: int) -> bool:
        return place == ON_DEMAND or bool(
            self._world.panel.available[self._first + tick, place] == 1.0
        )

    def _checked_place(self, tick: int, action: Action) -> int:
        place = action.place
        if place is None or not ON_DEMAND <= place < len(self._world.panel.names):
            raise InvalidInput(
                f"The action {action.do} has no valid place.", remedy="Name a pool or on-demand."
            )
        if not self._is_up(tick, place):
            raise InvalidInput(
                f"{self._name(place)} is not available at tick {tick}.",
                remedy="Start an instance in a pool that is up in the view.",
            )
        if action.do is Do.MOVE and self._running is not None and self._running.ready_in > 0:
            raise InvalidInput(
                f"The move at tick {tick} is invalid: the instance is still starting.",
                remedy="Wait until it is ready, or start another instance.",
            )
        return place

    def _name(self, place: int | None) -> str | None:
        if place is None:
            return None
        return "on-demand" if place == ON_DEMAND else self._world.panel.names[place]

    def _record(
        self,
        tick: int,
        what: str,
        origin: int | None,
        target: int | str | None,
        why: str,
        quanta: int = 0,
    ) -> None:
        if self._records_steps:
            name = target if isinstance(target, str) else self._name(target)
            hours = (tick * self._clock.per_tick + quanta) * self._clock.quantum_h
            self._steps.append(Step(tick, hours, what, self._name(origin), name, why))
