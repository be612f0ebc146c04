"""`models evaluate` and `data`: one document with stable keys, and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spotlab.cli import main
from spotlab.inference import artefacts
from tests.support import recorded
from tests.support import trace_files as toys
from tests.support.lab import save_toy_model
from tests.support.migrated import copy_to

Run = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("SPOTLAB_HOME", str(tmp_path / "home"))
    copy_to(tmp_path / "home" / "spotlab.db")
    monkeypatch.setenv("SPOTLAB_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("SPOTLAB_MARKET", "simulated")
    save_toy_model(tmp_path / "models")

    def run_command(*argv: str | Path) -> tuple[int, dict[str, Any], str]:
        code = main([*map(str, argv), "--json"])
        captured = capsys.readouterr()
        return code, json.loads(captured.out), captured.err

    return run_command


@pytest.fixture
def snapshots(tmp_path: Path) -> tuple[Path, Path]:
    recorded.write_2022(tmp_path)
    folder = tmp_path / "evaluation-only" / "advisor"
    return folder / "2022-01-09.json.gz", folder / "2022-04-06.json.gz"


@pytest.mark.parametrize("name", ["toy", "toy@1.0.0", "advisor"])
def test_an_advisor_model_is_named_three_ways(
    run: Run, snapshots: tuple[Path, Path], name: str
) -> None:
    before, after = snapshots

    code, document, _ = run(
        "models", "evaluate", name, "--advisor-before", before, "--advisor-after", after
    )

    assert code == 0
    assert document["model"] == "toy@1.0.0"
    assert document["task"] == "advisor"
    assert document["files"] == [str(before), str(after)]
    assert set(document["metrics"]) == {
        "auc",
        "pr_auc",
        "brier",
        "brier_skill",
        "log_loss",
        "ece",
    }
    assert set(document["baselines"]) == {"base_rate", "persistence"}


def test_two_models_are_compared_on_the_same_rows(
    run: Run, snapshots: tuple[Path, Path], tmp_path: Path
) -> None:
    first = tmp_path / "models" / "toy" / "1.0.0"
    card = json.loads((first / "card.json").read_bytes()) | {"version": "1.1.0"}
    trees = (first / "model.txt").read_bytes()
    artefacts.save(tmp_path / "models", json.dumps(card).encode(), trees)
    before, after = snapshots
    files = ("--advisor-before", before, "--advisor-after", after)

    code, document, err = run("models", "compare", "toy@1.0.0", "toy@1.1.0", *files)

    assert code == 0
    assert (document["first"], document["second"]) == ("toy@1.0.0", "toy@1.1.0")
    assert document["rows"] > 0
    assert document["difference"]["brier"]["value"] == pytest.approx(0.0)
    assert set(document["winner"].values()) == {None}, "the same trees differ in nothing"
    _, alone, _ = run("models", "evaluate", "toy@1.0.0", *files)
    auc = alone["metrics"]["auc"]["value"]
    assert document["metrics"]["first"]["auc"]["value"] == pytest.approx(auc)
    assert "drawing" in err, "long work shows its progress"


def test_models_of_another_task_are_not_compared(run: Run) -> None:
    code, document, _ = run("models", "compare", "toy", "toy", "--trace", "a.json")
    assert code == 2
    assert "has the task advisor" in document["error"]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 2, "either trace files or advisor files"),
        (["--trace", "a.json", "--advisor-after", "b.json"], 2, "either trace files"),
        (["--advisor-after", "b.json"], 2, "measured on an earlier and a later snapshot"),
        (
            ["--advisor-before", "a", "--advisor-after", "b", "--nodes", "2"],
            2,
            "--nodes can be used only with --trace",
        ),
        (["--trace", "a.json"], 2, "has the task advisor"),
        (["--advisor-before", "nowhere.json", "--advisor-after", "b"], 1, "nowhere.json"),
    ],
    ids=["nothing", "both", "half", "stray", "other task", "no file"],
)
def test_wrong_usage_says_what_would_be_right(
    run: Run, options: list[str], code: int, said: str
) -> None:
    found, document, err = run("models", "evaluate", "toy", *options)

    assert found == code
    assert said in document["error"]
    assert said in err


def test_a_model_that_is_not_there_is_named(run: Run, snapshots: tuple[Path, Path]) -> None:
    before, after = snapshots
    code, document, _ = run(
        "models", "evaluate", "none", "--advisor-before", before, "--advisor-after", after
    )

    assert code == 1
    assert "No model 'none'" in document["error"]


def test_data_says_what_is_in_a_file_and_under_which_licence(run: Run, tmp_path: Path) -> None:
    trace = toys.write_counts(tmp_path / "zone.json.gz", [1, 0, None, 1])
    lake = toys.write(
        tmp_path / "lake.csv",
        "Time,InstanceType,Region,AZ,SPS,T3,T2,IF,OndemandPrice,SpotPrice,Savings\n"
        "2024-05-01 12:00:00,m6i.large,us-east-1,use1-az4,3,10,25,2.5,0.096,0.0384,60\n",
    )
    kept = toys.write_counts(tmp_path / "evaluation-only" / "zone.json", [1, 0])

    code, document, _ = run("data", trace, lake, kept)

    first, second, third = document["files"]
    assert code == 0
    assert (first["form"], first["rows"], first["recorded_share"]) == ("trace-json", 4, 0.75)
    assert first["may_train_shipped_models"]
    assert "CC BY-NC 4.0" in second["notice"]
    assert not second["may_train_shipped_models"]
    assert not third["may_train_shipped_models"]


def test_data_lists_every_form_and_refuses_another(run: Run, tmp_path: Path) -> None:
    code, document, _ = run("data")
    assert code == 0
    assert "spotlake" in {form["name"] for form in document["forms"]}

    code, document, _ = run("data", toys.write(tmp_path / "odd.csv", "a,b\n1,2\n"))
    assert code == 1
    assert "no known format" in document["error"]


def test_nothing_that_is_registered_learns_from_data_that_only_measures(
    run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "evaluation-only" / "traces"
    folder.mkdir(parents=True)

    code, document, _ = run("train", "--task", "capacity", "--data", folder)

    assert code == 1
    assert "has no licence" in document["error"]
