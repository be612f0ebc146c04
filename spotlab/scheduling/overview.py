"""Overview of the jobs, the leader and the processes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from spotlab.domain.ports import JobRun, JobSetting, ProcessInfo, RunState
from spotlab.runtime.lab import Lab
from spotlab.scheduling.background import LOST_AFTER_S
from spotlab.scheduling.job_catalogue import JOBS, Job
from spotlab.scheduling.scheduler import LEASE

LATE_AFTER: Final = timedelta(seconds=60)
_FAILURES: Final = (RunState.FAILED, RunState.TIMED_OUT, RunState.LOST)


class Standing(StrEnum):
    """The state of a job."""

    ON_SCHEDULE = "on schedule"
    RUNNING = "running"
    FAILED = "failed"
    LATE = "late"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class JobView:
    """A job and its state.

    Args:
        job: from the catalogue.
        setting: its settings.
        running: the current run; None: there is none.
        last: its newest finished run; None: there is none.
        standing: its state; a failed last run takes precedence over a current run.
        next_at: next due time, aware UTC; None: paused, at start only, or not planned yet.
    """

    job: Job
    setting: JobSetting
    running: JobRun | None
    last: JobRun | None
    standing: Standing
    next_at: datetime | None

    @property
    def schedule(self) -> str:
        """The active schedule: the setting's, or the default."""
        return self.setting.schedule or self.job.schedule

    @property
    def is_on_schedule(self) -> bool:
        """Whether it runs on schedule and its last run succeeded."""
        return self.standing in (Standing.ON_SCHEDULE, Standing.RUNNING)


@dataclass(frozen=True, slots=True)
class Leader:
    """The process that runs the jobs.

    Args:
        holder: its process_id.
        since: when it became the leader, aware UTC.
        token: of its lease.
        process: from its heartbeat; None: there is no record of it.
    """

    holder: str
    since: datetime
    token: int
    process: ProcessInfo | None


@dataclass(frozen=True, slots=True)
class JobsOverview:
    """Everything the Jobs page shows.

    Args:
        at: aware UTC.
        jobs: in the catalogue's order.
        leader: None: no process leads.
        processes: those with a recent heartbeat, and those that ended without stopping properly.
    """

    at: datetime
    jobs: tuple[JobView, ...]
    leader: Leader | None
    processes: tuple[ProcessInfo, ...]

    @property
    def upcoming(self) -> JobView | None:
        """The job that is due next."""
        planned = [view for view in self.jobs if view.next_at is not None]
        return min(planned, key=lambda view: view.next_at or self.at, default=None)

    def is_lost(self, process: ProcessInfo) -> bool:
        """Whether a process has had no heartbeat for LOST_AFTER_S."""
        return (self.at - process.seen_at).total_seconds() > LOST_AFTER_S


def overview(lab: Lab) -> JobsOverview:
    """The jobs, leader and processes now. Raises DatabaseDown."""
    now, jobs = lab.clock.now(), lab.store.jobs
    settings, newest = jobs.settings(), jobs.newest()
    running = {run.job: run for run in jobs.running()}
    processes = tuple(lab.store.processes.list())
    views = (
        _view(
            job,
            settings.get(job.name) or JobSetting(job.name),
            running.get(job.name),
            newest.get(job.name),
            now,
        )
        for job in JOBS
    )
    return JobsOverview(now, tuple(views), _leader(lab, processes, now), processes)


def _leader(lab: Lab, processes: tuple[ProcessInfo, ...], now: datetime) -> Leader | None:
    lease = lab.store.leases.get(LEASE)
    if lease is None or lease.released:
        return None
    process = next((each for each in processes if each.process_id == lease.holder), None)
    if process is not None and (now - process.seen_at).total_seconds() > LOST_AFTER_S:
        return None
    return Leader(lease.holder, lease.since, lease.token, process)


def _view(
    job: Job, setting: JobSetting, running: JobRun | None, last: JobRun | None, now: datetime
) -> JobView:
    next_at = None if setting.paused else setting.next_at
    return JobView(job, setting, running, last, _standing(setting, running, last, now), next_at)


def _standing(
    setting: JobSetting, running: JobRun | None, last: JobRun | None, now: datetime
) -> Standing:
    if setting.paused and running is None:
        return Standing.PAUSED
    if last is not None and last.state in _FAILURES:
        return Standing.FAILED
    if running is not None:
        return Standing.RUNNING
    due_at = min((at for at in (setting.next_at, setting.asked_at) if at), default=None)
    if due_at is not None and now - due_at > LATE_AFTER:
        return Standing.LATE
    return Standing.ON_SCHEDULE
