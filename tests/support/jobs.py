"""Schedulers in one process, with clocks that tests control."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from spotlab.domain.market import MarketName
from spotlab.domain.ports import Clock
from spotlab.inference.predictor import Predictor
from spotlab.pipeline.collect import Progress
from spotlab.runtime.bootstrap import SystemClock
from spotlab.runtime.lab import Lab
from spotlab.scheduling.job_catalogue import Job
from spotlab.scheduling.scheduler import Scheduler
from spotlab.settings import load
from spotlab.store import Store
from tests.support.lab import DictStore, no_aws
from tests.support.market import StillClock

TTL_S = 10.0


class Stopwatch:
    """A monotonic clock that changes only when a test sets it."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


@dataclass
class Work:
    """A job's function that reports its runs and can be blocked.

    Args:
        held: while set, a run continues until `go` is set.
        heeds: whether it stops when it is cancelled.
        gives: its result.
        before_end: called at the end of a run, inside its fence.
    """

    held: bool = False
    stops_when_cancelled: bool = True
    result: Mapping[str, Any] = field(default_factory=dict)
    before_end: Callable[[], None] = lambda: None
    runs: int = 0
    go: threading.Event = field(default_factory=threading.Event)
    started: threading.Event = field(default_factory=threading.Event)

    def __call__(
        self, _lab: Lab, _tell: Progress, cancelled: Callable[[], bool]
    ) -> Mapping[str, Any]:
        self.runs += 1
        self.started.set()
        while (
            self.held
            and not self.go.wait(0.002)
            and not (self.stops_when_cancelled and cancelled())
        ):
            pass
        self.before_end()
        return self.result


def job(work: Work, name: str = "work", schedule: str = "every 10 min", **about: Any) -> Job:
    """A job for tests."""
    given: dict[str, Any] = {"jitter_s": 0, "limit_s": 60, "misfire_s": 600, "waits": False}
    return Job(name, name, "", schedule, run=work, **(given | about))


@dataclass
class SchedulerBench:
    """A lab, a wall clock and a monotonic clock that several schedulers share."""

    lab: Lab
    wall: StillClock
    watch: Stopwatch = field(default_factory=Stopwatch)

    def scheduler(self, name: str, *jobs: Job) -> Scheduler:
        """A scheduler whose ticks are called by the test."""
        return Scheduler(
            self.lab, name, jobs=jobs, ttl_s=TTL_S, monotonic=self.watch, jitter=lambda _most: 0.0
        )

    def wait(self, seconds: float) -> None:
        """Advance both clocks."""
        self.watch.s += seconds
        self.wall.at += timedelta(seconds=seconds)


def office(store: Store, folder: Path) -> SchedulerBench:
    """A lab on this store, with clocks that the test controls."""
    wall = StillClock()
    return SchedulerBench(lab_over(store, folder, wall), wall)


def lab_over(store: Store, folder: Path, clock: Clock | None = None) -> Lab:
    """A lab on this store, without AWS, models and market."""
    http = httpx.Client()
    resources = ExitStack()
    resources.callback(http.close)
    return Lab(
        settings=load(home=folder / "home", models_dir=folder, market="simulated"),
        clock=clock or SystemClock(),
        store=store,
        predictor=Predictor(folder),
        open_online=DictStore,
        open_cloud=no_aws,
        choose_market=lambda _active: MarketName.SIMULATED,
        open_http=lambda: http,
        resources=resources,
    )


def step_and_tick(scheduler: Scheduler) -> None:
    """Run one step of the leader election and one tick of the scheduler."""
    scheduler.leadership.step()
    scheduler.tick()


def settle(scheduler: Scheduler) -> None:
    """Wait for running jobs, and have their results recorded."""
    for run in list(scheduler._running.values()):
        run.join(10)
    step_and_tick(scheduler)
