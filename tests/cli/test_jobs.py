"""`spotlab jobs` and `spotlab worker`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spotlab.cli import main
from spotlab.domain.access import Role
from spotlab.domain.ports import By
from spotlab.errors import Forbidden, InvalidInput, NotFound
from spotlab.services import Services
from spotlab.store import open_store
from tests.support.jobs import lab_over
from tests.support.market import NOW
from tests.support.online import wait_until
from tests.support.people import ANA, person


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    models = tmp_path / "models"
    models.mkdir()
    monkeypatch.setenv("SPOTLAB_MODELS_DIR", str(models))
    monkeypatch.setenv("SPOTLAB_MARKET", "simulated")
    return tmp_path / "home"


def answer(home: Path, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    code = main(["jobs", *words, "--json", "--home", str(home)])
    return code, json.loads(capsys.readouterr().out)


def test_jobs_are_listed_paused_scheduled_and_asked_for(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, seen = answer(home, capsys, "list")
    assert code == 0
    assert seen["leader"] is None
    jobs = {job["name"]: job for job in seen["jobs"]}
    assert jobs["collect-prices"]["schedule"] == "every 5 min"
    assert jobs["collect-prices"]["last"] is None

    assert answer(home, capsys, "pause", "outcomes")[1]["state"] == "paused"
    assert answer(home, capsys, "resume", "outcomes")[1]["state"] == "on schedule"
    changed = answer(home, capsys, "schedule", "outcomes", "every 2 h")[1]
    assert (changed["schedule"], changed["own_schedule"]) == ("every 2 h", "every 1 h")
    assert answer(home, capsys, "schedule", "outcomes", "own")[1]["schedule"] == "every 1 h"
    assert answer(home, capsys, "run", "outcomes")[0] == 0
    code, refused = answer(home, capsys, "run", "outcomes")
    assert code == 1
    assert "is already requested by" in refused["error"]
    assert answer(home, capsys, "history")[1] == {"runs": []}

    main(["jobs", "list", "--home", str(home)])
    _, *rows = capsys.readouterr().out.splitlines()
    assert len({row.index("  next ") for row in rows}) == 1, "columns are aligned"
    assert any(row.startswith("read-past-interruptions  on schedule") for row in rows)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "laundry"), "There is no job 'laundry'. Available: first-run, "),
        (("schedule", "outcomes", "every 2 parsecs"), "'every 2 parsecs' is not a valid schedule"),
        (("schedule", "outcomes", "0 3 * * 1"), "Use names, such as mon-fri"),
        (("schedule", "outcomes", "every 1 s"), "Use 5 s to 31 d"),
        (("schedule", "outcomes", "0 0 31 2 *"), "names a date that does not exist"),
        (("schedule", "first-run", "every 1 h"), "Only a job that runs at start has that schedule"),
    ],
)
def test_what_cannot_be_is_said(
    home: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    code, document = answer(home, capsys, *words)
    assert code == 1
    assert said in document["error"]


def test_who_may_not_run_jobs_changes_nothing(tmp_path: Path) -> None:
    store = open_store(None, tmp_path / "spotlab.db")
    with lab_over(store, tmp_path) as lab:
        viewer = Services(lab, person(Role.VIEWER)).jobs
        assert viewer.overview().jobs
        for change in (
            lambda: viewer.run("outcomes"),
            lambda: viewer.pause("outcomes"),
            lambda: viewer.resume("outcomes"),
            lambda: viewer.schedule("outcomes", "every 2 h"),
        ):
            with pytest.raises(Forbidden, match="may not run, pause and schedule jobs"):
                change()
        assert store.jobs.settings() == {}
        assert store.audit.entries() == []
        with pytest.raises(NotFound):
            Services(lab, ANA).jobs.history("laundry")
        with pytest.raises(InvalidInput):
            Services(lab, ANA).jobs.schedule("outcomes", "at start")
    store.close()


def test_a_worker_leads_and_lets_go_when_it_is_asked_to_end(home: Path) -> None:
    spotlab = str(Path(sys.executable).with_name("spotlab"))
    settings = {"SPOTLAB_HOME": str(home), "SPOTLAB_SCHEDULER": "off"}
    store = open_store(None, home / "spotlab.db")
    for name in ("first-run", "health-probes"):  # not under test, and other jobs wait for them
        store.jobs.set_paused(name, True, By("ana", NOW, "", "a test"))
    with subprocess.Popen(
        [spotlab, "worker"], env=os.environ | settings, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: store.leases.get("scheduler"), "the worker leads", 60)
        wait_until(lambda: store.processes.list(), "it is among the processes", 60)
        (seen,) = store.processes.list()
        assert (seen.role, seen.pid) == ("worker", process.pid)
        process.send_signal(signal.SIGTERM)
        _, output = process.communicate(timeout=30)
    assert process.returncode == 0
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["message"] for line in lines][-1] == "the worker stopped"
    lease = store.leases.get("scheduler")
    assert lease is not None
    assert lease.released
    assert store.processes.list() == []
    store.close()
