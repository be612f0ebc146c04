"""`throughputs`: importing, listing, comparing and removing, with errors that name the line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spotlab.cli import main
from tests.support.migrated import copy_to

Run = Callable[..., tuple[int, dict[str, Any]]]
CSV = "name,throughput,unit\nm6g.large,1000,images/s\nm7g.large,1180,images/s\n"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("SPOTLAB_HOME", str(tmp_path / "home"))
    copy_to(tmp_path / "home" / "spotlab.db")
    monkeypatch.setenv("SPOTLAB_MARKET", "simulated")
    monkeypatch.chdir(tmp_path)

    def run_command(*argv: str) -> tuple[int, dict[str, Any]]:
        code = main(["throughputs", *argv, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run_command


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "measured.csv"
    path.write_text(CSV)
    return path


def test_what_is_imported_is_listed_and_counts_for_its_workload_only(run: Run, file: Path) -> None:
    code, saved = run(
        "import", str(file), "--workload", "checkpointed-training", "--reason", "measured"
    )
    assert code == 0
    assert (saved["workload"], saved["version"]) == ("checkpointed-training", 1)
    assert (saved["unit"], saved["reason"]) == ("images/s", "measured")
    assert [each["throughput"] for each in saved["throughputs"]] == [1000.0, 1180.0]
    listed = run("list")[1]["throughputs"]
    assert [each["workload"] for each in listed] == ["checkpointed-training"]
    _, compared = run("compare", "m6g.large", "m7g.large", "--workload", "checkpointed-training")
    assert (compared["ratio"], compared["basis"]) == (1.18, "measured")
    _, compared = run("compare", "m6g.large", "m7g.large")
    assert (compared["ratio"], compared["basis"]) == (1.25, "claimed")
    assert compared["sentence"].endswith("not measured.")
    _, compared = run("compare", "m6i.large", "m7i.large")
    assert (compared["ratio"], compared["basis"]) == (1.0, "unknown")


def test_removed_throughputs_no_longer_count(run: Run, file: Path) -> None:
    assert run("import", str(file))[0] == 0
    assert run("compare", "m6g.large", "m7g.large")[1]["basis"] == "measured"
    assert run("remove")[0] == 0
    assert run("list")[1]["throughputs"] == []
    assert run("compare", "m6g.large", "m7g.large")[1]["basis"] == "claimed"
    assert run("import", str(file))[1]["version"] == 3, "earlier versions stay"


def test_the_claims_are_listed_with_their_sources(run: Run) -> None:
    code, document = run("claims")
    assert code == 0
    assert document["version"] == 1
    assert {"statement", "title", "published", "url"} <= set(document["claims"][0])


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("import", "none.csv"), "none.csv: it cannot be read"),
        (("import", "bad.csv"), "Line 2: 'm7g.lrage' is not an instance type or a family."),
        (("import", "measured.csv", "--workload", "laundry"), "There is no workload 'laundry'"),
        (("import", "measured.csv", "--reason", "a\u202eb"), "A reason is one line"),
        (("remove",), "There are no throughputs of all workloads. Available: none."),
        (("remove", "--workload", "default"), "There are no throughputs of default."),
        (("compare", "m6g", "m7g.large"), "'m6g' is a family"),
        (("compare", "m6g.large", "x"), "'x' is not an instance type or a family"),
        (("compare", "m6g.large", "m7g.large", "--workload", "x"), "There is no workload 'x'"),
    ],
)
def test_wrong_input_is_named_and_nothing_is_saved(
    run: Run, file: Path, argv: tuple[str, ...], said: str
) -> None:
    file.with_name("bad.csv").write_text("m6g.large,1000\nm7g.lrage,1180\n")
    code, document = run(*argv)
    assert code == 1
    assert said in document["error"]
    assert run("list")[1]["throughputs"] == []


def test_a_file_for_a_person(run: Run, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In words: how many, of what, and which names have no effect yet."""
    del run
    file.write_text("m6g,500,req/s\nm99g.large,7\n")
    assert main(["collect"]) == 0
    capsys.readouterr()
    assert main(["throughputs", "import", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "Saved 2 throughputs of all workloads, version 1." in printed
    assert "the active market lists no such type: m99g.large." in printed
    assert main(["throughputs", "list"]) == 0
    assert "500 req/s per vCPU or GPU" in capsys.readouterr().out
