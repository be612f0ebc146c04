"""`spotlab health` and `spotlab alerts`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spotlab.cli.main import main
from tests.support.lab import save_toy_model, small_lab
from tests.support.receivers import SECRET_PATH, running_receiver


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    models, folder = tmp_path / "models", tmp_path / "home"
    save_toy_model(models)
    small_lab(folder, models).close()
    monkeypatch.setenv("SPOTLAB_HOME", str(folder))
    monkeypatch.setenv("SPOTLAB_MODELS_DIR", str(models))
    monkeypatch.setenv("SPOTLAB_MARKET", "simulated")
    monkeypatch.setenv("SPOTLAB_ALERT_NETWORKS", "127.0.0.0/8")
    monkeypatch.setenv("SPOTLAB_REDIS_URL", f"unix://{tmp_path}/no-server.sock")
    return folder


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, object]]:
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_health_names_what_is_down(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = run(capsys, "health")
    assert code == 1
    parts = {part["name"]: part for part in document["parts"]}  # type: ignore[attr-defined]
    assert parts["Redis cache"]["state"] == "down"
    assert parts["database"]["state"] == "healthy"
    assert parts["database"]["up_share_of_known"] is None
    assert parts["database"]["unknown_share"] == 1
    assert main(["health"]) == 1
    assert "Redis cache" in capsys.readouterr().out


def test_a_rule_is_added_tested_listed_and_deleted(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_receiver() as receiver:
        address = tmp_path / "address"
        address.write_text(receiver.address + "\n")
        add = ("alerts", "add", "redis", "state", "--part", "Redis cache", "--state", "down")
        code, document = run(capsys, *add, "--address-file", str(address))
        assert code == 0
        rule_id = document["rule"]["rule_id"]  # type: ignore[index]
        assert run(capsys, "alerts", "test", rule_id) == (
            0,
            {"taken": True, "answer": "It responded 200 OK."},
        )
    assert run(capsys, "alerts", "test", rule_id)[0] == 1
    assert main(["alerts", "list"]) == 0
    output = capsys.readouterr().out
    assert "Redis cache is down" in output
    assert SECRET_PATH not in output
    assert run(capsys, "alerts", "delete", rule_id)[0] == 0
    assert run(capsys, "alerts", "list")[1]["rules"] == []
