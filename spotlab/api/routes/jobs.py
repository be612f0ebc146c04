"""Scheduled jobs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from spotlab.api.operation import Operation, cacheable
from spotlab.api.paging import Page, PageDep, decode_cursor, encode_cursor
from spotlab.api.request_state import DeskDep
from spotlab.api.views.base import ChangeRequest
from spotlab.api.views.jobs import JobChangeRequest, JobView, RunAcceptedView, RunView
from spotlab.domain.ports import Topic
from spotlab.errors import NotFound
from spotlab.scheduling.overview import JobView as Standing

router = APIRouter(route_class=Operation, tags=["jobs"])

Name = Annotated[
    str,
    Path(
        pattern=r"^[a-z0-9][a-z0-9-]{0,39}$",
        description="The job's name.",
        examples=["retention"],
    ),
]


def view(found: Standing) -> JobView:
    """A job as it is answered."""
    return JobView(
        name=found.job.name,
        title=found.job.title,
        about=found.job.about,
        schedule=found.schedule,
        own_schedule=found.job.schedule,
        paused=found.setting.paused,
        standing=str(found.standing),
        next_at=found.next_at,
        running=None if found.running is None else RunView.model_validate(found.running),
        last=None if found.last is None else RunView.model_validate(found.last),
    )


@router.get(
    "/jobs",
    operation_id="list_jobs",
    summary="The scheduled jobs and how they stand",
    response_model=Page[JobView],
    openapi_extra=cacheable(Topic.JOBS),
)
def list_jobs(
    desk: DeskDep,
    page: PageDep,
) -> Page[JobView]:
    """By name."""
    found = sorted(desk.jobs.overview().jobs, key=lambda each: each.job.name)
    return page.from_list(found, lambda each: [each.job.name], view, Page[JobView])


@router.get(
    "/jobs/{name}",
    operation_id="get_job",
    summary="One job",
    response_model=JobView,
    openapi_extra=cacheable(Topic.JOBS),
)
def get_job(desk: DeskDep, name: Name) -> JobView:
    """How one job stands."""
    return view(desk.jobs.get(name))


@router.patch(
    "/jobs/{name}",
    operation_id="change_job",
    summary="Pause, resume or schedule a job",
    response_model=JobView,
)
def change_job(desk: DeskDep, name: Name, asked: JobChangeRequest) -> JobView:
    """What is not given stays as it is."""
    if asked.schedule is not None:
        desk.jobs.schedule(name, asked.schedule, asked.reason)
    if asked.paused is not None:
        (desk.jobs.pause if asked.paused else desk.jobs.resume)(name, asked.reason)
    return view(desk.jobs.get(name))


@router.post(
    "/jobs/{name}/runs",
    operation_id="run_job",
    summary="Have a job run now",
    response_model=RunAcceptedView,
    status_code=202,
)
def run_job(desk: DeskDep, response: Response, name: Name, asked: ChangeRequest) -> RunAcceptedView:
    """Whoever leads begins it within some seconds, also while it is paused."""
    desk.jobs.run(name, asked.reason)
    runs = f"/api/v1/jobs/{name}/runs"
    response.headers["Location"] = runs
    return RunAcceptedView(job=name, runs=runs)


@router.get(
    "/jobs/{name}/runs",
    operation_id="list_job_runs",
    summary="What became of a job's runs",
    response_model=Page[RunView],
    openapi_extra=cacheable(Topic.JOBS),
)
def list_job_runs(
    desk: DeskDep,
    name: Name,
    page: PageDep,
) -> Page[RunView]:
    """Newest first."""
    total = desk.jobs.count(name)
    start = 0 if page.cursor is None else decode_cursor(page.cursor, [0])[0]
    if not 0 <= start <= total:
        raise NotFound("There is no such page.", remedy="Use the `next` of a page.")
    found = desk.jobs.history(name, limit=page.limit, offset=start)
    end = start + len(found)
    following = encode_cursor([end]) if end < total else None
    page.set_link_header(following)
    return Page[RunView](
        items=[RunView.model_validate(each) for each in found], total=total, next=following
    )
