"""How the jobs stand, who leads, and which processes there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from spotlab.domain.ports import JobRun, JobSetting, ProcessInfo, RunState
from spotlab.runtime.lab import Lab
from spotlab.scheduling.background import GONE_AFTER_S
from spotlab.scheduling.job_catalogue import JOBS, Job
from spotlab.scheduling.scheduler import LEASE

LATE_AFTER: Final = timedelta(seconds=60)
_WRONG: Final = (RunState.FAILED, RunState.TIMED_OUT, RunState.LOST)


class Standing(StrEnum):
    """How a job stands."""

    ON_SCHEDULE = "on schedule"
    RUNNING = "running"
    FAILED = "failed"
    LATE = "late"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class JobView:
    """A job and how it stands.

    Args:
        job: as the catalogue has it.
        setting: what is set on it.
        running: what runs now; None: nothing.
        last: its newest run that came to an end; None: none did.
        standing: in a word; the last run's failure outweighs that another runs.
        next_at: when it is due, aware UTC; None: paused, at start only, or not planned yet.
    """

    job: Job
    setting: JobSetting
    running: JobRun | None
    last: JobRun | None
    standing: Standing
    next_at: datetime | None

    @property
    def schedule(self) -> str:
        """The one in force."""
        return self.setting.schedule or self.job.schedule

    @property
    def well(self) -> bool:
        """Whether it runs when it should, and ended well."""
        return self.standing in (Standing.ON_SCHEDULE, Standing.RUNNING)


@dataclass(frozen=True, slots=True)
class Leader:
    """Who runs the jobs.

    Args:
        holder: its process_id.
        since: aware UTC.
        token: of its lease.
        process: by its signs of life; None: it gave none that is kept.
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
        leader: None: nobody leads.
        processes: those seen lately, and those that are gone without a word.
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

    def is_gone(self, process: ProcessInfo) -> bool:
        """Whether a process gave no sign for a while."""
        return (self.at - process.seen_at).total_seconds() > GONE_AFTER_S


def overview(lab: Lab) -> JobsOverview:
    """As it is now. Raises DatabaseDown."""
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
    lease = lab.store.leases.look(LEASE)
    if lease is None or lease.released:
        return None
    process = next((each for each in processes if each.process_id == lease.holder), None)
    if process is not None and (now - process.seen_at).total_seconds() > GONE_AFTER_S:
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
    if last is not None and last.state in _WRONG:
        return Standing.FAILED
    if running is not None:
        return Standing.RUNNING
    wanted_at = min((at for at in (setting.next_at, setting.asked_at) if at), default=None)
    if wanted_at is not None and now - wanted_at > LATE_AFTER:
        return Standing.LATE
    return Standing.ON_SCHEDULE
