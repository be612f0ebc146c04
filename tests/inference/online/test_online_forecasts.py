"""Online forecasts: never far behind the best expert, no look ahead, and a state that survives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from spotlab.errors import InvalidInput
from spotlab.inference.online.aggregation import Aggregation
from spotlab.inference.online.delayed_stream import Stream, test_then_train
from spotlab.inference.online.forecaster import OnlineForecaster
from spotlab.inference.online.nodes import ASLEEP, NodeTree, Place
from spotlab.inference.online.recalibration import OnlineLogistic, log_odds

test_then_train.__test__ = False  # type: ignore[attr-defined]
FloatArray = NDArray[np.float64]
EXPERTS = ("model", "rule")
PLACES = [Place("eu-west-1", "p3", f"pool {number}") for number in range(4)]


def loss(outcome: FloatArray, forecast: FloatArray) -> float:
    return float(np.mean((forecast - outcome) ** 2))


def stream(hours: int = 400, seed: int = 1, horizon_h: float = 2.0) -> tuple[NodeTree, Stream]:
    """Four pools, a row an hour: the rule is right about its odds, the model is 2 too low."""
    rng = np.random.default_rng(seed)
    tree = NodeTree.of(PLACES, [horizon_h])
    pool = np.tile(np.arange(len(PLACES)), hours)
    at_h = np.repeat(np.arange(hours, dtype=np.float64), len(PLACES))
    score = rng.normal(0.0, 1.5, len(pool))
    true, low = (1.0 / (1.0 + np.exp(-(score - shift))) for shift in (0.0, 2.0))
    return tree, Stream(
        at_h,
        at_h + horizon_h,
        tree.rows(pool, np.full(len(pool), horizon_h)),
        np.column_stack([low, true]),
        (rng.random(len(pool)) < true).astype(np.float64),
        np.full(len(pool), 1.0 / horizon_h),
    )


def test_a_model_whose_level_is_wrong_loses_its_say() -> None:
    tree, rows = stream()
    forecaster = OnlineForecaster(tree, EXPERTS, EXPERTS)

    made = test_then_train(forecaster, rows)

    best = loss(rows.outcome, rows.experts[:, 1])
    assert loss(rows.outcome, made.probability) < best + 0.005
    assert loss(rows.outcome, rows.experts[:, 0]) > best + 0.03
    later = slice(len(rows.outcome) // 2, None)
    assert loss(rows.outcome[later], made.probability[later]) < (
        loss(rows.outcome[later], rows.experts[later, 1]) + 0.003
    )


def test_recalibration_alone_repairs_a_level_and_never_harms_for_long() -> None:
    tree, rows = stream(hours=1000)
    alone = OnlineForecaster(tree, ("model",), ("model",))
    only_model = Stream(
        rows.at_h, rows.known_h, rows.nodes, rows.experts[:, :1], rows.outcome, rows.share
    )

    made = test_then_train(alone, only_model)

    right = loss(rows.outcome, rows.experts[:, 1])
    assert loss(rows.outcome, made.probability) < right + 0.01
    assert loss(rows.outcome, rows.experts[:, 0]) > right + 0.03


def test_an_outcome_changes_no_forecast_made_before_it_was_known() -> None:
    tree, rows = stream(hours=60, horizon_h=3.0)
    changed_at = 25 * len(PLACES)
    outcome = rows.outcome.copy()
    outcome[changed_at] = 1.0 - outcome[changed_at]
    other = Stream(rows.at_h, rows.known_h, rows.nodes, rows.experts, outcome, rows.share)

    first = test_then_train(OnlineForecaster(tree, EXPERTS, EXPERTS), rows)
    second = test_then_train(OnlineForecaster(tree, EXPERTS, EXPERTS), other)

    unknown = rows.at_h < rows.known_h[changed_at]
    assert np.array_equal(first.probability[unknown], second.probability[unknown])
    at_once = rows.at_h == rows.known_h[changed_at]
    assert (first.probability[at_once] != second.probability[at_once]).all()


def test_rows_may_come_in_any_order() -> None:
    tree, rows = stream(hours=50)
    shuffled = np.random.default_rng(3).permutation(len(rows.outcome))
    names = [name for name in Stream.__slots__ if name != "until_h"]
    other = Stream(*(getattr(rows, name)[shuffled] for name in names))

    first = test_then_train(OnlineForecaster(tree, EXPERTS, EXPERTS), rows)
    second = test_then_train(OnlineForecaster(tree, EXPERTS, EXPERTS), other)

    np.testing.assert_allclose(second.probability, first.probability[shuffled], rtol=1e-9)


def test_outcomes_after_the_last_forecast_are_learnt_from_until_a_time() -> None:
    tree, rows = stream(hours=50)
    last_h = float(rows.known_h.max())

    def learnt(until_h: float | None) -> tuple[OnlineForecaster, FloatArray]:
        forecaster = OnlineForecaster(tree, EXPERTS, EXPERTS)
        made = test_then_train(forecaster, replace(rows, until_h=until_h))
        return forecaster, made.probability

    (never, first), (some, _), (every, last) = (learnt(each) for each in (None, last_h - 1, last_h))
    np.testing.assert_array_equal(first, last)
    judged = [float(each.aggregation.shares[0, -1]) for each in (never, some, every)]
    assert judged[0] <= judged[1] < judged[2]
    assert judged[2] == pytest.approx(rows.share.sum())


@pytest.mark.parametrize("seed", range(5))
def test_the_regret_is_bounded_where_outcomes_are_known_at_once(seed: int) -> None:
    """Adversarial outcomes: always against the forecast."""
    rng = np.random.default_rng(seed)
    aggregation = Aggregation(1, [1.0, 1.0, 1.0], [1.0])
    nodes = np.zeros((1, 1), dtype=np.intp)
    regret = np.zeros(3)
    for _ in range(500):
        experts = rng.random((1, 3))
        forecast = aggregation.forecast(nodes, experts)
        outcome = np.array([float(forecast[0] < 0.5)])
        aggregation.learn(nodes, experts, forecast, outcome, np.array([0.25]))
        regret += 0.5 * ((forecast - outcome) ** 2 - (experts[0] - outcome) ** 2)
    assert regret.max() <= np.log(3.0)
    np.testing.assert_allclose(aggregation.regret[0], regret)


def test_a_new_pool_follows_its_family_until_its_own_rows_say_otherwise() -> None:
    places = [Place("r", "p3", "old"), Place("r", "p3", "new"), Place("r", "m5", "other")]
    tree = NodeTree.of(places, [1.0])
    aggregation = Aggregation(tree.count, [1.0, 1.0], [1.0] * 8)
    nodes = tree.rows(np.array([0, 1, 2]), np.ones(3))
    wrong, right = np.array([[1.0, 0.0]]), np.array([0.0])
    for _ in range(20):
        aggregation.learn(nodes[:1], wrong, np.array([0.5]), right, np.array([1.0]))
    old, new, other = aggregation.weights(nodes)[:, 1]
    assert old > new > other > 0.5
    for _ in range(200):
        aggregation.learn(nodes[1:2], 1.0 - wrong, np.array([0.5]), right, np.array([1.0]))
    assert aggregation.weights(nodes)[1, 1] < 0.5


def test_an_expert_without_a_forecast_sleeps() -> None:
    tree = NodeTree.of(PLACES[:1], [1.0])
    forecaster = OnlineForecaster(tree, EXPERTS, EXPERTS)
    nodes = tree.rows(np.zeros(2, dtype=np.intp), np.ones(2))
    experts = np.array([[np.nan, 0.3], [np.nan, np.nan]])

    made = forecaster.forecast(nodes, experts)
    forecaster.learn(made, np.array([1.0, 0.0]), np.ones(2))

    assert made.probability[0] == pytest.approx(0.3)
    assert np.isnan(made.probability[1])
    assert np.isfinite(forecaster.forecast(nodes, np.full((2, 2), 0.4)).probability).all()


def test_what_was_learnt_can_be_saved_and_continued() -> None:
    tree, rows = stream(hours=40)
    forecaster = OnlineForecaster(tree, EXPERTS, EXPERTS)
    test_then_train(forecaster, rows)
    again = OnlineForecaster(tree, EXPERTS, EXPERTS)

    again.restore(forecaster.to_bytes())

    nodes, experts = rows.nodes[:4], rows.experts[:4]
    expected = forecaster.forecast(nodes, experts).probability
    assert np.array_equal(again.forecast(nodes, experts).probability, expected)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"nothing", "cannot be read"),
        (OnlineForecaster(NodeTree.of(PLACES, [3.0]), EXPERTS, EXPERTS).to_bytes(), "other pools"),
    ],
)
def test_weights_of_other_pools_or_no_weights_are_refused(content: bytes, problem: str) -> None:
    tree, _ = stream(hours=4)
    forecaster = OnlineForecaster(tree, EXPERTS, EXPERTS)
    with pytest.raises(InvalidInput, match=problem):
        forecaster.restore(content)


def test_a_regression_starts_as_its_first_input_and_forgets() -> None:
    regression = OnlineLogistic(2, (0.0, 1.0), (1.0, 1.0), 0.1)
    node = np.array([0, ASLEEP])
    inputs = np.column_stack([np.ones(2), log_odds(np.array([0.2, 0.2]))])
    assert regression.forecast(node, inputs)[0] == pytest.approx(0.2)
    assert np.isnan(regression.forecast(node, inputs)[1])
    for _ in range(400):
        regression.learn(node, inputs, np.ones(2), np.ones(2))
    assert regression.forecast(node, inputs)[0] > 0.9
    assert np.trace(regression.precision[0]) < 40.0
    assert np.array_equal(regression.mean[1], [0.0, 1.0])


def test_a_horizon_without_weights_is_refused() -> None:
    tree = NodeTree.of(PLACES, [1.0, 3.0])
    with pytest.raises(InvalidInput, match="2 h has no weights"):
        tree.rows(np.zeros(1, dtype=np.intp), np.array([2.0]))
    with pytest.raises(InvalidInput, match="Two pools"):
        NodeTree.of([PLACES[0], PLACES[0]], [1.0])
    with pytest.raises(InvalidInput, match="no horizon"):
        NodeTree.of(PLACES, [])
    with pytest.raises(InvalidInput, match="not above 0"):
        Aggregation(1, [0.0], [1.0])
