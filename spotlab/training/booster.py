"""Fitting boosters, and scoring rows they did not see. Training floor: knows no file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
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
