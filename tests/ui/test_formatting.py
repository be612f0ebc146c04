"""Numbers, times and states as a person reads them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from spotlab.domain.decision import Decision
from spotlab.domain.risk import hazard_from_monthly_rate, risk_within
from spotlab.ui.common import formatting

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0432, "0.0432"),
        (1.92, "1.920"),
        (1234.5, "1,234.50"),
        (-0.0365, "−0.0365"),
        (None, "—"),
        (math.nan, "—"),
        (math.inf, "—"),
    ],
)
def test_usd_has_sensible_digits_and_a_real_minus(value: float | None, text: str) -> None:
    assert formatting.usd(value) == text


def test_signed_usd_has_no_sign_at_zero() -> None:
    assert formatting.usd(0.01, sign=True) == "+0.0100"
    assert formatting.usd(-0.01, sign=True) == "−0.0100"
    assert formatting.usd(-0.00001, sign=True) == "0.0000"


def test_unknown_never_reads_as_a_number() -> None:
    unknown = [formatting.usd_per_hour(None), formatting.percent(math.nan)]
    assert {
        *unknown,
        formatting.age(None),
        formatting.milliseconds(None),
        formatting.moment(None),
    } == {"—"}


@pytest.mark.parametrize(
    ("age_s", "text"),
    [(0, "0 s"), (89, "89 s"), (300, "5 min"), (3 * 3600 + 1440, "3.4 h"), (4 * 86400, "4 days")],
)
def test_ages_are_relative(age_s: float, text: str) -> None:
    assert formatting.age(age_s) == text


def test_moments_are_absolute_in_utc() -> None:
    assert formatting.moment(NOW) == "2026-03-01 12:00:00 UTC"
    assert formatting.ago(NOW - timedelta(minutes=5), NOW) == "5 min ago"
    assert formatting.ago(None, NOW) == "never"
    assert formatting.ago(NOW, NOW) == "just now"


@pytest.mark.parametrize(("rate", "level"), [(0.04, "low"), (0.1, "medium"), (0.21, "high")])
def test_risk_levels_follow_the_advisors_borders(rate: float, level: str) -> None:
    hazard = float(hazard_from_monthly_rate(rate))
    for horizon_h in (1.0, 24.0, 72.0):
        risk = float(risk_within(hazard, horizon_h))
        assert formatting.risk_level(risk, horizon_h) == level


def test_interruptions_a_month_undo_the_horizon() -> None:
    hazard = float(hazard_from_monthly_rate(0.2))
    risk = float(risk_within(hazard, 24.0))
    assert formatting.interruptions_a_month(risk, 24.0) == pytest.approx(hazard * 730.5)


def test_every_decision_and_state_has_a_shape_of_its_own() -> None:
    marks = [formatting.decision_mark(decision) for decision in (*Decision, None)]
    assert len({mark[0] for mark in marks}) == len(marks)
    states = [formatting.state_mark(state) for state in formatting.STATE_MARKS]
    assert len({mark[0] for mark in states}) == len(states)


def test_lists_are_cut_with_a_count() -> None:
    assert formatting.listed(["a", "b"]) == "a, b"
    assert formatting.listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert formatting.count(1, "pool") == "1 pool"
    assert formatting.count(2104, "pool") == "2,104 pools"
