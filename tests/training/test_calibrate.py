"""A calibration corrects a level, keeps the order, and is chosen on groups it did not see."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from spotlab.inference.calibrators import (
    Beta,
    Calibrator,
    Isotonic,
    Logistic,
    apply,
    sigmoid,
    spread_contributions,
)
from spotlab.training.advisor.calibration import (
    FITS,
    choose_calibration,
    cross_calibrated,
    fit_beta,
    fit_isotonic,
    fit_logistic,
    level_shift,
)
from spotlab.training.scores import log_loss

Truth = Callable[[np.ndarray], np.ndarray]


def sample(truth: Truth, rows: int = 20_000) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Scores, outcomes that follow `truth` of them, and forty groups."""
    rng = np.random.default_rng(1)
    score = rng.normal(0.0, 2.0, rows)
    return score, (rng.random(rows) < truth(score)) * 1.0, [f"g{i % 40}" for i in range(rows)]


def steps(score: np.ndarray) -> np.ndarray:
    return np.select([score < -1.0, score < 1.0], [0.1, 0.5], 0.6)


def bent(score: np.ndarray) -> np.ndarray:
    return sigmoid(apply(Beta(2.0, 0.4, 0.3), score))


def straight(score: np.ndarray) -> np.ndarray:
    return sigmoid(apply(Logistic(0.6, -0.4), score))


@pytest.mark.parametrize(
    ("truth", "kind"), [(steps, "isotonic"), (bent, "beta")], ids=["steps", "bent"]
)
def test_the_kind_that_fits_the_truth_is_chosen(truth: Truth, kind: str) -> None:
    score, outcome, groups = sample(truth)
    chosen = choose_calibration(score, outcome, groups)

    assert chosen.kind == kind
    assert chosen.log_loss[kind] == min(chosen.log_loss.values())
    assert chosen.log_loss[kind] == pytest.approx(log_loss(outcome, chosen.forecast))
    assert np.abs(sigmoid(apply(chosen.calibrator, score)) - truth(score)).mean() < 0.02


def test_a_known_curve_is_found_again() -> None:
    score, _, _ = sample(straight)

    assert fit_logistic(score, straight(score)) == Logistic(0.6, -0.4)
    assert fit_beta(score, bent(score)) == Beta(2.0, 0.4, 0.3)


@pytest.mark.parametrize("kind", FITS)
def test_every_kind_keeps_the_order_and_is_never_certain(kind: str) -> None:
    score, outcome, _ = sample(straight, 500)
    share = sigmoid(apply(FITS[kind](score, outcome), np.linspace(-40.0, 40.0, 2001)))

    assert (np.diff(share) >= -1e-15).all()
    assert share.min() > 0.0
    assert share.max() < 1.0


@pytest.mark.parametrize("kind", FITS)
def test_scores_the_wrong_way_round_are_not_turned_around(kind: str) -> None:
    score, outcome, _ = sample(straight, 2000)
    share = sigmoid(apply(FITS[kind](-score, outcome), np.linspace(-3.0, 3.0, 50)))

    assert (np.diff(share) >= 0.0).all()
    assert np.ptp(share) < 0.2


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_shifted_level_is_the_share_that_was_asked_for(share: float) -> None:
    score, _, _ = sample(bent)

    shift = level_shift(score, share)

    assert sigmoid(score + shift).mean() == pytest.approx(share, abs=1e-6)
    assert level_shift(score + shift, share) == pytest.approx(0.0, abs=1e-5)


def test_a_forecast_saw_no_row_of_its_group() -> None:
    score, outcome, groups = sample(straight, 2000)
    before = cross_calibrated(score, outcome, groups, fit_isotonic)
    own = np.array(groups) == "g3"
    after = cross_calibrated(score, np.where(own, 1.0 - outcome, outcome), groups, fit_isotonic)

    assert np.array_equal(before[own], after[own])
    assert not np.array_equal(before, after)


@pytest.mark.parametrize(
    "calibrator",
    [Logistic(0.6, -0.4), Beta(2.0, 0.4, 0.3), Isotonic((-1.0, 0.0, 2.0), (0.1, 0.4, 0.9))],
    ids=["platt", "beta", "isotonic"],
)
def test_contributions_still_add_up(calibrator: Calibrator) -> None:
    parts = np.random.default_rng(2).normal(0.0, 0.5, (50, 4))
    base = np.full(50, 0.2)
    shared, start = spread_contributions(calibrator, parts, base)

    assert np.allclose(shared.sum(axis=1) + start, apply(calibrator, parts.sum(axis=1) + base))
    assert (np.sign(shared) * np.sign(parts) >= 0.0).all()
