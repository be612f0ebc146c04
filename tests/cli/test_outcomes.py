"""`spotlab events`, `outcomes` and `drift` on a lab with a fleet."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from spotlab.cli import main
from spotlab.domain.market import MarketName
from spotlab.domain.ports import Account
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.store import open_store
from tests.support import builders as make
from tests.support.lab import FLEET, empty_lab, save_toy_model, small_lab
from tests.support.market import NOW

WEB = FLEET[0][0]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path / "home", tmp_path / "models") as lab:
        evaluate_instances(lab)
    monkeypatch.setenv("SPOTLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SPOTLAB_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    assert main([*argv, "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_an_event_is_added_once_and_listed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add = ("events", "add", WEB, "--at", "2026-03-01T13:00:00+01:00")
    assert answer(capsys, *add) == {"given": 1, "new": 1}
    assert answer(capsys, *add) == {"given": 1, "new": 0}
    (event,) = answer(capsys, "events", "list")["events"]
    assert (event["instance_id"], event["kind"]) == (WEB, "interruption_notice")
    assert event["at"] == NOW.isoformat()
    assert event["pool"] == "us-east-1:us-east-1a:m5.large:Linux"
    assert event["source"] == "entered by hand"
    assert main(["events", "list"]) == 0
    assert "m5.large in us-east-1a (emulated)" in capsys.readouterr().out


def test_what_was_read_from_queues_is_listed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = answer(capsys, "events", "list")
    assert listed["latency"] == {
        "received_s": {"count": 0, "p50_s": None, "p95_s": None, "max_s": None},
        "evaluated_s": {"count": 0, "p50_s": None, "p95_s": None, "max_s": None},
    }
    assert (listed["queue_events"], listed["queues"], listed["refused"]) == ([], [], [])
    assert listed["counts"]["refused"] == 0
    assert main(["events", "list"]) == 0
    assert "Received after —; evaluated after —." in capsys.readouterr().out


def test_the_set_up_of_a_queue_is_printed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = open_store(None, home / "home" / "spotlab.db")
    store.fleet.save_account(
        Account("acme", "123456789012", regions=("us-east-1",), external_id="hush-hush")
    )
    store.close()
    setup = answer(capsys, "events", "setup", "acme")
    assert (setup["queue"], setup["regions"]) == ("spotlab-events", ["us-east-1"])
    assert setup["template"]["Resources"].keys() == {
        "DeadLetterQueue",
        "Queue",
        "Rule",
        "QueuePolicy",
    }
    for form, said in (
        ("cloudformation", "AWS::SQS::QueuePolicy"),
        ("cli", "aws events put-targets"),
        ("policy", "cloudtrail:LookupEvents"),
    ):
        assert main(["events", "setup", "acme", "--format", form]) == 0
        printed = capsys.readouterr().out
        assert said in printed
        assert "hush-hush" not in printed


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["events", "add"], "Specify either an instance id or --file"),
        (["events", "add", "i-1", "--at", "2026-03-01T13:00:00"], "has no time zone"),
        (["events", "add", "i-1", "--at", "yesterday"], "is not an ISO 8601 time"),
        (
            ["events", "add", "i-1", "--at", "0001-01-01T00:00:00+14:00"],
            "is not an ISO 8601 time",
        ),
        (["events", "add", "i-1", "--pool", "m5.large"], "is not region:zone:type:os"),
    ],
    ids=["nothing named", "no zone", "no time", "before all time", "no pool"],
)
def test_what_is_not_right_is_a_usage_error(
    home: Path, capsys: pytest.CaptureFixture[str], argv: list[str], said: str
) -> None:
    try:
        code: object = main(argv)
    except SystemExit as exc:
        code = exc.code
    assert code == 2
    assert said in capsys.readouterr().err


def test_a_stranger_needs_a_pool(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add = ("events", "add", "i-stranger", "--at", "2026-03-01T12:00:00Z")
    assert main([*add]) == 1
    assert "Enter the pool" in capsys.readouterr().err
    pool = "us-east-1:us-east-1a:m5.large:Linux"
    assert answer(capsys, *add, "--pool", pool) == {"given": 1, "new": 1}


def test_outcomes_count_what_is_open_and_unknown_numbers_are_null(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with empty_lab(home / "home", home / "models") as lab:
        web = lab.store.fleet.instance(WEB)
        three_days_ago = datetime.now(UTC) - timedelta(days=3)
        lab.store.ledger.record(
            make.experiment(created_at=three_days_ago, instance=web, market=MarketName.SIMULATED)
        )
    document = answer(capsys, "outcomes")
    assert set(document) == {"market", "new", "pending", "models", "price", "challengers"}
    assert document["market"] == "simulated"
    assert document["new"]["interruption"] == 1
    assert document["pending"] == {"bucket": 1, "price": 1}
    (card,) = document["models"]
    assert (card["target"], card["rows"], card["censored"]) == ("interruption", 0, 1)
    assert card["brier"]["value"] is None, "nobody watched, so nothing is known"
    assert main(["outcomes"]) == 0
    assert "The outcome of 1 could not be observed" in capsys.readouterr().out


def test_drift_says_what_it_needs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = answer(capsys, "drift")
    assert (document["model"], document["alarm"]) == ("toy@1.0.0", False)
    assert document["words"].startswith("Unknown: drift needs 5 earlier days")
    assert main(["drift", "--model", "nobody"]) == 1
    assert "There is no model 'nobody'" in capsys.readouterr().err


def test_a_file_of_no_events_is_named(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "events.json"
    path.write_text("[1]")
    assert main(["events", "add", "--file", str(path)]) == 1
    assert str(path) in capsys.readouterr().err


def test_times_in_documents_are_iso_8601(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = answer(capsys, "drift")["at"]
    assert at == datetime.fromisoformat(at).isoformat()


def test_what_was_observed_about_a_pool_is_listed_with_source_and_time(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(capsys, "events", "add", WEB, "--at", NOW.isoformat())
    pool = "us-east-1:us-east-1a:m5.large:Linux"
    days = f"{(datetime.now(UTC) - NOW) / timedelta(days=1) + 2:.0f}"
    points = answer(capsys, "evidence", pool, "--days", days)["points"]
    interruption = next(each for each in points if each["kind"] == "interruption")
    assert interruption["pool"] == pool
    assert interruption["at"] == NOW.isoformat()
    assert interruption["source"] == "entered by hand"
    assert {"price"} <= {each["kind"] for each in points}
    assert [each["at"] for each in points] == sorted(each["at"] for each in points)
    assert main(["evidence", pool, "--days", days]) == 0
    assert "interruption" in capsys.readouterr().out
    nowhere = pool.replace("m5", "z9")
    assert main(["evidence", nowhere]) == 0
    assert "Nothing was observed about z9.large" in capsys.readouterr().out
