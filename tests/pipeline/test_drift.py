"""Drift is detected, and a market that only varies raises few alarms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spotlab.domain.drift import (
    FloatArray,
    Sketch,
    class_counts,
    class_edges,
    ks,
    psi,
    rank_correlation,
)
from spotlab.domain.market import MarketName
from spotlab.pipeline.drift import PREDICTION, DriftReport, drift
from spotlab.pipeline.drift_sketch import sketch
from spotlab.pipeline.score import score_market
from spotlab.pipeline.stage_trace import Tracer
from tests.support.market import BucketModel, market_data
from tests.support.outcomes import market_sketch


def report(*, seed: int = 1, shift: float = 0.0, days: int = 10) -> DriftReport:
    calm = [market_sketch(day, seed) for day in range(days)]
    return drift(MarketName.SIMULATED, "toy@1", [*calm, market_sketch(days, seed, shift)])


def test_a_feature_that_moved_raises_the_alarm_and_the_others_do_not() -> None:
    found = report(shift=1.5)
    assert found.alarm
    assert [each.name for each in found.moved if each.alarm] == ["discount_depth"]
    assert found.words.startswith("1 of 4 drifted beyond the usual variation: discount_depth")
    assert found.moved[0].name == PREDICTION


def test_the_table_is_ready_to_show() -> None:
    frame = report(shift=1.5).frame().set_index("name")
    moved = frame.loc["discount_depth"]
    assert moved["psi"] > 5 * moved["psi_usual"]
    assert moved["words"].startswith("drifted: ")
    assert frame.loc["advisor_bucket", "words"] == "as usual"


def test_markets_that_only_vary_raise_few_alarms() -> None:
    """A day like the ten before it raises an alarm in at most one of eleven cases."""
    assert sum(report(seed=seed).alarm for seed in range(40)) <= 6


@pytest.mark.parametrize("days", [0, 1, 4])
def test_too_few_days_are_unknown_not_steady(days: int) -> None:
    found = report(days=days)
    assert found.words.startswith("Unknown: drift needs 5 earlier days")
    assert (found.moved, found.alarm, found.reference_days) == ((), False, days)


def test_no_sketch_at_all_is_unknown() -> None:
    found = drift(MarketName.SIMULATED, "toy@1", [])
    assert found.at is None
    assert found.words.startswith("Unknown")


def test_reasons_that_turn_around_raise_the_alarm() -> None:
    calm = [market_sketch(day) for day in range(10)]
    turned = {"discount_depth": 1.0, "advisor_bucket": 0.1, "log_spot_price": 0.2}
    last = replace(market_sketch(10), importance=turned)
    found = drift(MarketName.SIMULATED, "toy@1", [*calm, last])
    assert found.importance_alarm
    assert "rank correlation -0.50" in found.words


def distances(before: FloatArray, now: FloatArray) -> tuple[float, float]:
    edges = class_edges(before, 10)
    counts = class_counts(before, edges), class_counts(now, edges)
    return float(psi(*counts)), float(ks(*counts))


def test_the_index_counts_unknown_values_as_a_class_of_their_own() -> None:
    values = np.arange(1000.0)
    gone = np.where(np.arange(1000) % 2 == 0, np.nan, values)
    assert distances(values, values) == (0.0, 0.0)
    index, distance = distances(values, gone)
    assert index > 1.0
    assert distance < 0.01, "what is known lies as before"


def test_distances_by_hand() -> None:
    was, is_now = np.array([5.0, 5.0, 0.0]), np.array([2.0, 8.0, 0.0])
    assert ks(was, is_now) == pytest.approx(0.3)
    assert psi(was, is_now) == pytest.approx(-0.3 * np.log(0.4) + 0.3 * np.log(1.6))
    assert rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([3.0, 2.0, 1.0])) == -1.0
    assert np.isnan(psi(np.zeros(3), was))
    assert np.isnan(ks(was, np.array([0.0, 0.0, 4.0]))), "nothing known"


def test_a_sketch_draws_what_it_was_made_of() -> None:
    values = np.random.default_rng(5).gamma(2.0, 1.0, 5000)
    values[:500] = np.nan
    made = Sketch.of(values)
    assert (made.rows, made.unknown) == (5000, 0.1)
    drawn = made.draw(1000)
    assert np.isnan(drawn).mean() == 0.1
    assert distances(values, drawn)[1] < 0.03
    assert Sketch.of(np.full(3, np.nan)).quantiles == ()


def test_a_scored_market_becomes_a_sketch_of_what_the_model_saw() -> None:
    prices: dict[tuple[str, str | None], float] = {
        ("m5.large", "us-east-1a"): 0.03,
        ("m6i.large", "us-east-1a"): 0.03,
    }
    model = BucketModel()
    found = sketch(score_market(market_data(prices), model, Tracer()), model)
    assert (found.model, found.pools) == ("bucket@1", 2)
    assert list(found.features) == ["historic_interrupt_rate"]
    assert found.features["historic_interrupt_rate"].quantiles[0] == 0.025
    assert found.prediction.quantiles[-1] == pytest.approx(-np.log(0.75) / 730.5)
    assert found.importance == {"historic_interrupt_rate": 0.0}
