"""Operations on scheduled jobs and their runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from spotlab.api.operation import Operation, cacheable
from spotlab.api.paging import Page, PageDep
from spotlab.api.request_state import ServicesDep
from spotlab.api.views.base import ChangeRequest
from spotlab.api.views.jobs import JobChangeRequest, JobView, RunAcceptedView, RunView
from spotlab.domain.ports import Topic
from spotlab.scheduling.overview import JobView as JobStatus

router = APIRouter(route_class=Operation, tags=["jobs"])

Name = Annotated[
    str,
    Path(
        pattern=r"^[a-z0-9][a-z0-9-]{0,39}$",
        description="Name of the job.",
        examples=["retention"],
    ),
]


def view(status: JobStatus) -> JobView:
    """The response for a job."""
    return JobView(
        name=status.job.name,
        title=status.job.title,
        about=status.job.about,
        schedule=status.schedule,
        own_schedule=status.job.schedule,
        paused=status.setting.paused,
        standing=str(status.standing),
        next_at=status.next_at,
        running=None if status.running is None else RunView.model_validate(status.running),
        last=None if status.last is None else RunView.model_validate(status.last),
    )


@router.get(
    "/jobs",
    summary="List the scheduled jobs",
    openapi_extra=cacheable(Topic.JOBS),
)
def list_jobs(services: ServicesDep, page: PageDep) -> Page[JobView]:
    """Jobs with schedule, state and latest run, sorted by name."""
    jobs = sorted(services.jobs.overview().jobs, key=lambda each: each.job.name)
    return page.from_list(jobs, lambda each: [each.job.name], view, Page[JobView])


@router.get(
    "/jobs/{name}",
    summary="Get a job",
    openapi_extra=cacheable(Topic.JOBS),
)
def get_job(services: ServicesDep, name: Name) -> JobView:
    """Schedule, state and latest run of the job."""
    return view(services.jobs.get(name))


@router.patch(
    "/jobs/{name}",
    summary="Pause, resume or reschedule a job",
)
def change_job(services: ServicesDep, name: Name, body: JobChangeRequest) -> JobView:
    """Omitted fields keep their value."""
    if body.schedule is not None:
        services.jobs.schedule(name, body.schedule, body.reason)
    if body.paused is not None:
        (services.jobs.pause if body.paused else services.jobs.resume)(name, body.reason)
    return view(services.jobs.get(name))


@router.post(
    "/jobs/{name}/runs",
    summary="Run a job now",
    status_code=202,
)
def run_job(
    services: ServicesDep, response: Response, name: Name, body: ChangeRequest
) -> RunAcceptedView:
    """The leader starts the run within seconds, even if the job is paused."""
    services.jobs.run(name, body.reason)
    runs = f"/api/v1/jobs/{name}/runs"
    response.headers["Location"] = runs
    return RunAcceptedView(job=name, runs=runs)


@router.get(
    "/jobs/{name}/runs",
    summary="List the runs of a job",
    openapi_extra=cacheable(Topic.JOBS),
)
def list_job_runs(services: ServicesDep, name: Name, page: PageDep) -> Page[RunView]:
    """Newest first."""
    total = services.jobs.count(name)
    start = page.offset(total)
    job_runs = services.jobs.history(name, limit=page.limit, offset=start)
    end = start + len(job_runs)
    following = page.link_next([end] if end < total else None)
    return Page[RunView](
        items=[RunView.model_validate(each) for each in job_runs], total=total, next=following
    )
