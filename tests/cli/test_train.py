"""`spotlab train`: registers a candidate, and nothing if it is stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spotlab.cli import main
from spotlab.cli import train as cli_train
from spotlab.training.advisor import recipe
from spotlab.training.advisor import training as advisor_training
from tests.support import recorded

Run = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded.write_market(tmp_path_factory.mktemp("recorded"))


@pytest.fixture
def run(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Train the advisor model with few trees; returns exit code, document and stderr."""
    monkeypatch.setattr(recipe, "ROUNDS", 6)
    monkeypatch.setenv("SPOTLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SPOTLAB_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("SPOTLAB_SHARED_DATA", str(folder))

    def train(*argv: str, task: str = "advisor") -> tuple[int, dict[str, Any], str]:
        of_task = ["--task", task, *([] if "--split" in argv else ["--split", "family:2"])]
        code = main(["train", *(of_task if task else []), *argv, "--json"])
        output = capsys.readouterr()
        return code, json.loads(output.out), output.err

    return train


def test_what_it_makes_is_a_candidate_and_the_champion_stays(run: Run) -> None:
    _, first, output = run()
    code, second, _ = run("--seed", "8", "--split", "region:2")
    _, again, _ = run("--seed", "8", "--split", "region:2")

    assert code == 0
    assert (first["version"], first["state"]) == ("1.2.0", "champion"), "the first of its task"
    assert (second["version"], second["state"]) == ("1.3.0", "candidate")
    assert (second["split"], second["new"], again["new"]) == ("region:2", True, False)
    assert "  0% Reading the recorded market" in output
    assert "Writing the artefact" in output


def test_a_search_keeps_to_its_trials_and_the_card_shows_them(run: Run) -> None:
    _, document, output = run("--search-trials", "2", "--version", "2.0.0")

    assert document["search"]["trials"] == 2
    assert document["search"]["table"][0]["settings"]["num_leaves"] == 31
    assert any(row["candidate"].endswith("from a search") for row in document["comparison"])
    assert "trial 2 of 2, best" in output
    card = json.loads((Path(document["folder"]) / "card.json").read_text())
    assert card["search"] == document["search"]
    assert document["version"] == "2.0.0"


def test_another_folder_is_written_but_not_registered(run: Run, tmp_path: Path) -> None:
    _, document, _ = run("--out", str(tmp_path / "elsewhere"))

    assert document["state"] is None
    assert (tmp_path / "elsewhere" / "advisor-lgbm" / "1.2.0" / "SHA256SUMS").is_file()


def test_an_interrupt_leaves_nothing_half_written(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strike(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(advisor_training, "level_by_snapshot", strike)
    code, document, _ = run()

    assert (code, document["error"]) == (1, "Stopped.")
    assert [path for path in (tmp_path / "models").rglob("*") if path.is_file()] == []


def test_without_a_task_every_task_is_trained(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[cli_train.TrainingRequest] = []

    def capacity(
        wish: cli_train.TrainingRequest, tell: Callable[[str, float], None]
    ) -> cli_train.TrainedModel:
        asked.append(wish)
        return cli_train.TRAINERS["advisor"](replace(wish, version="9.9.9"), tell)

    monkeypatch.setitem(cli_train.TRAINERS, "capacity", capacity)
    for rule in ("advisor-persistence", "capacity-streak", "capacity-pool-rate"):
        monkeypatch.delitem(cli_train.TRAINERS, rule)
    code, document, output = run(task="")

    assert code == 0
    assert [model["task"] for model in document["models"]] == ["advisor", "capacity"]
    assert [model["version"] for model in document["models"]] == ["1.2.0", "9.9.9"]
    assert asked[0].data == ()
    assert "capacity: Writing the artefact" in output


def test_the_rule_of_the_last_bucket_is_a_candidate_like_any_model(run: Run) -> None:
    code, document, _ = run(task="advisor-persistence")
    assert code == 0
    assert (document["name"], document["version"]) == ("advisor-persistence", "1.0.0")
    assert document["state"] == "candidate"
    assert 0.0 < document["metrics"]["model"]["brier"] < 0.3


def test_a_rule_learns_from_probes_in_csv_without_a_header_line(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for name in ("zone-a.csv", "zone-b.csv"):
        lost = np.cumsum(rng.random(2000) < 0.05) % 2
        lines = [f"{tick},{600 * tick},{value}" for tick, value in enumerate(lost)]
        (tmp_path / name).write_text("\n".join(lines))
    files = [str(tmp_path / name) for name in ("zone-a.csv", "zone-b.csv")]
    unstated = ("--polarity", "unavailable", "--gap-s", "600", "--columns", "tick,time,fail")
    split = ("--split", "time:0.6")
    code, document, _ = run("--data", *files, *unstated, *split, task="capacity-streak")
    assert (code, document["name"], document["state"]) == (0, "capacity-streak", "candidate")


def test_a_version_is_never_written_over(run: Run) -> None:
    run("--version", "1.2.0")
    code, document, _ = run("--version", "1.2.0", "--seed", "9")

    assert code == 1
    assert "exists with other content" in document["error"]


@pytest.mark.parametrize(
    ("argv", "task", "match"),
    [
        (("--data", "a", "b"), "advisor", "one folder"),
        (("--data", "a"), "", "depend on the task"),
        (("--split", "time"), "advisor", "not valid for an advisor model"),
        (("--columns", "tick,time,fail"), "advisor", "--columns and --zone-ids describe traces"),
    ],
    ids=["two folders", "data of no task", "a split of another task", "columns of no trace"],
)
def test_what_makes_no_sense_is_refused(
    run: Run, argv: tuple[str, ...], task: str, match: str
) -> None:
    code, document, _ = run(*argv, task=task)

    assert code != 0
    assert match in document["error"]
