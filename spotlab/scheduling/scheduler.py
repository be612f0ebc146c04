"""Scheduler: runs the jobs that are due while this process is the leader.

Each process may have a scheduler; only the one that holds the lease works. Its writes are fenced.
"""

from __future__ import annotations

import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from spotlab.domain.ports import JobSetting, RunState, Topic
from spotlab.errors import InvalidInput, SpotlabError
from spotlab.runtime.lab import Lab
from spotlab.runtime.leader_election import Leadership, LeaseHeartbeat, Monotonic, release_all
from spotlab.runtime.shutdown import CAUSE, SHUTDOWN
from spotlab.scheduling.first_run import FIRST_RUN
from spotlab.scheduling.job_catalogue import JOBS, Job
from spotlab.scheduling.job_run import ActiveRun
from spotlab.scheduling.schedules import Schedule, parse
from spotlab.store.engine import Fence, fenced
from spotlab.telemetry import metrics

log = logging.getLogger("spotlab.scheduling")
LEASE: Final = "scheduler"
MAX_CONCURRENT_RUNS: Final = 4
"""Further runs wait until one ends."""
GRACE_S: Final = 5.0
"""How long after its limit a run may take to stop."""
STOP_WITHIN_S, WRITE_WITHIN_S = 3.0, 2.0
"""Time that a leaving process gives its runs to stop, and itself to record how they ended."""
TICK_EVERY_S: Final = 1.0
_NEAR: Final = timedelta(seconds=1)
_SOON: Final = timedelta(minutes=1)
"""A skipped run whose job is due again within this time is no warning."""


class Scheduler:
    """The loop over the jobs, in its own thread.

    Args:
        lab: the lab that the jobs work on.
        holder: id of this process.
        jobs: the jobs to run.
        ttl_s: of the lease; None: from the settings.
        monotonic: a clock in seconds that never jumps.
        jitter: draws the delay of a due time, in seconds, from its upper limit.
    """

    def __init__(
        self,
        lab: Lab,
        holder: str,
        *,
        jobs: Sequence[Job] = JOBS,
        ttl_s: float | None = None,
        monotonic: Monotonic = time.monotonic,
        jitter: Callable[[float], float] = lambda most: random.uniform(0, most),  # noqa: S311
    ) -> None:
        ttl_s = lab.settings.lease_ttl_s if ttl_s is None else ttl_s
        self.leadership = Leadership(lab.store.leases, LEASE, holder, ttl_s, lab.clock, monotonic)
        self._lab, self._jobs = lab, jobs
        self._monotonic, self._jitter = monotonic, jitter
        self._tick_every_s = min(TICK_EVERY_S, self.leadership.every_s)
        self._running: dict[str, ActiveRun] = {}
        self._led_token: int | None = None
        self._at_start: set[str] = set()
        self._waited: set[str] = set()
        self._first_run_over = False
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._stop_within_s = STOP_WITHIN_S
        self._failing = False
        self._heartbeat = LeaseHeartbeat(self.leadership, self._wake.set)
        self._thread = threading.Thread(target=self._loop, name="scheduler", daemon=True)

    def start(self) -> None:
        """Start to compete for the lease, and to run jobs while holding it."""
        self._heartbeat.start()
        self._thread.start()

    def stop(self, within_s: float = STOP_WITHIN_S) -> None:
        """Stop the current runs, record how they ended, and release the lease.

        Args:
            within_s: how long the runs may take to stop.
        """
        self._stop_within_s = within_s
        self._stopping.set()
        self._wake.set()
        self._thread.join(within_s + WRITE_WITHIN_S)

    def _hand_over(self) -> None:
        """Stop the runs and release the lease, in the scheduler's own thread."""
        ends = time.monotonic() + self._stop_within_s
        for run in self._running.values():
            run.stop(RunState.CANCELLED, CAUSE)
        for run in self._running.values():
            run.join(ends - time.monotonic())
        try:
            self._record_unfinished()
        except SpotlabError as exc:
            log.warning("the end of the runs could not be recorded: %s", exc)
        release_all()
        self._heartbeat.stop()
        self._lab.bus.publish(Topic.JOBS)

    def tick(self) -> None:
        """Record the runs that ended, and start the jobs that are due.

        Raises:
            DatabaseDown: the next tick does the rest.
            Fenced: another process has become the leader.
        """
        token = self.leadership.token
        if token is None:
            self._stop_leading()
            return
        with fenced(Fence(LEASE, token)):
            if token != self._led_token:
                self._begin_to_lead(token)
            self._record_ended(token)
            self._end_overdue(token)
            self._start_due(token)

    def _loop(self) -> None:
        while not (self._stopping.is_set() or SHUTDOWN.requested):
            self._wake.clear()
            try:
                self.tick()
                self._failing = False
            except SpotlabError as exc:
                if not self._failing:
                    log.warning("the scheduler cannot run jobs now: %s", exc)
                self._failing = True
            except Exception:
                log.exception("the scheduler failed; it continues with the next tick")
            self._wake.wait(self._tick_every_s)
        self._hand_over()

    def _stop_leading(self) -> None:
        metrics.LEADER.set(0)
        for name, run in list(self._running.items()):
            run.stop(RunState.LOST, "This process was no longer the leader.")
            if not run.alive and run.token != self.leadership.held:
                del self._running[name]

    def _begin_to_lead(self, token: int) -> None:
        log.info("this process is the leader now, with token %d", token)
        metrics.LEADER.set(1)
        lost = self._lab.store.jobs.mark_lost(
            token,
            "Its process stopped being the leader before the run ended.",
            self._lab.clock.now(),
        )
        if lost:
            log.warning("%d runs of a former leader were lost", lost)
        self._at_start = {job.name for job in self._jobs}
        self._first_run_over = False
        self._led_token = token
        self._lab.bus.publish(Topic.JOBS)

    def _record_ended(self, token: int) -> None:
        for name, run in list(self._running.items()):
            if run.alive:
                continue
            if run.token == token and not run.recorded:
                self._finish(run)
            del self._running[name]
            self._lab.bus.publish(Topic.JOBS)

    def _finish(self, run: ActiveRun) -> None:
        assert run.outcome is not None
        state, cause, result = run.outcome.state, run.outcome.cause, run.outcome.result
        jobs = self._lab.store.jobs
        try:
            jobs.finish(run.run_id, state, cause, result, run.ended_at)
        except InvalidInput as exc:
            jobs.finish(run.run_id, RunState.FAILED, str(exc), {}, run.ended_at)

    def _end_overdue(self, token: int) -> None:
        for run in self._running.values():
            limit_s = run.job.limit_s
            if run.elapsed_s <= limit_s or run.recorded or run.token != token:
                continue
            run.stop(RunState.TIMED_OUT, f"Stopped at its limit of {limit_s:g} s.")
            if run.alive and run.elapsed_s > limit_s + GRACE_S:
                cause = (
                    f"Did not stop at its limit of {limit_s:g} s. Its later writes are rejected."
                )
                self._lab.store.jobs.finish(run.run_id, RunState.TIMED_OUT, cause, {}, run.ended_at)
                run.recorded = True
                log.error("%s: %s", run.job.name, cause)
                self._lab.bus.publish(Topic.JOBS)

    def _start_due(self, token: int) -> None:
        settings = self._lab.store.jobs.settings()
        self._first_run_over = self._first_run_over or self._first_run_is_over(settings)
        for job in self._jobs:
            setting = settings.get(job.name) or JobSetting(job.name)
            schedule = self._schedule(job, setting)
            if setting.asked_at is not None and self._can_start(job):
                self._start(job, schedule, setting.asked_at, setting.next_at, token)
            elif not setting.paused:
                self._start_if_due(job, schedule, setting, token)

    def _start_if_due(self, job: Job, schedule: Schedule, setting: JobSetting, token: int) -> None:
        now, due_at = self._lab.clock.now(), setting.next_at
        next_at = self._next(job, schedule, now)
        if next_at is None:
            self._start_once(job, schedule, due_at, now, token)
            return
        self._at_start.discard(job.name)
        furthest = schedule.after(now)
        assert furthest is not None
        furthest += timedelta(seconds=schedule.jitter_s(job.jitter_s)) + _NEAR
        if due_at is None or due_at > furthest:  # new, resumed, or the clock was set back
            self._lab.store.jobs.set_next_due(job.name, next_at)
        elif due_at > now:
            return
        elif job.waits and not self._first_run_over:
            self._waited.add(job.name)
        elif job.name in self._running and not self._running[job.name].recorded:
            # Jobs such as drive-switches may take longer than their interval.
            log.debug("%s is still running; it is due again at %s", job.name, next_at)
            self._lab.store.jobs.set_next_due(job.name, next_at)
        elif job.name in self._running:
            self._skip(job, due_at, next_at, "The previous run had not ended.", token)
        elif (late_s := (now - due_at).total_seconds()) > job.misfire_s:
            why = "It waited" if job.name in self._waited else "No process ran it when it was due"
            cause = (
                f"{why}; {late_s / 60:.0f} min later was too late "
                f"(limit {job.misfire_s / 60:g} min)."
            )
            self._skip(job, due_at, next_at, cause, token)
        elif self._can_start(job):
            self._start(job, schedule, due_at, next_at, token)
        else:
            self._waited.add(job.name)

    def _start_once(
        self, job: Job, schedule: Schedule, due_at: datetime | None, now: datetime, token: int
    ) -> None:
        if job.name in self._at_start and self._can_start(job):
            if due_at is None:
                self._lab.store.jobs.set_next_due(job.name, now)
                self._wake.set()  # the next tick starts it, with the due time recorded now
                return
            self._start(job, schedule, due_at, None, token)

    def _start(
        self,
        job: Job,
        schedule: Schedule,
        due_at: datetime,
        next_at: datetime | None,
        token: int,
    ) -> None:
        now, correlation_id = self._lab.clock.now(), uuid.uuid4().hex[:12]
        run_id = self._lab.store.jobs.start(
            job.name, due_at, now, next_at, self.leadership.holder, token, correlation_id
        )
        if schedule.trigger is None:
            self._at_start.discard(job.name)
        if run_id is None:
            return
        fence = Fence(LEASE, token, run_id)
        run = ActiveRun(self._lab, job, fence, correlation_id, now, self._monotonic, self._wake)
        self._running[job.name] = run
        self._waited.discard(job.name)
        run.start()
        self._lab.bus.publish(Topic.JOBS)

    def _skip(self, job: Job, due_at: datetime, next_at: datetime, cause: str, token: int) -> None:
        self._lab.store.jobs.skip(
            job.name, due_at, self._lab.clock.now(), next_at, cause, self.leadership.holder, token
        )
        self._waited.discard(job.name)
        soon = next_at - self._lab.clock.now() <= _SOON
        log.log(logging.DEBUG if soon else logging.WARNING, "%s was skipped: %s", job.name, cause)
        self._lab.bus.publish(Topic.JOBS)

    def _can_start(self, job: Job) -> bool:
        current = [run for run in self._running.values() if not run.recorded]
        return job.name not in self._running and len(current) < MAX_CONCURRENT_RUNS

    def _first_run_is_over(self, settings: dict[str, JobSetting]) -> bool:
        if FIRST_RUN not in {job.name for job in self._jobs}:
            return True
        if FIRST_RUN in settings and settings[FIRST_RUN].paused:
            return True
        run = self._running.get(FIRST_RUN)
        return FIRST_RUN not in self._at_start and (run is None or run.recorded)

    def _schedule(self, job: Job, setting: JobSetting) -> Schedule:
        try:
            return parse(setting.schedule or job.schedule)
        except InvalidInput as exc:  # set by a version with another syntax
            log.warning("%s uses its default schedule: %s", job.name, exc)
            return parse(job.schedule)

    def _next(self, job: Job, schedule: Schedule, now: datetime) -> datetime | None:
        found = schedule.after(now)
        if found is None:
            return None
        return found + timedelta(seconds=self._jitter(schedule.jitter_s(job.jitter_s)))

    def _record_unfinished(self) -> None:
        token, jobs = self.leadership.token, self._lab.store.jobs
        if token is None:
            return
        with fenced(Fence(LEASE, token)):
            self._record_ended(token)
            for run in self._running.values():
                if run.token == token and not run.recorded:
                    cause = f"{CAUSE} The run had not ended; its later writes are rejected."
                    jobs.finish(run.run_id, RunState.CANCELLED, cause, {}, run.ended_at)
