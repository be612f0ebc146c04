"""Risk follows from the monthly rate, and an interruption's cost from the on-demand price."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotlab.domain.risk import (
    HOURS_PER_MONTH,
    PRIOR_EXPOSURE_H,
    Evidence,
    Risk,
    expected_cost,
    hazard_from_monthly_rate,
    learned_hazard,
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
    assert float(expected_cost(0.05, 0.0, 0.12)) == 0.05
    assert float(expected_cost(0.05, 0.01, 0.12)) == pytest.approx(0.05 + 0.01 * 0.12)


def test_a_risk_keeps_its_horizon() -> None:
    risk = Risk.from_hazard(0.001, 24.0)
    assert risk.horizon_h == 24.0
    assert risk.value == pytest.approx(1 - np.exp(-0.024))


def test_own_interruptions_raise_the_hazard_by_the_gamma_poisson_rule() -> None:
    prior = hazard_from_monthly_rate(0.09)
    evidence = Evidence(float(prior), events=2, exposure_h=310.0)
    by_hand = (2 + float(prior) * PRIOR_EXPOSURE_H) / (310.0 + PRIOR_EXPOSURE_H)
    assert evidence.hazard_per_hour == pytest.approx(by_hand, rel=1e-15)
    assert evidence.hazard_per_hour > float(prior)


def test_quiet_hours_lower_the_hazard() -> None:
    assert Evidence(2e-4, events=0, exposure_h=5_000.0).hazard_per_hour < 2e-4


def test_without_own_hours_the_hazard_is_the_models_to_the_bit() -> None:
    prior = np.array([1 / 3e4, 0.1 / 3, np.nan])
    assert np.array_equal(learned_hazard(prior, 0.0, 0.0), prior, equal_nan=True)


def test_siblings_count_by_their_weight() -> None:
    half = Evidence(1e-4, 0, 0.0, sibling_events=2, sibling_exposure_h=600.0)
    assert half.hazard_per_hour == Evidence(1e-4, 1, 300.0).hazard_per_hour


def test_much_evidence_overrules_the_model_and_narrows_the_interval() -> None:
    """A fleet that is interrupted at 1e-3 an hour, whatever the model says."""
    little, much = Evidence(1e-4, 1, 1_000.0), Evidence(1e-4, 1_000, 1_000_000.0)
    assert much.hazard_per_hour == pytest.approx(1e-3, rel=0.02)
    low, high = much.interval()
    assert low < 1e-3 < high
    least, most = little.interval()
    wide = (most - least) / little.hazard_per_hour
    assert (high - low) / much.hazard_per_hour < wide / 5


def test_a_prior_of_no_hazard_and_no_event_is_a_point() -> None:
    assert Evidence(0.0, 0, 100.0).interval() == (0.0, 0.0)
    assert Evidence(0.0, 1, 100.0).interval()[1] > 0.0


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Truths drawn from the prior, evidence from the truths: 95 of 100 intervals hold."""
    rng = np.random.default_rng(4)
    truths = rng.gamma(2e-4 * PRIOR_EXPOSURE_H, 1 / PRIOR_EXPOSURE_H, 600)
    held = 0
    for truth in truths:
        low, high = Evidence(2e-4, int(rng.poisson(truth * 8_000)), 8_000.0).interval()
        held += low <= truth <= high
    assert 0.93 < held / len(truths) < 0.97
