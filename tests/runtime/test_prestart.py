"""The emulated AWS starts beside the app, without being waited for."""

from __future__ import annotations

from pathlib import Path

import pytest

import spotlab.demo.connect
from spotlab.runtime.prestart import prestart
from spotlab.settings import load
from tests.support.online import wait_until


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is written instead of starting the emulated AWS."""
    file = tmp_path / "begun"
    monkeypatch.setattr(
        spotlab.demo.connect, "begin", lambda home, seed: file.write_text(f"{home} {seed}")
    )
    return file


def test_another_process_starts_the_emulated_aws(begun: Path, tmp_path: Path) -> None:
    prestart(load(home=tmp_path, demo_seed=5))
    wait_until(lambda: begun.exists() and begun.read_text() != "", "it has begun")
    assert begun.read_text() == f"{tmp_path} 5"


def test_nothing_is_started_for_accounts(begun: Path, tmp_path: Path) -> None:
    prestart(load(home=tmp_path, aws="account"))
    assert not begun.exists()
