"""Scheduled jobs: their state and runs; running, pausing and scheduling them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from spotlab.access.name_redaction import name_redactor, redact_json
from spotlab.domain.access import Right
from spotlab.domain.ports import JobRun, Topic
from spotlab.errors import InvalidInput, NotFound
from spotlab.scheduling.job_catalogue import JOBS, Job, job
from spotlab.scheduling.overview import JobsOverview, JobView, overview
from spotlab.scheduling.schedules import parse
from spotlab.services.base import Service


class JobService(Service):
    """The scheduled jobs; the leader carries out changes within a second or two.

    Jobs work for all accounts. Names of accounts that the user does not see are redacted.
    """

    __slots__ = ()

    def overview(self) -> JobsOverview:
        """Every job, the leader and all processes. Raises Forbidden."""
        self.require(Right.READ)
        jobs_overview = overview(self.lab)
        if self.sees_all():
            return jobs_overview
        hidden = name_redactor(self.lab, self.principal)
        jobs = tuple(
            replace(
                view,
                running=view.running and _redacted(view.running, hidden),
                last=view.last and _redacted(view.last, hidden),
            )
            for view in jobs_overview.jobs
        )
        return replace(jobs_overview, jobs=jobs)

    def get(self, name: str) -> JobView:
        """One job. Raises NotFound, Forbidden."""
        self._known(name)
        return next(view for view in self.overview().jobs if view.job.name == name)

    def history(
        self, name: str | None = None, *, limit: int = 50, offset: int = 0
    ) -> Sequence[JobRun]:
        """Runs, newest first (of one job). Raises NotFound, Forbidden."""
        self.require(Right.READ)
        if name is not None:
            self._known(name)
        runs = self.lab.store.jobs.runs(name, limit=limit, offset=offset)
        if self.sees_all():
            return runs
        hidden = name_redactor(self.lab, self.principal)
        return [_redacted(run, hidden) for run in runs]

    def count(self, name: str | None = None) -> int:
        """Number of stored runs (of one job). Raises Forbidden."""
        self.require(Right.READ)
        return self.lab.store.jobs.count(name)

    def run(self, name: str, reason: str = "") -> None:
        """Request a run now, even if the job is paused.

        Raises:
            NotFound, Forbidden: nothing was requested.
            Conflict: the job is running, or a run is already requested.
        """
        self.require(Right.RUN_JOBS)
        self.lab.store.jobs.request_run(self._known(name).name, self.by(reason))
        self.lab.bus.publish(Topic.JOBS)

    def pause(self, name: str, reason: str = "") -> None:
        """Pause a job: it runs only on request. Raises NotFound, Forbidden."""
        self._set_paused(name, True, reason)

    def resume(self, name: str, reason: str = "") -> None:
        """Resume the schedule of a job. Raises NotFound, Forbidden."""
        self._set_paused(name, False, reason)

    def schedule(self, name: str, text: str, reason: str = "") -> None:
        """Change the schedule of a job; "": back to its default.

        Raises:
            InvalidInput: the text is not a schedule; says what one looks like.
            NotFound, Forbidden: nothing changed.
        """
        self.require(Right.RUN_JOBS)
        chosen = self._known(name)
        plain = parse(text).text if text.strip() else ""
        if plain and (parse(plain).trigger is None) != (parse(chosen.schedule).trigger is None):
            raise InvalidInput(
                f"The job {name} runs {chosen.schedule}.",
                remedy="Only a job that runs at start has that schedule, and it cannot be changed.",
            )
        own = "" if plain == parse(chosen.schedule).text else plain
        self.lab.store.jobs.set_schedule(name, own, self.by(reason))
        self.lab.bus.publish(Topic.JOBS)

    def _set_paused(self, name: str, paused: bool, reason: str) -> None:
        self.require(Right.RUN_JOBS)
        self.lab.store.jobs.set_paused(self._known(name).name, paused, self.by(reason))
        self.lab.bus.publish(Topic.JOBS)

    def _known(self, name: str) -> Job:
        known = job(name)
        if known is None:
            raise NotFound(
                f"There is no job {name!r}.",
                remedy=f"Available: {', '.join(each.name for each in JOBS)}.",
            )
        return known


def _redacted(run: JobRun, hidden: Callable[[str], str]) -> JobRun:
    return replace(run, cause=hidden(run.cause), result=redact_json(run.result, hidden))
