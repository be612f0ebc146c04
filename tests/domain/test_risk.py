"""Risk follows from the monthly rate, and an interruption's cost from the on-demand price."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotlab.domain.risk import (
    HOURS_PER_MONTH,
    Outage,
    Risk,
    expected_cost,
    hazard_from_monthly_rate,
    risk_within,
)


@given(st.floats(0, 0.99), st.floats(0.01, 10_000))
def test_a_risk_is_a_probability_and_grows_with_the_horizon(rate: float, hours: float) -> None:
    hazard = hazard_from_monthly_rate(rate)
    assert 0 <= float(risk_within(hazard, hours)) <= float(risk_within(hazard, hours * 2)) <= 1


@given(st.floats(0, 0.99))
def test_the_risk_within_a_month_is_the_monthly_rate(rate: float) -> None:
    risk = risk_within(hazard_from_monthly_rate(rate), HOURS_PER_MONTH)
    assert float(risk) == pytest.approx(rate, abs=1e-12)


def test_a_certain_interruption_has_a_finite_hazard() -> None:
    assert np.isfinite(hazard_from_monthly_rate(1.0))


def test_the_expected_cost_equals_the_price_when_nothing_interrupts() -> None:
    outage = Outage(work_lost_h=0.5, recovery_h=0.1, usd_per_hour=0.2)
    assert float(expected_cost(0.05, 0.0, outage)) == 0.05
    assert float(expected_cost(0.05, 0.01, outage)) == pytest.approx(0.05 + 0.01 * 0.12)


def test_a_risk_keeps_its_horizon() -> None:
    risk = Risk.from_hazard(0.001, 24.0)
    assert risk.horizon_h == 24.0
    assert risk.value == pytest.approx(1 - np.exp(-0.024))
