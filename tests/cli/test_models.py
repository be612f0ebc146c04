"""`spotlab models`: listing, deciding and uploading."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from spotlab.cli import main
from spotlab.cli.identity import current_user
from spotlab.cli.models import COMMANDS
from spotlab.domain.market import MarketName
from spotlab.inference import artefacts
from spotlab.store import open_store
from tests.support.lab import save_toy_model
from tests.support.market import NOW
from tests.support.migrated import copy_to
from tests.support.online_weights import learnt

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs `spotlab models`; returns the exit code and the document, or the text without --json."""
    save_toy_model(tmp_path / "models")
    monkeypatch.setenv("SPOTLAB_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("SPOTLAB_HOME", str(tmp_path / "home"))
    copy_to(tmp_path / "home" / "spotlab.db")

    def run(*words: str, as_json: bool = True) -> tuple[int, Any]:
        code = main(["models", *words, *(["--json"] if as_json else [])])
        output = capsys.readouterr().out
        return code, json.loads(output) if as_json else output

    return run


def another(tmp_path: Path) -> Path:
    """A folder with another version of the toy model."""
    first = tmp_path / "models" / "toy" / "1.0.0"
    card = json.loads((first / "card.json").read_bytes()) | {"version": "1.1.0"}
    card["metrics"] = {"model": {"auc": 0.81}, "interval_95": {"auc": [0.79, 0.83]}}
    model = (first / "model.txt").read_bytes()
    return artefacts.save(tmp_path / "new", json.dumps(card).encode(), model)


def test_every_command_of_models_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit) as stopped:
            main(["models", command.name, "--help"])
        shown = " ".join(capsys.readouterr().out.split())
        assert stopped.value.code == 0
        assert command.summary in shown
        assert "--json" in shown


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["crown", "toy"],
        ["live-at", "advisor", "yesterday"],
        ["live-at", "advisor", "9999-12-31T23:59:59-14:00"],
        ["assign", "toy"],
    ],
)
def test_wrong_usage_exits_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["models", *argv])
    assert stopped.value.code == 2
    assert "usage: spotlab models" in capsys.readouterr().err


def test_from_upload_to_champion_and_back_in_time(ask: Ask, tmp_path: Path) -> None:
    code, uploaded = ask("upload", str(another(tmp_path)), "--reason", "fresh data")
    assert (code, uploaded["state"]) == (0, "candidate")
    assert uploaded["first_prediction"]["rows"] > 256
    code, refused = ask("champion", "toy@1.1.0")
    assert (code, refused["exit_code"]) == (1, 1)
    assert "toy@1.1.0 is candidate" in refused["error"]
    assert ask("graduate", "toy@1.1.0")[1]["moves"] == ["champion", "reject", "archive", "disable"]
    assert ask("champion", "toy@1.1.0", "--reason", "better AUC")[1]["state"] == "champion"

    [newest, former] = ask("list")[1]["models"]
    assert (newest["version"], newest["metrics"]["auc"]["low"]) == ("1.1.0", 0.79)
    assert (former["state"], former["enabled"], former["refused"]) == ("graduated", True, None)
    code, live = ask("live-at", "advisor", "2100-01-01")
    assert (code, live["model"], live["event"]["reason"]) == (0, "toy@1.1.0", "better AUC")
    assert live["event"]["actor"] == current_user().name
    assert ask("live-at", "advisor", "2000-01-01T00:00:00+02:00")[1]["model"] is None

    events = ask("history", "toy@1.1.0")[1]["events"]
    assert [event["action"] for event in events] == ["champion", "graduate", "register"]
    assert events[-1]["reason"] == "Uploaded. fresh data"
    assert len(ask("history", "--limit", "2")[1]["events"]) == 2


def test_weights_of_live_forecasts_are_shown(ask: Ask, tmp_path: Path) -> None:
    code, nothing = ask("weights")
    assert (code, nothing) == (0, {"weights": None})
    assert "SPOTLAB_LAUNCH_PROBES_A_DAY" in ask("weights", as_json=False)[1]
    store = open_store(None, tmp_path / "home" / "spotlab.db")
    store.archive.set_active_market(MarketName.SIMULATED)
    store.online_weights.save(learnt(MarketName.SIMULATED, NOW), b"")
    store.close()
    document = ask("weights")[1]["weights"]
    assert document["standings"][0]["rows"] == 4259
    assert document["lag"]["since"].startswith(f"{NOW - timedelta(days=4):%Y-%m-%d}")
    text = ask("weights", as_json=False)[1]
    assert "capacity-lgbm@1.0.1 is behind since" in text
    assert "all pools, 6 h: 2,161 judged" in text


def test_a_pickle_is_refused_and_remembered(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps([1]))
    code, output = ask("upload", str(file))
    assert code == 1
    assert "model.pkl is or contains a pickle, which can run code" in output["error"]
    [event] = [e for e in ask("history")[1]["events"] if e["action"] == "refuse"]
    assert "model.pkl is or contains a pickle" in event["reason"]


def test_the_same_for_a_person(ask: Ask) -> None:
    assert "toy@1.0.0" in ask("list", as_json=False)[1]
    shown = ask("show", "advisor", as_json=False)[1]
    assert "toy@1.0.0: champion, task advisor" in shown
    assert "spotlab: champion toy@1.0.0 (graduated → champion)" in shown
    assert "assigned to: no instance" in shown
    code, document = ask("show", "toy")
    assert (code, document["card"]["name"], document["state"]) == (0, "toy", "champion")


def test_what_is_not_there_is_said(ask: Ask) -> None:
    code, output = ask("show", "none")
    assert code == 1
    assert "Available: toy@1.0.0" in output["error"]
    code, output = ask("assign", "toy@1.0.0", "i-none")
    assert code == 1
    assert "Instance 'i-none' is not in the fleet" in output["error"]
    assert ask("disable", "toy")[0] == 1
    code, output = ask("history", "none")
    assert code == 1
    assert "No model 'none'" in output["error"]
    code, output = ask("upload", "/no/such/model.zip")
    assert code == 1
    assert "/no/such/model.zip: no such file or folder" in output["error"]
