"""`switches`: from a plan to a stop, with exit codes, and guards that are set by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from spotlab.cli import main, switch_guards, switches
from spotlab.domain.access import Principal
from spotlab.domain.switch_plan import Finding
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.settings import Settings
from tests.support.lab import FLEET, save_toy_model, small_lab
from tests.support.switching import APPROVER, OPERATOR, allow, plan_without_aws

WEB = FLEET[0][0]
POOL = "us-east-1:us-east-1b:m6g.large:Linux"
Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    plan_without_aws(monkeypatch)
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path / "home", tmp_path / "models") as made:
        yield made


@pytest.fixture
def run(lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def run_command(who: Principal, *argv: str) -> tuple[int, dict[str, Any]]:
        @contextmanager
        def opened(_settings: Settings) -> Iterator[Services]:
            yield Services(lab, who)

        for module in (switches, switch_guards):
            monkeypatch.setattr(module, "open_services", opened)
        code = main(["switches", *argv, "--json"])
        out = capsys.readouterr().out
        return code, json.loads(out) if out else {}

    return run_command


def test_a_switch_is_planned_requested_approved_and_rolled_back(lab: Lab, run: Run) -> None:
    allow(lab, WEB)
    assert run(OPERATOR, "plan", WEB, "--pool", POOL)[0] == 1, "a question is open"
    code, plan = run(OPERATOR, "plan", WEB, "--pool", POOL, "--confirm", "worse-hardware")
    assert code == 0
    assert (plan["mode"], plan["refusal"]) == ("on", None)
    assert plan["targets"][0]["pool"] == POOL
    assert [call["action"] for call in plan["calls"]] == [
        "ec2:RunInstances",
        "ec2:TerminateInstances",
    ]
    code, made = run(
        OPERATOR,
        "request",
        WEB,
        "--pool",
        POOL,
        "--confirm",
        "worse-hardware",
        "--health-check",
        "http:8080/up",
        "--reason",
        "x",
    )
    assert (code, made["state"], made["reason"]) == (0, "requested", "x")
    assert (made["health_check"]["port"], made["health_check"]["path"]) == (8080, "/up")
    switch_id = made["switch_id"]
    assert run(OPERATOR, "approve", switch_id)[0] == 1, "an operator may not"
    assert run(APPROVER, "approve", switch_id)[1]["state"] == "approved"
    assert run(OPERATOR, "list", "--open")[1]["total"] == 1
    shown = run(OPERATOR, "show", switch_id)[1]
    assert [each["action"] for each in shown["journal"]] == ["request", "approve"]
    assert run(OPERATOR, "pause", switch_id)[1]["pause_requested"] is True
    assert run(APPROVER, "resume", switch_id)[1]["pause_requested"] is False
    assert run(OPERATOR, "rollback", switch_id)[1]["state"] == "rolled_back"


@pytest.mark.parametrize("command", ["plan", "request"])
def test_a_code_that_nobody_asked_is_refused_with_the_valid_ones(
    lab: Lab, run: Run, command: str
) -> None:
    allow(lab, WEB)
    code, document = run(OPERATOR, command, WEB, "--pool", POOL, "--confirm", "worse-hadrware")
    assert code == 1
    assert "'worse-hadrware'" in document["error"]
    assert "Valid codes: worse-hardware." in document["error"]


def test_a_refused_plan_exits_with_1_and_lists_no_calls(
    lab: Lab, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    allow(lab, WEB)
    plan_without_aws(monkeypatch, Finding("other-region", "Images are not copied."))
    code, plan = run(OPERATOR, "plan", WEB, "--pool", POOL, "--confirm", "worse-hardware")
    assert (code, plan["calls"]) == (1, [])
    assert plan["findings"][0]["code"] == "other-region"
    main(["switches", "plan", WEB, "--pool", POOL, "--confirm", "worse-hardware"])
    printed = capsys.readouterr()
    assert "No calls: the switch is refused." in printed.out
    assert f"The preflight of {WEB} refuses: other-region." in printed.err


def test_a_dry_run_lists_its_calls(lab: Lab, run: Run) -> None:
    allow(lab, WEB)
    code, made = run(
        OPERATOR,
        "request",
        WEB,
        "--pool",
        POOL,
        "--confirm",
        "worse-hardware",
        "--dry-run",
        "--no-on-demand",
    )
    assert (code, made["state"], made["dry_run"], made["on_demand"]) == (0, "done", True, None)
    assert made["journal"][1]["action"] == "would call ec2:RunInstances"


def test_switches_are_refused_where_they_are_off(run: Run) -> None:
    code, document = run(OPERATOR, "request", WEB, "--pool", POOL, "--confirm", "worse-hardware")
    assert code == 1
    assert "off for the installation" in json.dumps(document)


def test_all_are_stopped_and_released(run: Run) -> None:
    code, document = run(OPERATOR, "stop-all", "--reason", "incident 7")
    assert (code, document["stops"][0]["reason"]) == (0, "incident 7")
    assert run(OPERATOR, "release")[0] == 1
    assert run(APPROVER, "release")[1]["stops"] == []


def test_guards_are_set_by_name(run: Run) -> None:
    code, document = run(
        APPROVER,
        *("guards", "--account", "acme", "--set", "mode=dry-run", "--set", "at_once=3"),
        *("--set", "autonomy=on", "--window", "sat,sun 22:00-04:00 Europe/Berlin", "--autonomy"),
    )
    assert code == 0
    guards = document["guards"]
    assert (guards["mode"], guards["at_once"], guards["autonomy"]) == ("dry-run", 3, True)
    assert guards["windows"][0]["time_zone"] == "Europe/Berlin"
    assert document["autonomy"][0]["earned"] is False
    assert run(APPROVER, "guards", "--account", "acme", "--any-time")[1]["guards"]["windows"] == []
    assert run(APPROVER, "guards", "--set", "four_eyes=no")[1]["guards"]["four_eyes"] is False


@pytest.mark.parametrize(
    "wrong",
    [
        ("--set", "speed=9"),
        ("--set", "four_eyes=perhaps"),
        ("--set", "switches_per_hour=1.5"),
        ("--window", "sat 22:00-04:00"),
        ("--account", "acme", "--set", "mode=maybe"),
        ("--account", "acme", "--set", "at_once=1000"),
        ("--account", "nobody", "--set", "at_once=1"),
    ],
)
def test_a_wrong_guard_is_refused(run: Run, wrong: tuple[str, ...]) -> None:
    assert run(APPROVER, "guards", *wrong)[0] in (1, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        ("guards", "--window", "someday"),
        ("guards", "--window", "monday 10:00-11:00"),
        ("request", WEB, "--pool", "m6g.large"),
        ("request", WEB, "--health-check", "ftp:21"),
        ("request", WEB, "--health-check", "tcp:99999"),
    ],
)
def test_a_wrong_argument_is_a_usage_error(
    wrong: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["switches", *wrong])
    assert caught.value.code == 2
    assert "usage: spotlab switches" in capsys.readouterr().err
