"""`policies`: drafts, shadow, previews and activation, with errors that say what would be right."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spotlab.cli import main
from spotlab.domain.policy_parameters import PARAMETERS
from tests.support.migrated import copy_to

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPOTLAB_HOME", str(tmp_path / "home"))
    copy_to(tmp_path / "home" / "spotlab.db")
    monkeypatch.setenv("SPOTLAB_MARKET", "simulated")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], home: None) -> Run:
    def run_command(*argv: str) -> tuple[int, dict[str, Any]]:
        code = main([*argv, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run_command


def states(run: Run) -> dict[str, str]:
    _, document = run("policies", "list")
    return {each["reference"]: each["state"] for each in document["policies"]}


def test_the_built_in_policy_is_active_and_shown_with_units(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert states(run) == {"default@1": "active"}
    assert main(["policies", "show", "default"]) == 0
    shown = capsys.readouterr().out
    assert "risk_ceiling                0.75 %" in shown
    assert "min_saving_usd_per_hour     0.001 USD/h" in shown
    assert "the same parameters" in shown


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_is_set_by_an_option(run: Run, name: str) -> None:
    value = 0.5 if PARAMETERS[name].low <= 0.5 else 2.5
    code, document = run(
        "policies", "set", "odd", "--base", "default", f"--{name.replace('_', '-')}", f"{value}"
    )
    assert code == 0
    saved = document["policy"]
    assert (saved["reference"], saved["state"], saved[name]) == ("odd@1", "draft", value)
    _, diff = run("policies", "diff", "odd")
    assert [each["parameter"] for each in diff["differences"]] == [name]
    assert run("policies", "diff", "odd", "odd@1")[1]["differences"] == []


def test_a_change_is_the_next_version_of_the_newest(run: Run) -> None:
    run("policies", "set", "cautious", "--base", "default", "--cooldown-h", "12")
    _, second = run("policies", "set", "cautious", "--risk-ceiling", "0.003")
    assert (second["policy"]["cooldown_h"], second["policy"]["version"]) == (12.0, 2)
    _, other = run("policies", "set", "cautious", "--base", "default", "--risk-ceiling", "0.004")
    assert (other["policy"]["cooldown_h"], other["policy"]["version"]) == (6.0, 3)


def test_a_policy_decides_in_shadow_then_previewed_it_decides(run: Run) -> None:
    assert run("collect")[0] == 0
    run(
        "policies",
        "set",
        "still",
        "--base",
        "default",
        "--min-saving-fraction",
        "1",
        "--risk-ceiling",
        "1",
    )
    assert run("policies", "shadow", "still", "--reason", "to compare")[0] == 0
    _, first = run("evaluate", "--all")
    moves = sum(each["decision"] != "STAY" for each in first["decisions"])
    assert moves > 0
    assert {each["policy"] for each in first["decisions"]} == {"default@1"}
    _, shown = run("policies", "show", "still@1")
    (beside,) = shown["shadow"]
    assert beside["decided"] == len(first["decisions"])
    assert beside["moves_as_made"] == moves
    assert beside["moves"] < moves
    _, preview = run("policies", "preview", "still", "--days", "1")
    assert preview["decided"] == len(first["decisions"])
    assert preview["not_comparable"] == 0
    assert preview["moves"] == beside["moves"]
    assert preview["changed"] == sum(each["count"] for each in preview["transitions"])
    code, activated = run("policies", "activate", "still", "--reason", "a test", "--yes")
    assert (code, activated["retired"]) == (0, "default@1")
    assert activated["preview"]["changed"] == preview["changed"]
    assert states(run) == {"default@1": "retired", "still@1": "active"}
    _, second = run("evaluate", "--all")
    assert {each["policy"] for each in second["decisions"]} == {"still@1"}
    assert sum(each["decision"] != "STAY" for each in second["decisions"]) == beside["moves"]


def test_score_uses_the_active_policy_or_the_one_that_is_named(run: Run) -> None:
    run("collect")
    run("policies", "set", "strict", "--base", "default", "--risk-ceiling", "0.000001")
    _, default = run("score")
    _, strict = run("score", "--policy", "strict")
    assert default["candidates_found"] > strict["candidates_found"] == 0
    run("policies", "activate", "strict", "--reason", "a test", "--yes")
    assert run("score")[1]["candidates_found"] == 0
    assert run("score", "--policy", "default")[1]["candidates_found"] == default["candidates_found"]
    assert run("score", "--risk-ceiling", "0.0075")[1]["candidates_found"] > 0


class Terminal(io.StringIO):
    """Standard input from a person."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "code"), [("yes\n", 0), ("no\n", 2), ("", 2)])
def test_an_activation_shows_the_preview_and_asks(
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    code: int,
) -> None:
    run("policies", "set", "still", "--base", "default", "--min-saving-fraction", "1")
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert main(["policies", "activate", "still", "--reason", "a test"]) == code
    asked = capsys.readouterr().err
    assert "can be compared with still@1" in asked
    assert "Activate still@1 in place of default@1? Type yes:" in asked
    assert states(run)["still@1"] == ("active" if code == 0 else "draft")


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (("show", "laundry"), 1, "There is no policy 'laundry'. Available: default"),
        (("show", "default@7"), 1, "Policy 'default' has no version '7'"),
        (("set", "default"), 1, "Nothing differs from default@1"),
        (("set", "a b", "--base", "default"), 1, "is not a policy's name"),
        (("set", "x", "--cooldown-h", "1"), 1, "Name a base to start from: default@1"),
        (("set", "x", "--base", "nobody"), 1, "There is no policy 'nobody'"),
        (("set", "default", "--description", "a\u202eb"), 1, "has invisible characters"),
        (("shadow", "default"), 1, "Policy default@1 is active. Activate another version"),
        (("retire", "default"), 1, "Activate another version"),
        (("activate", "default", "--reason", "x", "--yes"), 1, "is already active"),
    ],
)
def test_what_cannot_be_says_what_could(
    run: Run, argv: tuple[str, ...], code: int, said: str
) -> None:
    result, document = run("policies", *argv)
    assert result == code
    assert said in document["error"]


@pytest.mark.parametrize(
    "argv",
    [
        ("set", "x", "--cooldown-h", "-1"),
        ("activate", "default"),
        ("preview", "default", "--days", "0"),
    ],
)
def test_a_usage_error_ends_with_2(home: None, argv: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["policies", *argv])
    assert ended.value.code == 2
