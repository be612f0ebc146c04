"""Heavy jobs run in a process of their own, as they would in the scheduler's."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from spotlab.domain.ports import RunState
from spotlab.errors import (
    AwsError,
    Cancelled,
    DatabaseDown,
    Fenced,
    InvalidInput,
    NotAvailable,
    SpotlabError,
    Throttled,
)
from spotlab.runtime.bootstrap import bootstrap
from spotlab.runtime.lab import Lab
from spotlab.scheduling import job_process
from spotlab.scheduling.first_run import get_ready
from spotlab.scheduling.job_catalogue import JOBS, job
from spotlab.scheduling.job_process import JobProcess
from spotlab.scheduling.job_runs import portable
from spotlab.scheduling.scheduler import Scheduler
from spotlab.settings import load
from spotlab.store.engine import Fence, fenced
from spotlab.telemetry import metrics
from tests.support.online import wait_until

LIGHT = "retention"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    settings = load(home=tmp_path / "home", market="simulated", auth="off")
    with bootstrap(settings) as opened:
        yield opened


@pytest.fixture
def process(lab: Lab) -> Iterator[JobProcess]:
    started = lab.process_state(JobProcess)
    started.enable(lab.settings)
    yield started
    started.close()


def run(process: JobProcess, name: str = LIGHT) -> dict[str, object]:
    return dict(process.run(name, lambda _text, _share: None, lambda: False))


def test_a_job_runs_in_another_process_which_ends_when_there_is_none(
    process: JobProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert process.pid is None
    assert run(process)["rows"] == 0
    first = process.pid
    assert first not in (None, os.getpid())
    assert run(process)["rows"] == 0
    assert process.pid == first
    monkeypatch.setattr(job_process, "IDLE_S", 0.0)
    wait_until(lambda: process.pid is None, "it is not used any more")
    wait_until(lambda: not Path(f"/proc/{first}").exists(), "it has ended")
    assert run(process)["rows"] == 0


def test_a_process_that_was_started_before_is_used(lab: Lab) -> None:
    job_process.prestart(lab.settings, "app")
    started = JobProcess()
    started.enable(lab.settings)
    first = started.pid
    assert first is not None
    assert run(started)["rows"] == 0
    assert started.pid == first
    started.close()
    assert not Path(f"/proc/{first}").exists()


def test_a_killed_process_fails_its_run_and_the_next_run_starts_another(
    process: JobProcess,
) -> None:
    failures: list[BaseException] = []

    def attempt() -> None:
        try:
            run(process)
        except SpotlabError as exc:
            failures.append(exc)

    thread = threading.Thread(target=attempt)
    thread.start()
    wait_until(lambda: process.pid is not None, "it has started")
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    thread.join(20)
    assert isinstance(failures[0], NotAvailable)
    assert "before the run did (SIGKILL)" in str(failures[0])
    assert run(process)["rows"] == 0


def test_its_writes_pass_the_fence_of_the_scheduler(lab: Lab, process: JobProcess) -> None:
    with fenced(Fence("scheduler", 41)), pytest.raises(Fenced):
        run(process, "outcomes")


def test_the_scheduler_records_what_it_gives(lab: Lab, process: JobProcess) -> None:
    heavy = job(LIGHT)
    assert heavy is not None
    assert heavy.heavy
    scheduler = Scheduler(lab, "me", jobs=[heavy])
    scheduler.leadership.step()
    scheduler.tick()
    lab.store.jobs.set_next_due(LIGHT, lab.clock.now())
    scheduler.tick()
    for each in list(scheduler._running.values()):
        each.join(60)
    scheduler.tick()
    (recorded,) = lab.store.jobs.runs(limit=5)
    assert recorded.state is RunState.DONE
    assert recorded.result["rows"] == 0
    assert process.pid is not None


def test_a_run_is_stopped_from_outside(lab: Lab, process: JobProcess) -> None:
    with pytest.raises(Cancelled):
        get_ready(lab, None, lambda: True)
    assert process.pid is not None


def test_a_closed_one_starts_nothing(process: JobProcess) -> None:
    process.close()
    with pytest.raises(NotAvailable, match="closed"):
        run(process)
    assert process.pid is None


def test_what_holds_the_memory_of_a_market_is_heavy() -> None:
    assert {each.name for each in JOBS if not each.heavy} == {
        "first-run",  # its steps are heavy, and started by screens as well
        "read-events",  # waits most of the time
        "health-probes",
        "alerts",
        "launch-probes",  # calls of AWS; it reads recorded decisions
        "drive-switches",
    }


@pytest.mark.parametrize(
    "error",
    [
        Throttled("slow down", remedy="wait", code="Throttling"),
        DatabaseDown("no database", what="is full"),
        InvalidInput("bad", field="name"),
        AwsError("x"),
    ],
)
def test_errors_arrive_as_they_were_raised(error: SpotlabError) -> None:
    copy = portable(error)
    assert type(copy) is type(error)
    assert (str(copy), vars(copy)) == (str(error), vars(error))


def test_an_unexpected_error_arrives_as_its_text() -> None:
    copy = portable(ValueError("three\nlines"))
    assert type(copy) is SpotlabError
    assert str(copy) == "ValueError: three lines"


def test_what_a_process_counts_is_reported_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def total(name: str, **labels: str) -> float:
        return metrics.REGISTRY.get_sample_value(name, labels) or 0.0

    monkeypatch.setattr(metrics, "_relayed", None)
    metrics.relay()
    metrics.DECISIONS.labels(decision="STAY", shadow="false").inc(2)
    metrics.STAGE_SECONDS.labels(stage="rank").observe(0.2)
    taken = metrics.take_relayed()
    assert metrics.take_relayed() == ()
    monkeypatch.setattr(metrics, "_relayed", None)
    counted = total("spotlab_decisions_total", decision="STAY", shadow="false")
    timed = total("spotlab_stage_seconds_count", stage="rank")
    metrics.report(taken)
    assert total("spotlab_decisions_total", decision="STAY", shadow="false") == counted + 2
    assert total("spotlab_stage_seconds_count", stage="rank") == timed + 1
