"""What rings, and when that is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotlab.domain.alert_state import Event, Finding, FiringAlert, update_alerts
from spotlab.domain.alerts import AlertKind, Condition, validated
from spotlab.errors import InvalidInput

START = datetime(2026, 3, 1, tzinfo=UTC)


def run(answers: list[bool | None], again_h: float = 1.0) -> list[Event]:
    """The events told over looks ten minutes apart."""
    rung: dict[str, FiringAlert] = {}
    told: list[Event] = []
    for number, ringing in enumerate(answers):
        found = [Finding("a", "a", ringing, "words")]
        rung, messages = update_alerts(rung, found, START + timedelta(minutes=10 * number), again_h)
        told += [message.event for message in messages]
    return told


def test_a_condition_is_told_once_and_when_it_ends() -> None:
    assert run([False, True, True, True, False, False]) == [Event.FIRING, Event.RESOLVED]


def test_it_is_told_again_after_the_stated_time() -> None:
    assert run([True] * 14) == [Event.FIRING, Event.STILL_FIRING, Event.STILL_FIRING]
    assert run([True] * 14, again_h=0) == [Event.FIRING]


def test_unknown_neither_rings_nor_ends() -> None:
    assert run([None, None]) == []
    assert run([True, None, None, True, False]) == [Event.FIRING, Event.RESOLVED]


def test_another_state_is_told_at_once() -> None:
    rung, _ = update_alerts(
        {}, [Finding("a", "a is degraded", True, "", level="degraded")], START, 1
    )
    rung, told = update_alerts(rung, [Finding("a", "a is down", True, "", level="down")], START, 1)
    assert [(m.event, m.subject) for m in told] == [(Event.STILL_FIRING, "a is down")]
    assert rung["a"].since == START


def test_what_is_not_watched_any_more_is_resolved() -> None:
    rung, _ = update_alerts({}, [Finding("a", "a", True, "")], START, 1)
    rung, told = update_alerts(rung, [], START, 1)
    assert rung == {}
    assert [message.event for message in told] == [Event.RESOLVED]


@given(st.lists(st.sampled_from([True, False, None]), max_size=60))
def test_firing_and_resolved_take_turns(answers: list[bool | None]) -> None:
    told = [event for event in run(answers) if event is not Event.STILL_FIRING]
    assert told == [Event.FIRING, Event.RESOLVED] * (len(told) // 2) + [Event.FIRING] * (
        len(told) % 2
    )


@pytest.mark.parametrize(
    "condition",
    [
        Condition(AlertKind.STATE, component="engine"),
        Condition(AlertKind.STATE, states=("healthy",)),
        Condition(AlertKind.STALENESS, threshold=5),
        Condition(AlertKind.STALENESS, feed="prices", threshold=-1),
        Condition(AlertKind.FAILURES, threshold=1.5),
        Condition(AlertKind.RISK),
        Condition(AlertKind.RISK, threshold=float("nan")),
        Condition(AlertKind.PRICE, pool="m5.large", threshold=0.1),
        Condition(AlertKind.DRIFT, again_h=-1),
    ],
)
def test_what_makes_no_sense_is_refused(condition: Condition) -> None:
    with pytest.raises(InvalidInput):
        validated(condition)
