"""Settings are data: documented, checked, and clear when wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from spotlab.errors import InvalidSetting
from spotlab.settings import load, settings_table

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_readme_has_every_setting() -> None:
    assert settings_table() in README.read_text(), "print settings_table() into the README"


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOTLAB_FEED_TIMEOUT_S", "-1")
    with pytest.raises(InvalidSetting, match=r"SPOTLAB_FEED_TIMEOUT_S: .*greater than 0"):
        load()


def test_passwords_are_not_in_the_settings_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOTLAB_REDIS_URL", "redis://:hunter2@127.0.0.1")
    assert "hunter2" not in repr(load())
