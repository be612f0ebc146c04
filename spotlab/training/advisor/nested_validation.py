"""Nested validation: choosing how to fit, and evaluating the choice on held-out families.

The validation score of the best of several candidates is too good, since it was used for the
choice. So everything (number of trees, candidate, calibration) is chosen again within each fold's
training families, and the result forecasts the fold's test families.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spotlab.inference.calibrators import apply, sigmoid
from spotlab.training.advisor.booster import BoosterFitter
from spotlab.training.advisor.calibration import ChosenCalibration, choose_calibration
from spotlab.training.advisor.labels import high
from spotlab.training.advisor.recipe import Candidate
from spotlab.training.advisor.splits import group_folds

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class ValidatedCandidate:
    """A candidate with its validation on held-out families.

    Args:
        candidate: how to fit.
        rounds: number of trees, by early stopping.
        score: (n,) out-of-fold raw scores.
        high_bucket: their calibration to P(bucket >= 3), with its log loss.
    """

    candidate: Candidate
    rounds: int
    score: FloatArray
    high_bucket: ChosenCalibration

    @property
    def log_loss(self) -> float:
        """Log loss of the calibrated out-of-fold scores, nats; the criterion of the choice."""
        return self.high_bucket.log_loss[self.high_bucket.kind]


def validate(
    fitter: BoosterFitter,
    candidate: Candidate,
    rows: Rows,
    step: Callable[[], None] = lambda: None,
) -> ValidatedCandidate:
    """Validate a candidate on group folds of these rows only."""
    rounds = fitter.best_rounds(candidate, rows)
    score = fitter.out_of_fold(candidate, rows, rounds, step)
    families = fitter.families(rows)
    outcome = high(fitter.data.bucket[rows])
    return ValidatedCandidate(
        candidate, rounds, score, choose_calibration(score, outcome, families, fitter.folds)
    )


def nested_forecast(
    fitter: BoosterFitter, candidates: Sequence[Candidate], step: Callable[[], None]
) -> FloatArray:
    """(n,) P(bucket >= 3); each fold's candidate was chosen and fitted without the fold's families.

    Args:
        fitter: with the data.
        candidates: those that may be shipped.
        step: called before each fold; may raise Cancelled.
    """
    forecast = np.full(len(fitter.data.bucket), np.nan)
    for train, test in group_folds(fitter.data.families, fitter.folds):
        step()
        validated = [validate(fitter, each, train) for each in candidates]
        best = min(validated, key=lambda each: each.log_loss)
        booster = fitter.fit(best.candidate, train, best.rounds)
        forecast[test] = sigmoid(apply(best.high_bucket.calibrator, fitter.score(booster, test)))
    return forecast
