"""docs/bring-your-own-model.md does what it says, from an empty folder, up to a graduated model."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from spotlab.cli import main
from tests.support.lab import save_toy_model
from tests.support.migrated import copy_to

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "bring-your-own-model.md").read_text()
BLOCKS = re.findall(r"^```(python|sh)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with the trained example in it."""
    save_toy_model(tmp_path / "models")
    monkeypatch.setenv("SPOTLAB_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("SPOTLAB_HOME", str(tmp_path / "home"))
    copy_to(tmp_path / "home" / "spotlab.db")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    (example,) = (block for kind, block in BLOCKS if kind == "python")
    exec(compile(example, "bring-your-own-model.md", "exec"), {})
    return work


def test_the_commands_of_the_page_work(folder: Path) -> None:
    for line in COMMANDS:
        program, *words = shlex.split(line)
        assert program == "spotlab"
        if words[0] == "models":
            assert main(words) == 0

    card = json.loads((folder / "mine" / "1.0.0" / "card.json").read_bytes())
    assert [feature["name"] for feature in card["features"]] == ["advisor_bucket", "discount_depth"]


def test_a_bare_text_file_is_uploaded_once_its_label_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upload = ["models", "upload", "mine.txt", "--reason", "mine"]

    assert main(upload) == 1
    assert "Labels: high-bucket" in capsys.readouterr().err
    assert main([*upload, "--label", "high-bucket", "--json"]) == 0
    uploaded = json.loads(capsys.readouterr().out)
    assert (uploaded["state"], uploaded["first_prediction"]["rows"] > 256) == ("candidate", True)


def test_a_card_is_not_written_over_another(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = ["models", "card", "mine.txt", "--label", "high-bucket"]

    assert main(card) == 0
    assert main(card) == 1
    assert "is not empty" in capsys.readouterr().err
    assert main([*card, "--version", "1.1.0"]) == 0
