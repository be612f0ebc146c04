"""Own launches and probes as an availability history, and what its forecasts change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from spotlab.domain.hazard_curve import CapacityForecast
from spotlab.domain.interruptions import InterruptionEvent, InterruptionKind, OwnRecord
from spotlab.domain.market import Pool
from spotlab.domain.policy import PolicyParams
from spotlab.inference.capacity import CapacityModel
from spotlab.inference.predictor import Predictor
from spotlab.pipeline.capacity import forecasts_of, launch_panel, live_risks
from spotlab.pipeline.score import ScoredMarket, score_market
from spotlab.pipeline.stage_trace import Tracer
from tests.support.market import NOW, BucketModel, market_data

HERE = Pool("us-east-1", "us-east-1a", "m5.large")
SHIPPED = Path(__file__).parents[2] / "models"


def history(results: Sequence[bool], step_min: float = 30.0) -> list[InterruptionEvent]:
    """Probes, the last of them 5 minutes ago."""
    last = NOW - timedelta(minutes=5)
    return [
        InterruptionEvent(
            f"probe-{number}",
            HERE,
            last - number * timedelta(minutes=step_min),
            InterruptionKind.LAUNCHED if is_up else InterruptionKind.CAPACITY,
            "launch probe",
            last,
        )
        for number, is_up in enumerate(reversed(results))
    ]


def test_a_panel_needs_enough_and_fresh_readings_and_knows_nothing_in_between() -> None:
    assert launch_panel(history([True] * 11), NOW) is None
    assert launch_panel(history([True] * 40), NOW + timedelta(hours=3)) is None
    panel = launch_panel(history([True, False] * 10), NOW)
    assert panel is not None
    column = panel.available[:, 0]
    assert column[-1] == 0.0
    assert np.isnan(column[-2])
    assert column[-3] == 1.0
    assert np.count_nonzero(~np.isnan(column)) == 20


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(SHIPPED)


def forecasts(
    events: Sequence[InterruptionEvent], model: CapacityModel
) -> dict[Pool, CapacityForecast]:
    panel = launch_panel(events, NOW)
    assert panel is not None
    return forecasts_of(panel, live_risks(panel, model), "a model")


def test_a_pool_that_comes_and_goes_is_forecast_to_be_lost_sooner(predictor: Predictor) -> None:
    (card,) = sorted(SHIPPED.glob("capacity*/*/card.json"))[-1:]
    model = predictor.capacity(f"{card.parents[1].name}@{card.parent.name}")
    steady = forecasts(history([True] * 100), model)[HERE]
    flapping = forecasts(history([False, True] * 50), model)[HERE]
    for (hours, calm), (_, wild) in zip(steady.probabilities, flapping.probabilities, strict=True):
        assert calm < wild, hours
    assert forecasts(history([True] * 50 + [False]), model) == {}


FORECAST = CapacityForecast(NOW, "a-model@1", 40, ((1.0, 0.3), (6.0, 0.6), (24.0, 0.8)))


def scored(forecast: CapacityForecast | None) -> ScoredMarket:
    data = market_data({("m5.large", "us-east-1a"): 0.03, ("m5.large", "us-east-1b"): 0.03})
    own = OwnRecord(forecasts={HERE: forecast} if forecast else {})
    return score_market(data, BucketModel(), Tracer(), own)


def test_a_forecast_raises_the_near_hazard_as_far_as_the_policy_lets_it() -> None:
    quiet = scored(None)
    for share in (0.0, 0.25, 1.0):
        pools = scored(FORECAST).under(PolicyParams(capacity_forecast_share=share)).pools
        added = (pools.hazard_within(1.0) - quiet.pools.hazard_per_hour)[:2]
        long_run = float(quiet.pools.hazard_per_hour[0])
        expected = share * (-np.log(0.7) - long_run)
        assert sorted(added) == pytest.approx([0.0, expected], abs=1e-12)


def test_the_risk_with_a_forecast_never_falls_with_the_horizon() -> None:
    pools = scored(FORECAST).under(PolicyParams()).pools
    risks = [pools.risk(hours).max() for hours in (0.1, 1, 5, 6, 23, 24, 25, 720, 7200)]
    assert risks == sorted(risks)


def test_a_forecast_counts_less_as_it_ages_and_is_over_in_the_end() -> None:
    old = CapacityForecast(
        NOW - timedelta(hours=2), FORECAST.model, FORECAST.readings, FORECAST.probabilities
    )
    market = scored(old)
    policy = PolicyParams()
    np.testing.assert_array_equal(
        market.under(policy).pools.hazard_within(1.0), market.pools.hazard_per_hour
    )
