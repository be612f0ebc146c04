"""Scores agree with scikit-learn, and intervals are as wide as the groups make them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics

from spotlab.training import scores


@pytest.fixture(params=[0, 1, 2])
def sample(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts with many ties, and outcomes that follow them."""
    rng = np.random.default_rng(request.param)
    forecast = np.round(rng.random(400), 2 - request.param % 2)
    return (rng.random(400) < forecast).astype(np.float64), forecast


def test_scores_are_those_of_scikit_learn(sample: tuple[np.ndarray, np.ndarray]) -> None:
    outcome, forecast = sample
    ours = scores.scores(outcome, forecast)

    assert ours.auc == pytest.approx(metrics.roc_auc_score(outcome, forecast))
    assert ours.pr_auc == pytest.approx(metrics.average_precision_score(outcome, forecast))
    assert ours.brier == pytest.approx(metrics.brier_score_loss(outcome, forecast))
    sure = np.clip(forecast, 1e-12, 1 - 1e-12)
    assert ours.log_loss == pytest.approx(metrics.log_loss(outcome, sure))


def test_always_saying_the_base_rate_has_no_skill() -> None:
    outcome = np.array([1.0, 0.0, 0.0, 0.0])

    assert scores.brier_skill(outcome, np.full(4, 0.25)) == pytest.approx(0.0)
    assert scores.brier_skill(outcome, outcome) == 1.0
    assert scores.auc(outcome, np.full(4, 0.25)) == 0.5


def test_one_outcome_only_gives_no_ranking_score() -> None:
    nothing = np.zeros(3)

    assert math.isnan(scores.auc(nothing, np.array([0.1, 0.2, 0.3])))
    assert math.isnan(scores.pr_auc(nothing, np.array([0.1, 0.2, 0.3])))


def test_reliability_counts_every_row_once() -> None:
    outcome = np.array([0.0, 1.0, 1.0, 1.0])
    table = scores.reliability(outcome, np.array([0.05, 0.05, 0.95, 1.0]))

    assert [(row.low, row.rows, row.observed_share) for row in table] == [
        (0.0, 2, 0.5),
        (0.9, 2, 1.0),
    ]
    assert scores.ece(outcome, np.array([0.05, 0.05, 0.95, 1.0])) == pytest.approx(
        (2 * 0.45 + 2 * 0.025) / 4
    )


def test_an_interval_over_groups_is_wider_than_one_over_rows() -> None:
    rng = np.random.default_rng(3)
    groups = np.repeat([f"g{i}" for i in range(20)], 30)
    level = np.repeat(rng.random(20), 30)
    outcome, never = (rng.random(600) < level).astype(np.float64), np.zeros(600)
    rows = [str(i) for i in range(600)]

    by_group = scores.block_interval(scores.brier, (outcome, never), groups, seed=1)
    by_row = scores.block_interval(scores.brier, (outcome, never), rows, seed=1)

    assert by_group[0] < outcome.mean() < by_group[1]
    assert by_group[1] - by_group[0] > 2 * (by_row[1] - by_row[0])
    assert by_group == scores.block_interval(scores.brier, (outcome, never), groups, seed=1)
