"""Fitting boosters and calibrating their scores. Training floor: knows no file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.inference.calibration import apply, sigmoid
from spotlab.inference.card import Logistic
from spotlab.training import recipe
from spotlab.training.datasets import Dataset
from spotlab.training.labels import high, rate_position
from spotlab.training.recipe import Candidate
from spotlab.training.splits import group_folds

if TYPE_CHECKING:
    import lightgbm

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]


def training_matrix(data: Dataset, seed: int) -> Matrix:
    """The recipe's features, with what the model must not see hidden.

    Every row's bucket has the same age, so the age is hidden: a tree could only tell by it
    whether the advisor lists the type. Some prices are hidden so that a missing one is not new.
    """
    matrix = data.frame.select(recipe.FEATURES)
    matrix[:, recipe.FEATURES.index(recipe.AGE)] = np.nan
    hidden = np.random.default_rng(seed).random(len(matrix)) < recipe.HIDDEN_PRICE_SHARE
    for name in recipe.PRICES:
        matrix[hidden, recipe.FEATURES.index(name)] = np.nan
    return matrix


def scoring_matrix(data: Dataset) -> Matrix:
    """The recipe's features as they are, but for the age, which the trees never saw."""
    matrix = data.frame.select(recipe.FEATURES)
    matrix[:, recipe.FEATURES.index(recipe.AGE)] = np.nan
    return matrix


def fit_booster(
    matrix: Matrix, bucket: FloatArray, candidate: Candidate, *, rounds: int, seed: int
) -> lightgbm.Booster:
    """One booster; the same input gives the same bytes."""
    import lightgbm

    target = high(bucket) if candidate.objective == "binary" else rate_position(bucket)
    settings: dict[str, Any] = {
        **recipe.REPEATABLE,
        **candidate.settings,
        "objective": candidate.objective,
        "seed": seed,
    }
    if candidate.rising_in_bucket:
        settings["monotone_constraints"] = [int(name == recipe.BUCKET) for name in recipe.FEATURES]
    data = lightgbm.Dataset(matrix, target, feature_name=list(recipe.FEATURES))
    return lightgbm.train(settings, data, num_boost_round=rounds)


def out_of_fold(
    data: Dataset,
    candidate: Candidate,
    *,
    rounds: int,
    seed: int,
    step: Callable[[], None],
) -> FloatArray:
    """(n,) raw score of every row from a booster that saw no row of its family.

    Args:
        step: called before each fold; may raise Cancelled.
    """
    shown, asked = training_matrix(data, seed), scoring_matrix(data)
    score = np.full(len(data.bucket), np.nan)
    for train, test in group_folds(data.families, recipe.FOLDS):
        step()
        booster = fit_booster(shown[train], data.bucket[train], candidate, rounds=rounds, seed=seed)
        score[test] = booster.predict(asked[test], raw_score=True)
    return score


def fit_logistic(score: FloatArray, target: FloatArray) -> Logistic:
    """Slope and intercept of sigmoid(slope * score + intercept) that fit a target best.

    The target may be a share: the log loss stays proper. Newton's method on two numbers.
    """
    slope, intercept = 1.0, 0.0
    columns = np.column_stack([score, np.ones_like(score)])
    for _ in range(50):
        said = sigmoid(columns @ np.array([slope, intercept]))
        gradient = columns.T @ (said - target)
        curvature = (columns * (said * (1.0 - said))[:, None]).T @ columns
        move = np.linalg.solve(curvature + 1e-9 * np.eye(2), gradient)
        slope, intercept = slope - float(move[0]), intercept - float(move[1])
        if float(np.abs(move).max()) < 1e-10:
            break
    return Logistic(round(slope, 6), round(intercept, 6))


def cross_calibrated(
    score: FloatArray, target: FloatArray, families: tuple[str, ...]
) -> FloatArray:
    """(n,) calibrated probabilities, each fold's calibration fitted on the other folds."""
    said = np.full(len(score), np.nan)
    for train, test in group_folds(families, recipe.FOLDS):
        said[test] = sigmoid(apply(fit_logistic(score[train], target[train]), score[test]))
    return said


def last_bucket_forecast(data: Dataset) -> FloatArray:
    """(n,) the baseline: share of high buckets among other families' pools of that bucket."""
    now, later = data.frame.column(recipe.BUCKET), high(data.bucket)
    level = np.where(np.isnan(now), -1.0, now)
    said = np.full(len(later), np.nan)
    for train, test in group_folds(data.families, recipe.FOLDS):
        overall = float(later[train].mean())
        for value in np.unique(level):
            alike = later[train][level[train] == value]
            said[test[level[test] == value]] = alike.mean() if len(alike) else overall
    return said
