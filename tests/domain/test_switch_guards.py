"""Levels, time windows, limits and fingerprints of the market, as values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotlab.domain.outcomes import wilson
from spotlab.domain.switch_approval import MarketView, changes
from spotlab.domain.switch_autonomy import AutonomyFigures
from spotlab.domain.switch_guards import (
    ACCOUNT_LIMITS,
    INSTALLATION_LIMITS,
    WEEKDAYS,
    AccountGuards,
    InstallationGuards,
    Level,
    Levels,
    SwitchingMode,
    TimeWindow,
    names_of,
)
from spotlab.errors import InvalidInput

OFF, DRY, ON = SwitchingMode
MONDAY = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("modes", "strictest"),
    [
        ((ON, ON, ON), (ON, "installation")),
        ((ON, DRY, ON), (DRY, "account")),
        ((ON, DRY, OFF), (OFF, "instance")),
        ((OFF, OFF, OFF), (OFF, "installation")),
        ((DRY, ON, DRY), (DRY, "installation")),
    ],
)
def test_the_strictest_level_decides(modes: tuple[SwitchingMode, ...], strictest: Any) -> None:
    names = ("the installation", "the account acme", "the instance i-1")
    levels = Levels(*(Level(name, mode, "") for name, mode in zip(names, modes, strict=True)))
    mode, name = strictest
    assert levels.mode is mode
    assert name in levels.decisive.name


@pytest.mark.parametrize(
    ("window", "moment", "inside"),
    [
        (TimeWindow(("mon",), "11:00", "13:00"), MONDAY, True),
        (TimeWindow(("mon",), "12:00", "13:00"), MONDAY, True),
        (TimeWindow(("mon",), "11:00", "12:00"), MONDAY, False),
        (TimeWindow(("tue",), "11:00", "13:00"), MONDAY, False),
        (TimeWindow(("mon",), "13:00", "24:00"), MONDAY + timedelta(hours=11, minutes=59), True),
        (TimeWindow(("sun",), "22:00", "04:00"), MONDAY - timedelta(hours=9), True),
        (TimeWindow(("mon",), "22:00", "04:00"), MONDAY - timedelta(hours=9), False),
        (TimeWindow(("mon",), "13:00", "13:30", "Europe/Berlin"), MONDAY, True),
        (TimeWindow(("mon",), "12:00", "12:30", "Europe/Berlin"), MONDAY, False),
        # The clocks were put forward on 29 March 2026: 02:30 does not exist in Berlin.
        (
            TimeWindow(("sun",), "01:00", "03:00", "Europe/Berlin"),
            datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
            False,
        ),
    ],
)
def test_a_window_is_in_its_own_time_zone(
    window: TimeWindow, moment: datetime, inside: bool
) -> None:
    assert window.contains(moment) is inside


@given(
    st.integers(0, 365 * 24 * 60).map(lambda minutes: MONDAY + timedelta(minutes=minutes)),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York"]),
    st.sampled_from(["00:00", "06:30", "12:00", "23:59"]),
)
def test_a_window_and_the_rest_of_the_day_make_a_week(
    moment: datetime, zone: str, hour: str
) -> None:
    before = TimeWindow(WEEKDAYS, "03:00", hour, zone)
    after = TimeWindow(WEEKDAYS, hour, "03:00", zone)
    assert before.contains(moment) is not after.contains(moment)
    assert moment.astimezone(ZoneInfo(zone)) == moment


@pytest.mark.parametrize(
    "wrong",
    [
        {"days": ()},
        {"days": ("mon", "mon")},
        {"days": ("monday",)},
        {"start": "24:00"},
        {"start": "9:00"},
        {"end": "25:00"},
        {"time_zone": "Europe/Atlantis"},
        {"time_zone": "../../etc/passwd"},
        {"time_zone": "Europe"},
    ],
)
def test_a_wrong_window_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        TimeWindow(**{"days": ("mon",), "start": "09:00", "end": "17:00", **wrong})


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((AccountGuards, name) for name in ACCOUNT_LIMITS),
        *((InstallationGuards, name) for name in INSTALLATION_LIMITS),
    ],
)
def test_a_guard_out_of_range_is_refused_by_name(kind: Any, name: str) -> None:
    assert name in names_of(kind)
    limit = (ACCOUNT_LIMITS if kind is AccountGuards else INSTALLATION_LIMITS)[name]
    for value in (limit.low - 1, limit.high + 1, float("nan")):
        with pytest.raises(InvalidInput, match=name):
            kind(**{name: value})


def test_a_market_view_is_read_from_its_fingerprint() -> None:
    view = MarketView("SWITCH", "us-east-1:us-east-1a:m6a.large:Linux", 0.031, 0.01)
    assert MarketView.of(view.fingerprint) == view
    assert MarketView.of("") is None
    assert MarketView.of("[]") is None


BEFORE = MarketView("SWITCH", "us-east-1:us-east-1a:m6a.large:Linux", 0.030, 0.010)


@pytest.mark.parametrize(
    ("now", "says"),
    [
        ({}, ""),
        ({"price_usd_per_hour": 0.0329}, ""),
        ({"price_usd_per_hour": 0.0331}, "a change of +10 %; the limit is 10 %"),
        ({"price_usd_per_hour": 0.0269}, "a change of -10 %"),
        ({"price_usd_per_hour": None}, "now it is unknown"),
        ({"decision": "STAY", "pool": ""}, "now it is STAY"),
        ({"pool": "us-east-1:us-east-1b:m5.large:Linux"}, "now it is SWITCH to m5.large"),
        ({"decision": "none", "pool": ""}, "now it is no decision can be made"),
        ({"saving_usd_per_hour": 0.0049}, "The expected saving is 0.0049 USD/h; the minimum"),
        ({"saving_usd_per_hour": None}, "The expected saving is unknown"),
    ],
)
def test_a_changed_market_asks_again(now: dict[str, Any], says: str) -> None:
    found = " ".join(changes(BEFORE, replace(BEFORE, **now), 0.1, 0.005))
    assert (says in found) if says else found == ""


def figures(good: int, bad: int, wanted: int = 50, share: float = 0.9) -> AutonomyFigures:
    return AutonomyFigures("acme", "default@1", "web", good, bad, 3, 4, wanted, share)


@pytest.mark.parametrize(
    ("good", "bad", "earned"),
    [(0, 0, False), (49, 0, False), (50, 0, True), (49, 1, False), (74, 1, True), (500, 60, False)],
)
def test_autonomy_is_earned_by_enough_good_outcomes(good: int, bad: int, earned: bool) -> None:
    found = figures(good, bad)
    assert found.earned is earned
    assert f"{good} of {good + bad} known outcomes were good" in found.sentence
    assert ("acts alone" in found.sentence.replace("does not act alone", "")) is earned


def test_the_share_is_a_wilson_interval() -> None:
    assert figures(0, 0).share is None
    assert figures(49, 1).share == wilson(0.98, 50)


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("sat,sun 22:00-04:00 Europe/Berlin", (("sat", "sun"), "22:00", "04:00", "Europe/Berlin")),
        (" mon 00:00-24:00 ", (("mon",), "00:00", "24:00", "UTC")),
    ],
)
def test_a_time_window_is_read_as_it_is_written(text: str, window: tuple[Any, ...]) -> None:
    read = TimeWindow.parse(text)
    assert read == TimeWindow(*window)
    assert TimeWindow.parse(read.text) == read


@pytest.mark.parametrize(
    "text", ["", "sat", "someday 22:00-04:00", "sat 22:00-4:00", "sat, sun 22:00-04:00"]
)
def test_what_is_no_time_window_is_named(text: str) -> None:
    with pytest.raises(InvalidInput):
        TimeWindow.parse(text)
