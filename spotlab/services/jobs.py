"""Scheduled jobs: how they stand, and run, pause and schedule them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from spotlab.access.name_redaction import everywhere, foreign
from spotlab.domain.access import Right
from spotlab.domain.ports import JobRun, Topic
from spotlab.errors import InvalidInput, NotFound
from spotlab.scheduling.job_catalogue import JOBS, Job, job
from spotlab.scheduling.overview import JobsOverview, JobView, overview
from spotlab.scheduling.schedules import parse
from spotlab.services.base import DeskPart


class JobsDesk(DeskPart):
    """The scheduled jobs; whoever leads carries out what is asked here, within a second or two.

    A job works for every account: why one failed names no account that somebody does not see.
    """

    __slots__ = ()

    def overview(self) -> JobsOverview:
        """Every job, who leads, and which processes there are. Raises Forbidden."""
        self.require(Right.READ)
        every = overview(self.lab)
        if self.sees_all():
            return every
        hidden = foreign(self.lab, self.who)
        jobs = tuple(
            replace(
                view,
                running=view.running and _told(view.running, hidden),
                last=view.last and _told(view.last, hidden),
            )
            for view in every.jobs
        )
        return replace(every, jobs=jobs)

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
        found = self.lab.store.jobs.runs(name, limit=limit, offset=offset)
        if self.sees_all():
            return found
        hidden = foreign(self.lab, self.who)
        return [_told(run, hidden) for run in found]

    def count(self, name: str | None = None) -> int:
        """How many runs are kept (of one job). Raises Forbidden."""
        self.require(Right.READ)
        return self.lab.store.jobs.count(name)

    def run(self, name: str, reason: str = "") -> None:
        """Have the leader run it now, also while it is paused.

        Raises:
            NotFound, Forbidden: nothing was asked.
            Conflict: it runs, or was asked for already.
        """
        self.require(Right.RUN_JOBS)
        self.lab.store.jobs.ask(self._known(name).name, self.by(reason))
        self.lab.bus.publish(Topic.JOBS)

    def pause(self, name: str, reason: str = "") -> None:
        """Have it run only when asked. Raises NotFound, Forbidden."""
        self._set_paused(name, True, reason)

    def resume(self, name: str, reason: str = "") -> None:
        """Have it run by its schedule again. Raises NotFound, Forbidden."""
        self._set_paused(name, False, reason)

    def schedule(self, name: str, text: str, reason: str = "") -> None:
        """Have it run at other times; "": at its own again.

        Raises:
            InvalidInput: the text is no schedule; says what would be one.
            NotFound, Forbidden: nothing changed.
        """
        self.require(Right.RUN_JOBS)
        chosen = self._known(name)
        plain = parse(text).text if text.strip() else ""
        if plain and (parse(plain).trigger is None) != (parse(chosen.schedule).trigger is None):
            raise InvalidInput(
                f"{name} runs {chosen.schedule}.",
                remedy="What runs at start has no other schedule, and nothing else has that one.",
            )
        own = "" if plain == parse(chosen.schedule).text else plain
        self.lab.store.jobs.set_schedule(name, own, self.by(reason))
        self.lab.bus.publish(Topic.JOBS)

    def _set_paused(self, name: str, paused: bool, reason: str) -> None:
        self.require(Right.RUN_JOBS)
        self.lab.store.jobs.set_paused(self._known(name).name, paused, self.by(reason))
        self.lab.bus.publish(Topic.JOBS)

    def _known(self, name: str) -> Job:
        found = job(name)
        if found is None:
            raise NotFound(
                f"There is no job {name!r}.",
                remedy=f"There are: {', '.join(each.name for each in JOBS)}.",
            )
        return found


def _told(run: JobRun, hidden: Callable[[str], str]) -> JobRun:
    """The same, without the names of what somebody does not see."""
    return replace(run, cause=hidden(run.cause), result=everywhere(run.result, hidden))
