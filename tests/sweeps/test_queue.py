"""Sweeps in the background: one after the other, seen and stopped from anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spotlab.errors import NotFound
from spotlab.processes.process_pool import ProcessWorkers
from spotlab.store import Store, open_store
from spotlab.sweeps.queue import SweepQueue
from spotlab.sweeps.run import exclusive_lock
from tests.support import toys
from tests.support.market import StillClock
from tests.support.migrated import copy_to
from tests.support.sweeping import CELLS, toy_plan

LONG_S = 60.0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    store = open_store(None, copy_to(home / "spotlab.db"))
    yield store
    store.close()


@pytest.fixture
def jobs(store: Store, home: Path) -> Iterator[SweepQueue]:
    jobs = SweepQueue(store.sweeps, ProcessWorkers(2), home, StillClock())
    yield jobs
    jobs.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


def until(jobs: SweepQueue, sweep_id: str, done: int) -> None:
    """Watch it as a screen would."""
    while jobs.progress(sweep_id).record.done < done:
        assert jobs.progress(sweep_id).state in {"queued", "running"}


def test_sweeps_are_worked_off_one_after_the_other(jobs: SweepQueue, folder: Path) -> None:
    for name in ("first", "second"):
        record = jobs.submit(toy_plan(folder, sweep_id=name))
        assert (record.state, record.total) == ("queued", CELLS)
    assert jobs.wait(LONG_S)
    for name in ("first", "second"):
        progress = jobs.progress(name)
        assert (progress.state, progress.share, progress.text) == ("done", 1.0, "")


def test_a_sweep_that_was_submitted_twice_runs_once(jobs: SweepQueue, folder: Path) -> None:
    for _ in range(2):
        jobs.submit(toy_plan(folder))
    assert jobs.wait(LONG_S)
    assert jobs.submit(toy_plan(folder)).state == "done"
    assert jobs.wait(LONG_S)
    assert len(list(folder.glob("tried.*"))) == CELLS


def test_another_process_sees_it_and_stops_it(
    jobs: SweepQueue, store: Store, home: Path, folder: Path
) -> None:
    (folder / "hold").touch()
    jobs.submit(toy_plan(folder))
    jobs.submit(toy_plan(folder, sweep_id="queued behind"))
    until(jobs, "toy", 4)

    elsewhere = SweepQueue(store.sweeps, ProcessWorkers(1), home, StillClock())
    progress = elsewhere.progress("toy")
    assert (progress.state, progress.share, progress.text) == ("running", 0.4, "")
    assert jobs.progress("toy").text == "4 of 10 cells"
    elsewhere.cancel("queued behind")
    elsewhere.cancel("toy")

    assert jobs.wait(LONG_S)
    assert jobs.progress("toy").state == "cancelled"
    assert jobs.progress("queued behind").state == "cancelled"
    assert jobs.progress("queued behind").record.done == 0


def test_it_goes_on_when_it_is_submitted_again(jobs: SweepQueue, folder: Path) -> None:
    (folder / "hold").touch()
    jobs.submit(toy_plan(folder))
    until(jobs, "toy", 4)
    jobs.cancel("toy")
    assert jobs.wait(LONG_S)
    (folder / "hold").unlink()

    jobs.submit(toy_plan(folder))

    assert jobs.wait(LONG_S)
    assert jobs.progress("toy").state == "done"


def test_closing_stops_what_runs(jobs: SweepQueue, store: Store, folder: Path) -> None:
    (folder / "hold").touch()
    jobs.submit(toy_plan(folder))
    until(jobs, "toy", 4)
    jobs.close()
    assert store.sweeps.get("toy").state == "cancelled"


def test_what_failed_is_said(jobs: SweepQueue, folder: Path) -> None:
    jobs.submit(toy_plan(folder, toys.refuse_odd_in_a_sweep))
    assert jobs.wait(LONG_S)
    progress = jobs.progress("toy")
    assert progress.state == "failed"
    assert "5 of 10 cells failed" in progress.record.error


def test_a_sweep_that_nobody_runs_is_not_called_running(
    jobs: SweepQueue, store: Store, home: Path, folder: Path
) -> None:
    store.sweeps.open("toy", {}, CELLS, StillClock().now())
    store.sweeps.begin("toy")
    assert jobs.progress("toy").state == "interrupted"
    with exclusive_lock(home, "toy"):
        assert jobs.progress("toy").state == "running"


def test_it_waits_for_the_sweep_of_another_process(
    jobs: SweepQueue, home: Path, folder: Path
) -> None:
    with exclusive_lock(home, "other"):
        jobs.submit(toy_plan(folder))
        assert not jobs.wait(0.2)
        assert jobs.progress("toy").state == "queued"
    assert jobs.wait(LONG_S)
    assert jobs.progress("toy").state == "done"


def test_an_unknown_sweep_is_not_found(jobs: SweepQueue) -> None:
    with pytest.raises(NotFound):
        jobs.progress("none")
