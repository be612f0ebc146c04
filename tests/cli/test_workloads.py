"""`workloads`: presets, new versions and assignments, with errors that say what would be right."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spotlab.cli import main
from tests.support.migrated import copy_to

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("SPOTLAB_HOME", str(tmp_path / "home"))
    copy_to(tmp_path / "home" / "spotlab.db")
    monkeypatch.setenv("SPOTLAB_MARKET", "simulated")

    def run_command(*argv: str) -> tuple[int, dict[str, Any]]:
        code = main(["workloads", *argv, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run_command


def test_every_installation_has_the_presets(run: Run) -> None:
    code, document = run("list")
    assert code == 0
    names = [each["name"] for each in document["workloads"]]
    assert names == sorted(names)
    assert {"checkpointed-training", "default", "queue-worker", "stateless-service"} <= set(names)
    assert {each["version"] for each in document["workloads"]} == {1}
    assert document["assignments"] == []


def test_a_changed_workload_is_a_new_version_and_the_old_one_stays(run: Run) -> None:
    code, document = run(
        "set", "queue-worker", "--fixed-usd", "2.5", "--keeps-bandwidth", "--reason", "measured"
    )
    assert code == 0
    saved = document["workload"]
    assert (saved["name"], saved["version"], saved["fixed_usd"]) == ("queue-worker", 2, 2.5)
    assert saved["hardware"]["keeps_bandwidth"] is True
    assert saved["recovery_h"] == 0.05, "what is not named stays"
    _, shown = run("show", "queue-worker")
    newest, preset = shown["versions"]
    assert (newest["version"], newest["reason"]) == (2, "measured")
    assert (preset["version"], preset["fixed_usd"], preset["created_by"]) == (1, 0.0, None)


def test_a_new_workload_starts_from_another(run: Run) -> None:
    code, document = run("set", "render", "--base", "queue-worker", "--work-lost-h", "2")
    assert (code, document["workload"]["version"]) == (0, 1)
    assert document["workload"]["work_lost_h"] == 2.0


def test_a_checkpoint_interval_is_another_way_to_give_the_work_lost(run: Run) -> None:
    saved = run("set", "checkpointed-training", "--checkpoint-interval-h", "3")[1]["workload"]
    assert (saved["checkpoint_interval_h"], saved["work_lost_h"]) == (3.0, 1.5)
    saved = run("set", "checkpointed-training", "--work-lost-h", "2")[1]["workload"]
    assert (saved["checkpoint_interval_h"], saved["work_lost_h"]) == (None, 2.0)
    saved = run("set", "checkpointed-training", "--recovery-h", "1")[1]["workload"]
    assert saved["work_lost_h"] == 2.0, "what is not named stays"


def test_deadline_outage_group_and_requirements_are_set_and_removed(run: Run) -> None:
    given = ("--deadline-slack-h", "2", "--late-usd-per-hour", "30", "--outage-usd-per-hour", "5")
    others = ("--group-tag", "service", "--vcpu-min", "4", "--family", "m6i", "--family", "m7i")
    saved = run("set", "render", "--base", "queue-worker", *given, *others)[1]["workload"]
    assert (saved["deadline_slack_h"], saved["late_usd_per_hour"]) == (2.0, 30.0)
    assert (saved["outage_usd_per_hour"], saved["group_tag"]) == (5.0, "service")
    assert saved["requirements"]["families"] == ["m6i", "m7i"]
    assert (saved["requirements"]["vcpu_min"], saved["requirements"]["vcpu_max"]) == (4.0, None)
    removed = ("--unset", "deadline", "--unset", "requirements", "--unset", "group-tag")
    saved = run("set", "render", *removed)[1]["workload"]
    assert (saved["deadline_slack_h"], saved["late_usd_per_hour"]) == (None, 0.0)
    assert (saved["requirements"], saved["group_tag"]) == (None, "")
    assert saved["outage_usd_per_hour"] == 5.0, "what is not named stays"


def test_a_known_region_and_its_zone_are_accepted(run: Run) -> None:
    code, document = run("set", "default", "--region", "eu-west-1", "--zone", "eu-west-1b")
    assert code == 0
    assert (document["workload"]["regions"], document["workload"]["zones"]) == (
        ["eu-west-1"],
        ["eu-west-1b"],
    )


def test_a_tag_gets_a_workload_and_loses_it(run: Run) -> None:
    assert run("assign", "stateful-server", "--tag", "role=db")[0] == 0
    assert run("list")[1]["assignments"] == [
        {"scope": "tag", "key": "role=db", "workload": "stateful-server"}
    ]
    assert run("assign", "default", "--tag", "role=db")[0] == 0
    assert run("list")[1]["assignments"] == []


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (("show", "laundry"), 1, "There is no workload 'laundry'. Available: checkpointed"),
        (("set", "laundry", "--fixed-usd", "1"), 2, "Name one to start from with --base"),
        (("set", "queue-worker"), 2, "Nothing was given to set"),
        (("set", "a b", "--base", "default"), 1, "is not a workload's name"),
        (("set", "default", "--description", "a\u202eb"), 1, "has invisible characters"),
        (
            ("set", "default", "--region", "us-est-1"),
            1,
            "'us-est-1' is not known. Nearest: us-",
        ),
        (("set", "default", "--zone", "mars-1a"), 1, "zone 'mars-1a' is in none of the allowed"),
        (("set", "default", "--deadline-slack-h", "1"), 1, "without late_usd_per_hour"),
        (("set", "default", "--group-tag", "a\u202eb"), 1, "group_tag has invisible characters"),
        (("assign", "laundry", "--tag", "a=b"), 1, "There is no workload 'laundry'"),
        (("assign", "queue-worker", "--tag", "a"), 1, "is not a tag rule"),
        (("assign", "queue-worker", "--account", "nowhere"), 1, "There is no account 'nowhere'"),
        (("assign", "queue-worker", "--instance", "i-1"), 1, "Instance 'i-1' is not in the fleet"),
        (("assign", "default", "--tag", "a=b"), 1, "No workload is assigned by tag 'a=b'"),
    ],
)
def test_wrong_input_is_named_and_nothing_is_saved(
    run: Run, argv: tuple[str, ...], code: int, said: str
) -> None:
    found, document = run(*argv)
    assert found == code
    assert said in document["error"]
    listed = run("list")[1]
    assert listed["assignments"] == []
    assert {each["version"] for each in listed["workloads"]} == {1}


def test_the_loss_of_work_is_given_once(run: Run) -> None:
    with pytest.raises(SystemExit):
        run("set", "default", "--work-lost-h", "1", "--checkpoint-interval-h", "2")


def test_a_dry_run_shows_what_would_change_and_saves_nothing(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["evaluate", "--all", "--json"])
    capsys.readouterr()
    code, document = run("set", "default", "--fixed-usd", "10000", "--dry-run")
    assert code == 0
    found = document["consequence"]
    assert (found["assigned"], found["instances"]) == (True, 24)
    assert found["changed"]
    assert {each["after"].split()[0] for each in found["changed"]} <= {
        "STAY",
        "SWITCH",
        "FALLBACK_ONDEMAND",
    }
    assert all(each["before"] != each["after"] for each in found["changed"])
    assert run("show", "default")[1]["versions"][0]["version"] == 1
