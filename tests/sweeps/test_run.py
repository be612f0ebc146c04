"""Sweeps go on where they were stopped, whoever was killed, with the same results."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spotlab.errors import Cancelled, NotAvailable, SweepFailed
from spotlab.store import Store, open_store
from spotlab.sweeps.run import exclusive_lock, running_sweep
from tests.support import toys
from tests.support.migrated import copy_to
from tests.support.sweeping import CELLS, run_toy, toy_plan

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    store = open_store(None, copy_to(home / "spotlab.db"))
    yield store
    store.close()


def uninterrupted(tmp_path: Path) -> str:
    """The results of a sweep that nobody stopped, in a home of its own, as text."""
    home, folder = tmp_path / "another home", tmp_path / "another folder"
    folder.mkdir()
    store = open_store(None, home / "spotlab.db")
    try:
        return json.dumps(run_toy(store, home, toy_plan(folder)))
    finally:
        store.close()


def tries(folder: Path) -> list[int]:
    return sorted(int(mark.name.split(".")[1]) for mark in folder.glob("tried.*"))


def test_a_sweep_keeps_every_cell_and_tells_how_far_it_is(
    store: Store, home: Path, folder: Path
) -> None:
    steps: list[tuple[str, float]] = []
    results = run_toy(store, home, toy_plan(folder), lambda *line: steps.append(line))

    assert {key: result["number"] for key, result in results.items()} == {
        f"cell {number}": number for number in range(CELLS)
    }
    assert [text for text, _ in steps] == [
        "preparing the world",
        *(f"{done} of {CELLS} cells" for done in range(CELLS + 1)),
        "done",
    ]
    shares = [share for _, share in steps]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    record = store.sweeps.get("toy")
    assert (record.state, record.done, record.total) == ("done", CELLS, CELLS)
    assert running_sweep(home) is None


def test_a_finished_sweep_is_not_run_again(store: Store, home: Path, folder: Path) -> None:
    first = run_toy(store, home, toy_plan(folder))
    assert run_toy(store, home, toy_plan(folder)) == first
    assert tries(folder) == list(range(CELLS))


def test_a_sweep_that_was_stopped_goes_on(
    store: Store, home: Path, folder: Path, tmp_path: Path
) -> None:
    (folder / "hold").touch()
    with pytest.raises(Cancelled, match=r"after [3-9] of 10 cells.*resumes from there"):
        run_toy(store, home, toy_plan(folder), cancelled=lambda: store.sweeps.get("toy").done >= 3)
    assert store.sweeps.get("toy").state == "cancelled"
    finished = store.sweeps.finished("toy")
    assert len(finished) >= 3

    (folder / "hold").unlink()
    assert json.dumps(run_toy(store, home, toy_plan(folder))) == uninterrupted(tmp_path)
    assert all(tries(folder).count(result["number"]) == 1 for result in finished.values())


def test_another_session_can_stop_it(store: Store, home: Path, folder: Path) -> None:
    (folder / "hold").touch()

    def stop_at_4(text: str, _share: float) -> None:
        if text.startswith("4 of"):
            assert running_sweep(home) == "toy"
            store.sweeps.cancel("toy")

    with pytest.raises(Cancelled, match="after 4 of 10 cells"):
        run_toy(store, home, toy_plan(folder), stop_at_4)
    assert store.sweeps.get("toy").state == "cancelled"


def test_ctrl_c_keeps_what_is_finished(store: Store, home: Path, folder: Path) -> None:
    def press(text: str, _share: float) -> None:
        if text.startswith("2 of"):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Cancelled, match="after 2 of 10 cells"):
        run_toy(store, home, toy_plan(folder), press)
    assert store.sweeps.get("toy").state == "cancelled"


def test_a_sweep_whose_process_was_killed_goes_on(home: Path, folder: Path, tmp_path: Path) -> None:
    (folder / "hold").touch()
    command = [sys.executable, "-m", "tests.support.sweeping", str(home), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert "4 of 10 cells\n" in iter(process.stdout.readline, "")
        assert running_sweep(home) == "toy"
        workers = {int(mark.name.split(".")[2]) for mark in folder.glob("tried.*")}
        watched = [os.pidfd_open(pid) for pid in workers]
        process.kill()
    for handle in watched:
        assert select.select([handle], [], [], 20.0)[0], "its workers end with it"
        os.close(handle)
    store = open_store(None, home / "spotlab.db")
    try:
        assert running_sweep(home) is None, "whatever its state says"
        record = store.sweeps.get("toy")
        assert (record.state, record.done) == ("running", 4)
        (folder / "hold").unlink()
        assert json.dumps(run_toy(store, home, toy_plan(folder))) == uninterrupted(tmp_path)
        assert [tries(folder).count(number) for number in range(4)] == [1, 1, 1, 1]
        assert store.sweeps.get("toy").state == "done"
    finally:
        store.close()


def test_a_worker_that_is_killed_changes_nothing(store: Store, home: Path, folder: Path) -> None:
    results = run_toy(store, home, toy_plan(folder, toys.die_once_in_a_sweep))
    assert [result["number"] for result in results.values()] == [10 * n for n in range(CELLS)]
    assert store.sweeps.get("toy").state == "done"


def test_cells_that_fail_are_named_and_the_others_kept(
    store: Store, home: Path, folder: Path
) -> None:
    with pytest.raises(SweepFailed, match=r"5 of 10 cells failed\. cell 1: 1 is odd\. Use 2\."):
        run_toy(store, home, toy_plan(folder, toys.refuse_odd_in_a_sweep))
    record = store.sweeps.get("toy")
    assert (record.state, record.done) == ("failed", 5)
    assert "And 2 more" in record.error


def test_one_sweep_at_a_time(store: Store, home: Path, folder: Path) -> None:
    with (
        exclusive_lock(home, "the other"),
        pytest.raises(NotAvailable, match=r"Another sweep is running in this home \(the other\)"),
    ):
        run_toy(store, home, toy_plan(folder))
    assert run_toy(store, home, toy_plan(folder))
