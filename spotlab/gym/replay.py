"""Replay of one cell, with the spans in which instances ran and the progress of the work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from spotlab.domain.availability_traces import TracePanel
from spotlab.gym.clock import clock_for
from spotlab.gym.simulator import Step
from spotlab.gym.sweep_cell import Cell, CellResult, run_cell
from spotlab.gym.views import View
from spotlab.gym.workloads import DeadlineJob
from spotlab.gym.world import World


@dataclass(frozen=True, slots=True)
class Span:
    """A period in one state.

    Args:
        place: a pool's name or "on-demand"; None: no instance.
        state: running, starting (paid, but not useful yet) or idle (nothing runs or starts).
        start_h, end_h: hours since the start of the window.
    """

    place: str | None
    state: Literal["running", "starting", "idle"]
    start_h: float
    end_h: float


@dataclass(frozen=True, slots=True)
class Replay:
    """A cell's result with its history.

    Args:
        result: with its timeline.
        spans: by start.
        progress: (hours since the start of the window, hours of work done) per tick; () for a
            service.
        end_h: hours until the work was done, or the window's length.
    """

    result: CellResult
    spans: tuple[Span, ...]
    progress: tuple[tuple[float, float], ...]
    end_h: float


def replay(world: World, cell: Cell) -> Replay:
    """Run a cell again and record its history. Raises InvalidInput as `run_cell`."""
    job = cell.workload if isinstance(cell.workload, DeadlineJob) else None
    clock = clock_for(cell.workload, world.tick_h, cell.ticks)
    progress: list[tuple[float, float]] = []

    def watch(view: View) -> None:
        progress.append((view.elapsed_h, clock.work * clock.quantum_h - view.work_left_h))

    result = run_cell(world, cell, timeline=True, watch=watch)
    steps = result.timeline
    done = steps[-1].time_h if steps and steps[-1].what == "done" else None
    end_h = clock.ticks * world.tick_h if done is None else done
    if done is not None:
        progress.append((done, clock.work * clock.quantum_h))
    spans = spans_of(steps, clock.changeover * clock.quantum_h, end_h)
    return Replay(result, tuple(spans), tuple(progress) if job else (), end_h)


def spans_of(steps: Iterable[Step], changeover_h: float, end_h: float) -> list[Span]:
    """The periods between a timeline's steps.

    Args:
        steps: in order.
        changeover_h: hours from an instance's start until it is ready.
        end_h: end of the last period, hours.
    """
    instances: list[tuple[str, float, float]] = []
    running: tuple[str, float] | None = None
    starting: tuple[str, float] | None = None

    def end(instance: tuple[str, float] | None, time_h: float) -> None:
        if instance is not None and time_h > instance[1]:
            instances.append((*instance, time_h))

    for step in steps:
        time_h = step.time_h
        if step.what in {"move", "cancel", "start failed"} and running is not None:
            end(starting, time_h)
            starting = (step.target, time_h) if step.what == "move" and step.target else None
        elif step.what in {"ready", "interrupted"}:
            end(running, time_h)
            running, starting = starting, None
        else:
            end(running, time_h)
            end(starting, time_h)
            running, starting = (step.target, time_h) if step.target else None, None
            if step.what in {"done", "missed"}:
                running = None
    end(running, end_h)
    end(starting, end_h)
    return sorted(
        [*_instance_spans(instances, changeover_h), *_idle_spans(instances, end_h)],
        key=lambda span: span.start_h,
    )


def _instance_spans(
    instances: Iterable[tuple[str, float, float]], changeover_h: float
) -> Iterable[Span]:
    for place, start_h, end_h in instances:
        ready_h = min(end_h, start_h + changeover_h)
        if ready_h > start_h:
            yield Span(place, "starting", start_h, ready_h)
        if end_h > ready_h:
            yield Span(place, "running", ready_h, end_h)


def _idle_spans(instances: Iterable[tuple[str, float, float]], end_h: float) -> Iterable[Span]:
    covered_until_h = 0.0
    for _, start_h, stop_h in sorted(instances, key=lambda instance: instance[1]):
        if start_h > covered_until_h:
            yield Span(None, "idle", covered_until_h, start_h)
        covered_until_h = max(covered_until_h, stop_h)
    if end_h > covered_until_h:
        yield Span(None, "idle", covered_until_h, end_h)


@dataclass(frozen=True, slots=True)
class ReplayedCell:
    """A recorded cell, replayed.

    Args:
        replay: its timeline.
        panel: the ticks of its window.
        same: whether cost and moves equal those recorded.
    """

    replay: Replay
    panel: TracePanel
    same: bool


def replay_cell(world: World, recorded: CellResult) -> ReplayedCell:
    """Replay a recorded cell, and compare the result with the record."""
    cell = recorded.cell
    again = replay(world, cell)
    same = again.result.cost_usd == recorded.cost_usd and again.result.moves == recorded.moves
    return ReplayedCell(again, world.panel.window(cell.first_tick, cell.ticks), same)
