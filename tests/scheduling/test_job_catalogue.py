"""Every job has a description for people, and a valid schedule and function."""

from __future__ import annotations

import inspect

import pytest

from spotlab.scheduling import job_functions
from spotlab.scheduling.job_catalogue import JOBS, Job, job
from spotlab.scheduling.schedules import parse


@pytest.mark.parametrize("each", JOBS, ids=lambda each: each.name)
def test_a_job_is_complete(each: Job) -> None:
    assert job(each.name) is each, "its name is its own"
    assert parse(each.schedule)
    assert each.title
    assert each.about.endswith(".")
    assert each.limit_s > 0
    assert each.misfire_s > 0
    assert each.jitter_s >= 0


def test_every_function_is_a_job() -> None:
    functions = {
        function
        for name, function in inspect.getmembers(job_functions, inspect.isfunction)
        if function.__module__ == job_functions.__name__ and not name.startswith("_")
    }
    assert functions == {each.run for each in JOBS}
