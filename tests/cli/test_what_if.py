"""`what-if`: one document with both decisions of each instance, and nothing recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spotlab.cli import main
from tests.support.lab import FLEET, save_toy_model, small_lab

Run = Callable[..., tuple[int, dict[str, Any]]]
WEB = FLEET[0][0]
DECISION = {"decision", "chosen", "saving_usd_per_hour", "margin", "reason"}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    save_toy_model(tmp_path / "models")
    small_lab(tmp_path / "home", tmp_path / "models").close()
    monkeypatch.setenv("SPOTLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SPOTLAB_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("SPOTLAB_MARKET", "simulated")

    def run_command(*argv: str) -> tuple[int, dict[str, Any]]:
        code = main(["what-if", *argv, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run_command


def test_both_decisions_and_the_totals_are_in_the_document(run: Run) -> None:
    code, document = run("--risk-ceiling", "1", "--min-saving-fraction", "0", "--allow-burstable")
    assert code == 0
    assert document["changes"] == {
        "risk_ceiling": 1.0,
        "min_saving_fraction": 0.0,
        "allow_burstable": True,
    }
    assert document["policy"]["risk_ceiling"] == 0.0075
    assert {each["instance_id"] for each in document["instances"]} == {each[0] for each in FLEET}
    for each in document["instances"]:
        assert {*each["before"]} == {
            "decision",
            "chosen",
            "saving_usd_per_hour",
            "margin",
            "reason",
        }
        assert each["changed"] == (
            (each["before"]["decision"], each["before"]["chosen"])
            != (each["after"]["decision"], each["after"]["chosen"])
        )
    totals = document["totals"]
    assert totals["instances"] == len(FLEET)
    assert totals["changed"] == sum(each["changed"] for each in document["instances"])
    for part in ("running", "before", "after"):
        assert totals[part]["price_usd_per_hour"] > 0
        assert totals[part]["interruptions_a_month"] >= 0


def test_a_dearer_interruption_never_expects_more_of_them(run: Run) -> None:
    expected = []
    for usd in ("0", "1", "100", "10000"):
        _, document = run("--instance", WEB, "--interruption-usd", usd, "--risk-ceiling", "1")
        assert [each["name"] for each in document["instances"]] == ["web-1"]
        expected.append(document["totals"]["after"]["interruptions_a_month"])
    assert expected == sorted(expected, reverse=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name a setting"),
        (["--instance", "i-nothing", "--horizon-h", "1"], "i-nothing"),
    ],
)
def test_what_is_wrong_is_named(run: Run, arguments: list[str], words: str) -> None:
    code, document = run(*arguments)
    assert code in (1, 2)
    assert words in f"{document['error']} {document.get('remedy', '')}"


def test_a_value_outside_of_its_limits_is_a_usage_error(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run("--risk-ceiling", "1.5")
    assert stopped.value.code == 2
    assert "--risk-ceiling: '1.5' is not a number from 1e-06 to 1" in capsys.readouterr().err
