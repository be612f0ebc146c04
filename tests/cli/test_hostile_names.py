"""The output of commands contains no control characters, bidirectional marks or line breaks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Final

import pytest

from spotlab.cli import main
from spotlab.runtime import bootstrap
from spotlab.runtime.lab import Lab
from tests.support.hostile import make_hostile
from tests.support.lab import save_toy_model, small_lab

COMMANDS: Final = (
    *("evaluate --all", "score", "jobs list", "jobs history", "models list", "models history"),
    *("models show toy@1.0.0", "users list", "tokens list", "audit list", "alerts list", "health"),
    *("outcomes", "events list", "drift", "doctor"),
)
UNSEEN: Final = re.compile("[\u202e\x1b]|^FAKE", re.MULTILINE)


@pytest.fixture(scope="module")
def hostile_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("hostile")
    save_toy_model(folder / "models")
    with small_lab(folder / "home", folder / "models") as made:
        yield make_hostile(made)


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_that_is_printed_is_unseen(
    command: str,
    hostile_lab: Lab,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(bootstrap, "bootstrap", lambda _settings: nullcontext(hostile_lab))
    for words in (command.split(), [*command.split(), "--json"]):
        main([*words, "--home", str(tmp_path)])
        printed = capsys.readouterr()
        assert not UNSEEN.search(printed.out + printed.err)
        assert "Traceback" not in printed.err
    json.loads(printed.out)
