"""Settings are data: documented, checked, and clear when wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from spotlab.errors import InvalidSetting
from spotlab.settings import Settings, load, unknown_variables
from tests.support.settings_table import settings_table

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


def test_a_variable_that_is_no_setting_is_told_with_the_one_that_was_meant() -> None:
    told = unknown_variables(["SPOTLAB_DATABSE_URL", "SPOTLAB_COLOUR", "spotlab_auht"])
    assert "Did you mean SPOTLAB_DATABASE_URL?" in told[1]
    assert told[0].startswith("SPOTLAB_COLOUR is set")
    assert "README" in told[0]
    assert "Did you mean SPOTLAB_AUTH?" in told[2]


def test_variables_that_others_read_are_not_told() -> None:
    ours = ["SPOTLAB_HOME", "spotlab_auth", "SPOTLAB_TOKEN", "SPOTLAB_SERVED_AT", "PATH"]
    tests = ["SPOTLAB_TEST_REDIS_URL", "SPOTLAB_TEST_NO_SKIPS", "SPOTLAB_SHARED_DATA"]
    kubernetes = ["SPOTLAB_PORT", "SPOTLAB_SERVICE_HOST", "SPOTLAB_PORT_8501_TCP_ADDR"]
    assert unknown_variables([*ours, *tests, *kubernetes, "SPOTLAB", "SPOTLABS_COLOUR"]) == []


NUMBERS = [
    name for name, field in Settings.model_fields.items() if field.annotation in (int, float)
]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e99", "-1e99", "-1", "9" * 5_000])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_cannot_be_is_refused_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"SPOTLAB_{name.upper()}", value)
    with pytest.raises(InvalidSetting, match=f"^SPOTLAB_{name.upper()}: (Input should be|Unable)"):
        load()
