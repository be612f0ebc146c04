"""Fitting boosters and computing out-of-fold scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.training.advisor import recipe
from spotlab.training.advisor.datasets import Dataset
from spotlab.training.advisor.labels import high, rate_position
from spotlab.training.advisor.recipe import Candidate
from spotlab.training.advisor.splits import group_folds

if TYPE_CHECKING:
    import lightgbm

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]


def training_matrix(data: Dataset, seed: int) -> Matrix:
    """(n, f) the recipe's features, without the age and without some prices.

    The age is NaN: it is the same in every row with a bucket, so that trees could only use it to
    see whether the advisor lists the type. Some prices are NaN so that trees learn to handle a
    missing one.
    """
    matrix = scoring_matrix(data)
    hidden = np.random.default_rng(seed).random(len(matrix)) < recipe.HIDDEN_PRICE_SHARE
    for name in recipe.PRICES:
        matrix[hidden, recipe.FEATURES.index(name)] = np.nan
    return matrix


def scoring_matrix(data: Dataset) -> Matrix:
    """(n, f) the recipe's features without the age, which is NaN in training too."""
    matrix = data.frame.select(recipe.FEATURES)
    matrix[:, recipe.FEATURES.index(recipe.AGE)] = np.nan
    return matrix


@dataclass(frozen=True)
class BoosterFitter:
    """Fits boosters on rows of a data set.

    Args:
        data: all rows.
        rounds: largest number of trees.
        seed: of sampling inside LightGBM, and of which prices are hidden.
        folds: number of group folds for validation.
    """

    data: Dataset
    rounds: int
    seed: int
    folds: int = recipe.FOLDS

    @cached_property
    def training_matrix(self) -> Matrix:
        """(n, f) features to fit on."""
        return training_matrix(self.data, self.seed)

    @cached_property
    def scoring_matrix(self) -> Matrix:
        """(n, f) features to score."""
        return scoring_matrix(self.data)

    @property
    def rows(self) -> Rows:
        """(n,) indices of all rows."""
        return np.arange(len(self.data.bucket))

    def fit(self, candidate: Candidate, rows: Rows, rounds: int) -> lightgbm.Booster:
        """A booster fitted on these rows; the same input gives the same bytes."""
        import lightgbm

        return lightgbm.train(
            self._parameters(candidate),
            self._lightgbm_dataset(candidate, rows),
            num_boost_round=rounds,
        )

    def best_rounds(self, candidate: Candidate, rows: Rows) -> int:
        """Number of trees by early stopping on families held out of these rows.

        The validation families are part of `rows`, so they cannot be test rows of the caller.
        """
        import lightgbm

        train, validation = next(group_folds(self.families(rows), self.folds))
        train_set = self._lightgbm_dataset(candidate, rows[train])
        booster = lightgbm.train(
            self._parameters(candidate),
            train_set,
            num_boost_round=self.rounds,
            valid_sets=[self._lightgbm_dataset(candidate, rows[validation], reference=train_set)],
            callbacks=[lightgbm.early_stopping(recipe.PATIENCE, verbose=False)],
        )
        return max(booster.best_iteration, 1)

    def out_of_fold(
        self,
        candidate: Candidate,
        rows: Rows,
        rounds: int,
        step: Callable[[], None] = lambda: None,
    ) -> FloatArray:
        """(len(rows),) raw score of each row from a booster fitted without its family.

        Args:
            candidate: how to fit.
            rows: indices of rows.
            rounds: number of trees.
            step: called before each fold; may raise Cancelled.
        """
        score = np.full(len(rows), np.nan)
        for train, test in group_folds(self.families(rows), self.folds):
            step()
            score[test] = self.score(self.fit(candidate, rows[train], rounds), rows[test])
        return score

    def score(self, booster: lightgbm.Booster, rows: Rows) -> FloatArray:
        """(len(rows),) raw score, log-odds."""
        return raw_score(booster, self.scoring_matrix[rows])

    def families(self, rows: Rows) -> list[str]:
        """The family of each of these rows."""
        return [self.data.families[row] for row in rows]

    def _parameters(self, candidate: Candidate) -> dict[str, Any]:
        settings: dict[str, Any] = {
            **recipe.REPRODUCIBLE,
            **candidate.settings,
            "objective": candidate.objective,
            "seed": self.seed,
        }
        if candidate.monotone_in_bucket:
            settings["monotone_constraints"] = [
                int(name == recipe.BUCKET) for name in recipe.FEATURES
            ]
        return settings

    def _lightgbm_dataset(
        self, candidate: Candidate, rows: Rows, reference: lightgbm.Dataset | None = None
    ) -> lightgbm.Dataset:
        import lightgbm

        matrix, bucket = self.training_matrix[rows], self.data.bucket[rows]
        for name in candidate.hidden_features:
            matrix[:, recipe.FEATURES.index(name)] = np.nan
        return lightgbm.Dataset(
            matrix,
            high(bucket) if candidate.objective == "binary" else rate_position(bucket),
            feature_name=list(recipe.FEATURES),
            reference=reference,
        )


def raw_score(booster: lightgbm.Booster, matrix: Matrix) -> FloatArray:
    """(n,) uncalibrated score of each row, log-odds."""
    score = booster.predict(matrix, raw_score=True, num_threads=1)
    return np.asarray(score, dtype=np.float64)


def last_bucket_forecast(data: Dataset, folds: int) -> FloatArray:
    """(n,) baseline: share of high buckets among the other folds' rows with the same bucket."""
    bucket, outcome = data.frame.column(recipe.BUCKET), high(data.bucket)
    level = np.where(np.isnan(bucket), -1.0, bucket)
    forecast = np.full(len(outcome), np.nan)
    for train, test in group_folds(data.families, folds):
        overall = float(outcome[train].mean())
        for value in np.unique(level):
            same_level = outcome[train][level[train] == value]
            forecast[test[level[test] == value]] = same_level.mean() if len(same_level) else overall
    return forecast
