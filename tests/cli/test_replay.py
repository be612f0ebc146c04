"""`replay`: identical, with something else, or why it cannot be done."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spotlab.cli import main
from spotlab.runtime.evaluation import evaluate_instances
from tests.support.lab import FLEET, save_toy_model, small_lab

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path / "home", tmp_path / "models") as lab:
        evaluate_instances(lab)
    monkeypatch.setenv("SPOTLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SPOTLAB_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("SPOTLAB_MARKET", "simulated")

    def run_command(*argv: str) -> tuple[int, dict[str, Any]]:
        code = main(["replay", *argv, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run_command


def test_every_decision_of_a_fleet_is_identical(run: Run) -> None:
    for number in range(1, len(FLEET) + 1):
        code, document = run(str(number))
        assert code == 0
        assert (document["identical"], document["differences"]) == (True, [])
        assert document["recorded"] == document["replayed"]
        assert document["recorded"]["policy"] == "default@1"


def test_another_policy_shows_both_decisions_and_what_differs(run: Run) -> None:
    code, document = run("3", "--policy", '{"min_saving_usd_per_hour": 1}')
    assert (code, document["identical"], document["changed"]) == (0, False, ["policy"])
    assert document["recorded"]["decision"] == "SWITCH"
    assert document["replayed"]["decision"] != "SWITCH"
    fields = {each["field"] for each in document["differences"]}
    assert {"decision", "reason"} <= fields
    assert document["replayed"]["cost_since"]["unknown"]


def test_another_workload_is_named_with_its_version(run: Run) -> None:
    _, document = run("1", "--workload", "stateful-server")
    assert document["replayed"]["workload"] == "stateful-server@1"
    assert document["recorded"]["workload"] == "default@1"


def test_what_is_not_there_is_said(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "4711"]) == 1
    assert "Experiment 4711 is not in the ledger" in capsys.readouterr().err
    assert main(["replay", "1", "--model", "gone@1"]) == 1
    assert "gone" in capsys.readouterr().err
    assert main(["replay", "1", "--policy", '{"speed": 1}']) == 1
    assert "'speed' is not a parameter" in capsys.readouterr().err
